"""A toy worker that lacks one protection, or that stops where a script says. Production has no such setting.

Run as a process: `python -m tests.engine.unprotected LACKING SCRIPT BOOTSTRAP PREFIX STATE_DIR [OPTION=VALUE ...]`.
LACKING is a key of `LACKING` below or `nothing`; SCRIPT is a comma-separated list of `point:n:signal`, done in order.
"""

import asyncio
import contextvars
import functools
import inspect
import os
import signal
import sys
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.engine import changelog, consumer, opening, transaction, unit, watchdog
from streams.engine.opening import Opener
from streams.engine.transaction import UnitProducer
from tests.engine import toy

GO_WITHIN_S = 60.0
TRANSACTION: Any = transaction
CHANGELOG: Any = changelog
UNIT: Any = unit
OPENING: Any = opening


def two_transactions() -> None:
    """Messages in one transaction, the rows and offsets they were made with in another."""
    commit = UnitProducer.commit

    async def commit_twice(self: UnitProducer, work: Any) -> Any:
        await commit(self, work._replace(rows={}, offsets={}))
        return await commit(self, work._replace(messages=()))

    UnitProducer.commit = commit_twice  # type: ignore[method-assign]


def no_fencing() -> None:
    """Each process has transactional ids of its own, so nobody is locked out."""

    def producer(**arguments: Any) -> Any:
        return AIOKafkaProducer(**{**arguments, "transactional_id": uuid.uuid4().hex})

    TRANSACTION.AIOKafkaProducer = producer


def uncommitted_sources() -> None:
    """Records of aborted transactions are folded."""
    create = consumer.ConsumerThread._create_worker_consumer

    def create_worker_consumer(self: Any, transport: Any) -> Any:
        made = create(self, transport)
        made._isolation_level = "read_uncommitted"
        return made

    consumer.ConsumerThread._create_worker_consumer = create_worker_consumer  # type: ignore[method-assign]


def uncommitted_changelogs() -> None:
    """Rows of aborted transactions are restored."""

    def reader(**arguments: Any) -> Any:
        return AIOKafkaConsumer(**{**arguments, "isolation_level": "read_uncommitted"})

    CHANGELOG.AIOKafkaConsumer = reader


def lost_ends() -> None:
    """What a predecessor left open stays open until the next commit decides about it."""

    async def leave_it(*_: Any) -> None: ...

    OPENING.loose_ends.end_all = leave_it


def restored_before_fence() -> None:
    """Offsets and rows are read while a predecessor may still commit."""
    fence, positions, restore = UnitProducer.fence, inspect.unwrap(Opener._positions), Opener._restore

    async def later(self: UnitProducer, topics: Collection[str] = ()) -> None:
        """Not yet."""

    async def fence_after(self: Opener, new: Any, standbys: Any) -> None:
        await restore(self, new, standbys)
        await asyncio.gather(*(fence(unit.producer) for unit in new))

    lost_ends()  # what is open before the fence is no lost end
    UnitProducer.fence = later  # type: ignore[method-assign]
    Opener._positions = positions  # type: ignore[method-assign]
    Opener._restore = fence_after  # type: ignore[method-assign]


LACKING: dict[str, Callable[[], None]] = {
    "transaction": two_transactions,
    "fencing": no_fencing,
    "read_committed of sources": uncommitted_sources,
    "read_committed of changelogs": uncommitted_changelogs,
    "order of ownership": restored_before_fence,
    "taking back of lost ends": lost_ends,
}


def follow(script: str) -> None:
    """Send this process the signals of the script at its points; after the first, only in the commit that met it.

    Several units commit at the same time: another one's end would come too soon.
    """
    steps = [step.split(":") for step in script.split(",") if step]
    begun = False
    in_this_commit = contextvars.ContextVar("in_this_commit", default=False)

    def hit(name: str) -> None:
        nonlocal begun
        if not steps or steps[0][0] != name or (begun and not in_this_commit.get()):
            return
        left = int(steps[0][1]) - 1
        steps[0][1] = str(left)
        if left == 0:
            begun = True
            in_this_commit.set(True)
            os.kill(os.getpid(), signal.Signals[steps.pop(0)[2]])

    TRANSACTION.hit = UNIT.hit = hit


def pause_between_steps_of_opening(folder: Path) -> None:
    """After the first of fence, offsets and restore: say so (a file `between`) and wait for a file `go`."""
    paused = asyncio.Event()

    def then_pause(step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        async def paused_after(*arguments: Any) -> Any:
            done = await step(*arguments)
            if not paused.is_set():
                paused.set()
                (folder / "between").touch()
                async with asyncio.timeout(GO_WITHIN_S):
                    while not (folder / "go").exists():  # noqa: ASYNC110 - another process makes it
                        await asyncio.sleep(0.02)
            return done

        return paused_after

    transaction.UnitProducer.fence = then_pause(UnitProducer.fence)  # type: ignore[method-assign]
    opening.Opener._positions = then_pause(Opener._positions)  # type: ignore[method-assign]
    opening.Opener._restore = then_pause(Opener._restore)  # type: ignore[method-assign]


def be_patient() -> None:
    """However long this process sleeps, no time limit may end it before the protection in question does."""
    watchdog.LOOP_BLOCKED_S = 600.0
    transaction.SLOW_S = 600.0


if __name__ == "__main__":
    be_patient()
    lacking, script = sys.argv[1:3]
    if "pause" in script:
        pause_between_steps_of_opening(Path(sys.argv[5]).parent)
    else:
        follow(script)
    LACKING.get(lacking, lambda: None)()
    toy.main(sys.argv[3:])
