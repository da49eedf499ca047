"""The real pipeline in its own topics: workers as processes, the commands as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
QUICK = {
    "STREAMS_SESSION_TIMEOUT_S": "6",
    "STREAMS_HEARTBEAT_S": "1",
    "STREAMS_TIME_MODE": "history",
    "STREAMS_LOG_FORMAT": "json",
    "STREAMS_SWEEP_S": "1",
}


class Pipeline:
    """One prefix on one broker; `folder` holds copies and logs."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, **environ: str) -> None:
        self.folder = folder
        own = {"STREAMS_BROKER_URL": bootstrap, "STREAMS_TOPIC_PREFIX": prefix, "STREAMS_STATE_DIR": str(folder)}
        self.environ = {**os.environ, **QUICK, **own, **environ}
        self.log = folder / "worker.log"
        self.workers: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str, expect: int = 0, within_s: float = 180) -> str:
        """Run a `streams` command to its end; -> what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "streams", *arguments], env=self.environ, cwd=ROOT, capture_output=True,
            text=True, timeout=within_s, check=False,
        )  # fmt: skip
        assert done.returncode == expect, f"streams {' '.join(arguments)} -> {done.returncode}: {done.stderr[-3000:]}"
        return done.stdout

    def background(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a `streams` command that goes on meanwhile."""
        command = [sys.executable, "-m", "streams", *arguments]
        with (self.folder / "background.log").open("ab") as log:
            running = subprocess.Popen(command, env=self.environ, cwd=ROOT, stdout=log, stderr=log)
        self.workers.append(running)
        return running

    def said(self) -> str:
        """The last lines of what runs in the background."""
        return (self.folder / "background.log").read_text("utf-8")[-3000:]

    def start(self, *arguments: str, module: str = "streams") -> subprocess.Popen[bytes]:
        """Start a worker; `module`: another one that takes the same arguments."""
        command = ("worker",) if module == "streams" else ()
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", module, *command, *arguments],
                env=self.environ,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The worker's log lines of one event, oldest first."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and f'"event": "{event}"' in line]

    def await_log(self, event: str, count: int = 1, within_s: float = 40) -> None:
        deadline = time.monotonic() + within_s
        while len(self.logged(event)) < count:
            assert time.monotonic() < deadline, f"{event} was not logged {count} times; see {self.log}"
            time.sleep(0.1)

    def audit(self, expect: int = 0) -> dict[str, Any]:
        """The audit's JSON object."""
        found: dict[str, Any] = json.loads(self.run("audit", "--json", "--wait", "90", expect=expect).splitlines()[-1])
        return found

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(15)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
