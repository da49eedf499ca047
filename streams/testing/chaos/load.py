"""The input of a run: the simulated world with everything that goes wrong at producers, at a steady rate."""

import asyncio
import heapq
import random
import time
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

import msgspec
import numpy as np
from aiokafka.errors import KafkaError

from streams.core.events import Like
from streams.tools.produce import Produced, Writer
from streams.tools.simulate.stream import Plan, stream
from streams.tools.simulate.world import Size, World, make_world
from streams.tools.simulate.write_facts import EVENTS_PER_CHANGE, changes

SIZE = Size(users=3_000, videos=1_500, regions=8)
TIME_SPEED = 60
"""Seconds of event time in a second of the run: panes and horizons move."""
FLURRY_OF_LIKES = 0.15
"""Share of likes after which the user cannot decide."""
MORE_CHANGES = 10
CHUNK_S = 0.2
RETRY_S = 0.5

_json = msgspec.json.Encoder().encode


def make_plan(seed: int, seconds: float, rate: float, end_ms: int, partitions: int) -> Plan:
    """The world of a run: a little more than it needs, so that the input never ends before it."""
    return Plan(
        events=int(rate * (seconds + 20)) + 20_000, seed=seed, size=SIZE, end_ms=end_ms, run_id=f"chaos-{seed}",
        days=TIME_SPEED * (seconds + 20) / 86_400, garbage=0.01, repeats=0.05, shuffle=0.05, late_facts=0.05,
        partitions=partitions,
    )  # fmt: skip


def records(plan: Plan) -> Iterator[Produced]:
    """The simulated stream with flurries of likes and more changes of facts, by arrival."""
    world = make_world(plan.size, plan.seed, plan.end_ms)
    rng = np.random.default_rng([plan.seed, 9])
    more = list(changes(rng, world, max(plan.events, EVENTS_PER_CHANGE) * MORE_CHANGES, plan.start_ms, plan.end_ms))
    more += _popular(random.Random(plan.seed), world, plan)
    more.sort(key=attrgetter("timestamp_ms"))
    yield from heapq.merge(_flurries(plan), more, key=attrgetter("timestamp_ms"))


def _popular(rng: random.Random, world: World, plan: Plan) -> Iterator[Produced]:
    """Takedowns of videos that everybody watches, mostly undone; what they are about stays."""
    for video in np.argsort(world.mass)[-50:].tolist():
        at_ms = rng.randrange(plan.start_ms, plan.end_ms)
        for turn in range(rng.randrange(1, 6)):
            status, visibility = rng.choice((("removed", "public"), ("active", "private"), ("active", "followers")))
            facts = msgspec.structs.replace(world.facts[video], status=status, visibility=visibility)
            value = _json(world.facts[video] if turn % 2 else facts)
            yield Produced("videos", world.videos[video].encode(), value, min(at_ms, plan.end_ms))
            at_ms += rng.randrange(0, 300_000)


def _flurries(plan: Plan) -> Iterator[Produced]:
    """Behind some likes: like, unlike, like... of the same user and video, some at the very same time."""
    rng = random.Random(plan.seed)
    decoder = msgspec.json.Decoder(Like)
    for record in stream(plan):
        yield record
        if record.topic != "likes" or record.value is None or rng.random() >= FLURRY_OF_LIKES:
            continue
        try:
            like = decoder.decode(record.value)
        except msgspec.DecodeError:
            continue
        for _ in range(rng.randrange(2, 8)):
            op = rng.choice(("like", "unlike"))
            at_ms = max(0, like.at_ms + rng.choice((-1_000, 0, 0, 1, 500)))
            again = msgspec.structs.replace(like, id=f"{rng.getrandbits(64):016x}", op=op, at_ms=at_ms)
            yield record._replace(value=_json(again))


class Input:
    """Two or more producers take turns at one stream, so that the two of a repeat may come from different ones."""

    def __init__(self, bootstrap: str, plan: Plan) -> None:
        self._bootstrap = bootstrap
        self._partitions = plan.partitions
        self._records = records(plan)
        self._lock = asyncio.Lock()
        self.written = 0
        self.resent = 0
        """Records written again, because it was not known whether the broker had them."""

    async def flow(self, rate: float, until_s: float) -> None:
        """Write `rate` records a second until that time of the monotonic clock; what fails is written again."""
        size = max(1, int(rate * CHUNK_S))
        began_s, sent = time.monotonic(), 0
        chunk: list[Produced] = []
        while time.monotonic() < until_s or chunk:
            try:
                async with Writer(self._bootstrap, partitions=self._partitions) as writer:
                    while time.monotonic() < until_s or chunk:
                        chunk = chunk or await self._take(size)
                        await writer.write(chunk)
                        await writer.flush()
                        sent, chunk = sent + len(chunk), []
                        await asyncio.sleep(max(0.0, began_s + sent / rate - time.monotonic()))
            except KafkaError:
                self.resent += len(chunk)
                await asyncio.sleep(RETRY_S)
        self.written += sent

    async def _take(self, count: int) -> list[Produced]:
        async with self._lock:
            # In a thread: a block of the world takes a second to make.
            return await asyncio.to_thread(lambda: list(islice(self._records, count)))
