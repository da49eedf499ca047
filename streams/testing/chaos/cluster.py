"""What a run works on: a Kafka of its own and workers under the project's supervisor."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from streams.ops.supervisor import Backoff, Child, ChildSpec, State, Supervisor
from streams.ops.topic_admin import apply_topics
from streams.settings import Settings, variable
from streams.testing.chaos.evidence import Journal
from streams.testing.chaos.schedule import SESSION_S
from streams.tools.broker import Broker
from streams.tools.broker.probe import free_port

PARTITIONS = 8
ROW_BUDGET = 1_500
"""Rows in memory: a fraction of what the users touch all the time."""
POLL_S = 0.2
STOP_S = 20.0
BACKOFF = Backoff(first_s=0.3, longest_s=1.0)
WORKER_SETTINGS = {
    "session_timeout_s": SESSION_S, "heartbeat_s": 1, "row_budget": ROW_BUDGET, "sweep_s": 2, "flush_ms": 250,
    "log_format": "json",
}  # fmt: skip


class Cluster:
    """Broker and workers of one folder. Use with `async with`."""

    def __init__(self, folder: Path, cache: Path) -> None:
        """Start nothing; `cache` is the state folder of this user, where Kafka's jars may lie."""
        self.folder = folder
        self.broker = Broker(folder / "kafka", state_dir=cache)
        self.supervisor = Supervisor(self._changed)
        self.journals: dict[str, Journal] = {}
        self.ports: dict[str, int] = {}
        # The broker dies with the thread that started it: one that lasts as long as the run.
        self._thread = ThreadPoolExecutor(1, "broker")

    async def __aenter__(self) -> Self:
        await self.with_broker(self.broker.start)
        await apply_topics(self.broker.bootstrap, self.settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(child.stop() for child in self.supervisor.children.values()))
        await self.with_broker(self.broker.stop)
        self._thread.shutdown()

    @property
    def settings(self) -> Settings:
        """Those of the run, whatever the environment says."""
        return Settings(
            broker_url=self.broker.bootstrap, time_mode="history", partitions=PARTITIONS, topic_prefix="",
            state_dir=self.folder / "state",
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """What workers and audit are told."""
        given = self.settings.model_dump(include={"broker_url", "time_mode", "partitions", "topic_prefix", "state_dir"})
        return {variable(name): str(value) for name, value in given.items()} | {"PYTHONUNBUFFERED": "1"}

    async def with_broker(self, action: Callable[[], object]) -> None:
        """Do something to the broker without holding up the supervisor."""
        await asyncio.get_running_loop().run_in_executor(self._thread, action)

    async def start_worker(self, name: str) -> None:
        """Start a worker, for the first time or again."""
        if name in self.supervisor.children:
            await self.supervisor.children[name].start()
            return
        log = self.folder / f"{name}.log"
        self.journals[name], self.ports[name] = Journal(log), free_port()
        env = self.environment() | {variable(key): str(value) for key, value in WORKER_SETTINGS.items()}
        env |= {variable("worker_id"): name, variable("metrics_port"): str(self.ports[name])}
        argv = [sys.executable, "-m", "streams", "worker"]
        await self.supervisor.start(ChildSpec(name=name, argv=argv, log=log, env=env, stop_s=STOP_S, backoff=BACKOFF))

    def copies(self, name: str) -> Path:
        """Folder of a worker's local copies."""
        return self.settings.state_dir / name

    @property
    def running(self) -> list[Child]:
        """Workers that have a process now, by name."""
        return [child for _, child in sorted(self.supervisor.children.items()) if child.pid]

    def given_up(self) -> str | None:
        """Which worker will not come back, and why; None while all do."""
        for name, child in self.supervisor.children.items():
            if child.state is State.GIVEN_UP:
                return f"{name} gave up: {child.reason}"
        return None

    def lives(self) -> dict[str, int]:
        """How often each worker was started."""
        return {name: child.starts for name, child in self.supervisor.children.items()}

    def ownership(self) -> dict[str, list[int]]:
        """Partition numbers by worker that runs or is about to, as each said itself when it was last ready."""
        there = [child for child in self.supervisor.children.values() if child.state in {State.RUNNING, State.WAITING}]
        return {child.spec.name: self.journals[child.spec.name].owned() if child.pid else [] for child in there}

    def problem(self) -> str | None:
        """What is wrong with the ownership now; None if each partition has one owner and no worker is idle."""
        return idle(self.ownership())

    async def settled(self, within_s: float) -> str | None:
        """Wait until each partition has one owner and no worker is idle -> None; else what is wrong in the end."""
        deadline_s = time.monotonic() + within_s
        while (problem := self.problem()) and time.monotonic() < deadline_s:  # noqa: ASYNC110 - others write it
            await asyncio.sleep(POLL_S)
        return problem

    def _changed(self, child: Child) -> None:
        if child.state is State.RUNNING and child.spec.name in self.journals:
            self.journals[child.spec.name].started()

    async def audit(self, wait_s: float, log: Path) -> tuple[int, str]:
        """Run `streams audit` -> (exit code, its last line)."""
        argv = [sys.executable, "-m", "streams", "audit", "--wait", str(wait_s), "--json"]
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=stderr,
                env={**os.environ, **self.environment()},
            )  # fmt: skip
            out, _ = await process.communicate()
        lines = out.decode("utf-8", "replace").strip().splitlines()
        assert process.returncode is not None
        return process.returncode, lines[-1] if lines else ""


def idle(owned: dict[str, list[int]]) -> str | None:
    """What is wrong with an ownership; None if every partition has one owner and every worker has one."""
    numbers = sorted(number for part in owned.values() for number in part)
    if numbers != list(range(PARTITIONS)) or not all(owned.values()):
        return f"not every partition is owned once, or a worker is idle: {owned}"
    return None
