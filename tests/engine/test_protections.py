"""Each protection of the engine, switched off in a worker of its own, changes a number; left on, nothing changes.

Real processes on a real Kafka, stopped at named points: see tests/engine/unprotected.py for the switches.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.engine.toy_world import ROOT, ToyWorld

WORDS = 3_000
WITHIN_S = 60.0
PATIENCE = ("flush_timeout_s=600.0", "stuck_s=600.0", "transaction_timeout_ms=120000")
"""However long a worker sleeps, no time limit may end it before the protection in question does."""
STEADY_S = 1.0
SETTLED_S = 35.0
"""A wrong count counts when it has stood for longer than it takes to notice a lost worker and to replace it."""


class World(ToyWorld):
    """Toy workers that lack something, or stop by a script."""

    async def worker(self, name: str, lacking: str, script: str = "") -> asyncio.subprocess.Process:
        log = (self.folder / f"{name}.log").open("ab")
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.engine.unprotected", lacking, script, self.bootstrap, self.prefix,
            str(self.folder / name), "flush_s=0.05", "sweep_s=0.3", "row_budget=60", *PATIENCE,
            cwd=ROOT, env=dict(os.environ), stdout=log, stderr=log,
        )  # fmt: skip
        self.workers.append(started)
        return started

    async def counts(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        return await self.table("by-key"), await self.table("by-word")

    @property
    def recount(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        return dict(self.by_key), dict(self.by_word)

    async def steady(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """Both tables when they are right, or wrong, and nothing changes any more."""
        seen, since = await self.counts(), time.monotonic()
        while True:
            await asyncio.sleep(STEADY_S)
            now = await self.counts()
            if now != seen:
                seen, since = now, time.monotonic()
            elif now == self.recount or time.monotonic() - since > SETTLED_S:
                return now


async def stopped(worker: asyncio.subprocess.Process, within_s: float = WITHIN_S) -> None:
    """Wait until a worker has sent SIGSTOP to itself."""
    deadline = time.monotonic() + within_s
    while Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert worker.returncode is None
        assert time.monotonic() < deadline, "the worker did not stop"
        await asyncio.sleep(0.05)


async def killed_within_a_commit(world: World, lacking: str) -> None:
    """Everything of a commit is sent, then the process vanishes; another one takes over, without a local copy."""
    dying = await world.worker("a", lacking, "offsets:4:SIGKILL")
    assert await asyncio.wait_for(dying.wait(), WITHIN_S) == -signal.SIGKILL
    await world.worker("b", lacking)


async def asleep_before_a_commit(world: World, lacking: str) -> None:
    """A worker sleeps with folded records; another one folds them and more; then it wakes and commits."""
    zombie = await world.worker("a", lacking, "collected:2:SIGSTOP,committed:1:SIGKILL")
    await stopped(zombie)
    await world.produce(WORDS)
    await world.worker("b", lacking)
    await world.drained(WITHIN_S)
    zombie.send_signal(signal.SIGCONT)
    await asyncio.wait_for(zombie.wait(), WITHIN_S)


async def commits_during_a_takeover(world: World, lacking: str) -> None:
    """A worker sleeps in the middle of a commit, and wakes between the first and the second step of its successor."""
    zombie = await world.worker("a", lacking, "offsets:3:SIGSTOP,committed:1:SIGKILL")
    await stopped(zombie)
    await world.worker("b", lacking, "pause")
    async with asyncio.timeout(WITHIN_S):
        while not (world.folder / "between").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.05)
    zombie.send_signal(signal.SIGCONT)
    await asyncio.wait_for(zombie.wait(), WITHIN_S)
    (world.folder / "go").touch()


Story = Callable[[World, str], Coroutine[Any, Any, None]]
STORIES: dict[Story, tuple[str, ...]] = {
    killed_within_a_commit: ("transaction", "read_committed of sources", "read_committed of changelogs"),
    asleep_before_a_commit: ("fencing",),
    commits_during_a_takeover: ("order of ownership",),
}
TOGETHER = [(killed_within_a_commit,), (asleep_before_a_commit, commits_during_a_takeover)]
"""The second two wait for a session to expire most of the time."""


@pytest.mark.parametrize("stories", TOGETHER, ids=["killed", "asleep"])
async def test_a_number_changes_only_without_the_protection(
    stories: tuple[Story, ...], bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def lived_through(play: Story, lacking: str, place: str) -> bool:
        """Whether every count is right in the end."""
        folder = tmp_path / place
        folder.mkdir()
        world = World(bootstrap, f"{topic_prefix}{place}-", folder)
        await world.create()
        await world.produce(WORDS)
        try:
            await play(world, lacking)
            return await world.steady() == world.recount
        finally:
            await world.stop()

    runs = [(play, lacking) for play in stories for lacking in ("nothing", *STORIES[play])]
    right = await asyncio.gather(*(lived_through(*run, str(number)) for number, run in enumerate(runs)))
    assert dict(zip(runs, right, strict=True)) == {run: run[1] == "nothing" for run in runs}
