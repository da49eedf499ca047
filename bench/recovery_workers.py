"""Workers that are started, stopped and killed by name, each life with a log of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from bench.errors import BenchError
from bench.stack import end
from streams.ops.supervisor import last_line
from streams.ops.tether import tethered
from streams.settings import variable

STOP_S = 30.0
POLL_S = 0.02


class Life:
    """One process of a worker. Instants are seconds since 1970."""

    def __init__(self, name: str, env: Mapping[str, str], log: Path, *more: str) -> None:
        """Start it, `more` after the usual arguments."""
        self.name, self.log = name, log
        self.started_s = time.time()
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                tethered([sys.executable, "-m", "streams", "worker", *more]),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, **env, variable("worker_id"): name}, start_new_session=True,
            )  # fmt: skip
        self._usage = psutil.Process(self._process.pid)

    @property
    def rss_mb(self) -> float:
        """Memory now."""
        return float(self._usage.memory_info().rss) / 1e6

    @property
    def cpu_s(self) -> float:
        """CPU used until now."""
        used = self._usage.cpu_times()
        return float(used.user + used.system)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of one event, oldest first."""
        lines = [line for line in self.log.read_text("utf-8").splitlines() if line.startswith("{") and line[-1] == "}"]
        return [entry for line in lines if (entry := json.loads(line)).get("event") == name]

    def await_event(self, name: str, count: int = 1, within_s: float = 180.0) -> float:
        """Wait for the event to be logged that often -> when."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended ({self._process.returncode}): {last_line(self.log)}")
            if len(found := self.events(name)) >= count:
                return datetime.fromisoformat(found[count - 1]["timestamp"]).timestamp()
            time.sleep(POLL_S)
        raise BenchError(f"{self.name} did not log {name} in {within_s:.0f} s: {last_line(self.log)}")

    def owned(self) -> list[int]:
        """Partition numbers as of the last assignment."""
        ready = self.events("ready")
        return list(ready[-1]["partitions"]) if ready else []

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send the signal and wait for the end -> when it was sent."""
        sent_s = time.time()
        if self._process.poll() is None:
            end(self._process, number, STOP_S)
        return sent_s


class Workers:
    """All lives, so that none is left behind."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self._env, self._folder = env, folder
        self.lives: list[Life] = []

    def start(self, name: str, *more: str) -> Life:
        """Start a worker, for the first time or again; `more`: after the usual arguments."""
        life = Life(name, self._env, self._folder / f"{len(self.lives)}-{name}.log", *more)
        self.lives.append(life)
        return life


@contextmanager
def workers(env: Mapping[str, str], folder: Path) -> Iterator[Workers]:
    """Workers of one folder, all ended at the end."""
    running = Workers(env, folder)
    try:
        yield running
    finally:
        for life in running.lives:
            life.end()
