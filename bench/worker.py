"""The worker under test, a process as in production."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen

from bench.errors import BenchError
from bench.stack import STOP_S, end
from streams.ops.metric_list import PREFIX
from streams.ops.supervisor import last_line
from streams.ops.tether import tethered

READY_WITHIN_S = 120.0
POLL_S = 0.05


class Worker:
    """Started when entered, stopped when left; its log is JSON, one line an event."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        """`env` is added to this process's own."""
        self._env, self._log = env, log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                tethered([sys.executable, "-m", "streams", "worker"]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self._env},
                start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        end(self._process)

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    def check(self) -> None:
        """BenchError if it has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise BenchError(f"the worker ended ({self._process.returncode}): {last_line(self._log)}")

    def await_ready(self) -> float:
        """Wait until it begins to fold -> that instant, in seconds since 1970."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            self.check()
            for line in self._log.read_text("utf-8").splitlines():
                if (ready := _ready(line)) is not None:
                    return ready
            time.sleep(POLL_S)
        raise BenchError(f"the worker was not ready in {READY_WITHIN_S:.0f} s: {last_line(self._log)}")


def mean_s(port: int, histogram: str) -> float:
    """Mean of a histogram of the worker's metrics; 0 if it has no values."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=STOP_S) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines()]
    found = {line[0]: float(line[1]) for line in lines if len(line) == 2}
    return found[f"{PREFIX}{histogram}_sum"] / max(found[f"{PREFIX}{histogram}_count"], 1)


def _ready(line: str) -> float | None:
    if not line.startswith("{") or not line.endswith("}"):
        return None
    entry = json.loads(line)
    if entry.get("event") != "ready":
        return None
    return datetime.fromisoformat(entry["timestamp"]).timestamp()
