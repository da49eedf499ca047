"""One broker after the other is killed, frozen or restarted, each when all replicas are in sync again."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from streams.testing.three_brokers.cluster import ThreeBrokers
from streams.testing.three_brokers.leaders import Leaders
from streams.tools.broker import Broker
from streams.tools.broker.config import REPLICAS

FROZEN_S = 20.0
LONGEST_DOWN_S = 4.0
WELL_S = 120.0
CALM_S = 2.0
STOP_S = 30.0
"""Handing over the leaders and writing all logs down takes a while where cores are shared."""


class Fault(StrEnum):
    """What is done to a broker. `RESTART` is in order: it hands its leaders over first."""

    KILL = "kill -9"
    FREEZE = "freeze"
    RESTART = "restart"


class Step(NamedTuple):
    """One fault of the broker at this place, which is away for `lasts_s` and the time that its start takes."""

    fault: Fault
    place: int
    lasts_s: float


def steps(seed: int) -> Iterator[Step]:
    """All faults under load, for ever, by the seed: in six of them, each broker is killed once and frozen once."""
    rng = random.Random(seed)
    while True:
        one, two, three = rng.sample(range(REPLICAS), REPLICAS)
        for killed, frozen in ((one, two), (three, one), (two, three)):
            yield Step(Fault.KILL, killed, rng.uniform(0.0, LONGEST_DOWN_S))
            yield Step(Fault.FREEZE, frozen, FROZEN_S)


class NotWellError(Exception):
    """Replicas did not come back in time: another fault could lose what is confirmed."""


class Faults:
    """`done` counts them; `say` gets a line for each, with the time since the start."""

    def __init__(self, cluster: ThreeBrokers, leaders: Leaders, say: Callable[[str], None]) -> None:
        self.done: Counter[Fault] = Counter()
        self.longest_return_s = 0.0
        """From a broker's return to all replicas in sync and its leaders with it."""
        self._cluster = cluster
        self._leaders = leaders
        self._tell = say
        self._began_s = time.monotonic()

    async def run(self, seed: int, seconds: float) -> None:
        """Faults that begin within `seconds`, then a restart of all in turns. NotWellError ends it early."""
        self._began_s = time.monotonic()
        for step in steps(seed):
            if time.monotonic() - self._began_s > seconds:
                break
            await self._do(step)
        for place in range(REPLICAS):
            await self._do(Step(Fault.RESTART, place, 0.0))

    async def _do(self, step: Step) -> None:
        broker = self._cluster.brokers[step.place]
        self._say(f"{step.fault} broker {step.place + 1}, away for {step.lasts_s:.1f} s")
        if step.fault is Fault.FREEZE:
            await self._freeze(broker, step.lasts_s)
        else:
            end = broker.kill if step.fault is Fault.KILL else partial(broker.stop, STOP_S)
            await self._cluster.with_broker(end)
            await asyncio.sleep(step.lasts_s)
            await self._cluster.with_broker(broker.start)
        self.done[step.fault] += 1
        self._say(f"broker {step.place + 1} is back")
        await self._heal()

    async def _freeze(self, broker: Broker, lasts_s: float) -> None:
        broker.pause()
        await asyncio.sleep(lasts_s)
        broker.resume()

    async def _heal(self) -> None:
        """Replicas in sync, leaders where they belong, and a moment of peace."""
        back_s = time.monotonic()
        if problem := await self._leaders.all_well(REPLICAS, WELL_S):
            raise NotWellError(problem)
        self.longest_return_s = max(self.longest_return_s, time.monotonic() - back_s)
        self._say("all replicas in sync, preferred leaders elected")
        await asyncio.sleep(CALM_S)

    def figures(self) -> dict[str, Any]:
        """For the last line."""
        return {
            "broker_kills": self.done[Fault.KILL], "broker_freezes": self.done[Fault.FREEZE],
            "broker_restarts": self.done[Fault.RESTART],
            "longest_return_s": round(self.longest_return_s, 1),
        }  # fmt: skip

    def _say(self, line: str) -> None:
        self._tell(f"{time.monotonic() - self._began_s:6.1f} s  {line}")
