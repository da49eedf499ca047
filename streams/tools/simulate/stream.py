"""The simulated stream: facts, activity, changes, repeats, disorder and garbage, in the order of arrival."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter

import msgspec
import numpy as np

from streams.core.reasons import Reason
from streams.tools.produce import Produced
from streams.tools.simulate.activity import Activity, act, times_at
from streams.tools.simulate.garbage import garbage
from streams.tools.simulate.world import DAY_MS, Ints, Size, World, make_world
from streams.tools.simulate.write_events import event_ids, write_events
from streams.tools.simulate.write_facts import changes, first_accounts, first_facts

BLOCK = 100_000
LONGEST_DELAY_MS = 400
REPEAT_AT_ONCE_MS, REPEAT_LATER_MS = 400, 3_600_000
DISORDER_MS = 900_000
TOO_LATE = 0.02
"""Share of delayed records that come more than a day late."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate. The same plan gives the same bytes.

    `garbage` is a share of the events, on top of them; `repeats` the share of events that are written twice (half of
    them at once, half up to an hour later); `shuffle` the share that arrives late; `late_facts` the share of videos
    whose facts come after their first views. The last event happens at `end_ms`.
    """

    events: int
    seed: int
    size: Size
    end_ms: int
    run_id: str
    days: float = 3.0
    garbage: float = 0.0
    repeats: float = 0.01
    shuffle: float = 0.02
    late_facts: float = 0.02
    churn: bool = False
    partitions: int = 8

    @property
    def start_ms(self) -> int:
        """When the activity begins."""
        return self.end_ms - int(self.days * DAY_MS)


@dataclass
class Told:
    """Filled while a stream is consumed: what was written on top of the events planned."""

    repeats: int = 0
    bad: Counter[Reason] = field(default_factory=Counter)


_arrival = attrgetter("timestamp_ms")


def stream(plan: Plan, told: Told | None = None) -> Iterator[Produced]:
    """All records of the plan, ordered by arrival. `told` is filled on the way."""
    told = told if told is not None else Told()
    world = make_world(plan.size, plan.seed, plan.end_ms)
    pending = _facts(plan, world)
    for block, first in enumerate(range(0, plan.events, BLOCK)):
        count = min(BLOCK, plan.events - first)
        pending += _block(plan, world, block, first, count, told)
        pending.sort(key=_arrival)
        # What arrives after the next block has begun waits for it.
        until_ms = _begin_ms(plan, first + count)
        split = bisect_right(pending, until_ms, key=_arrival) if first + count < plan.events else len(pending)
        yield from pending[:split]
        del pending[:split]
    yield from pending


def _facts(plan: Plan, world: World) -> list[Produced]:
    rng = np.random.default_rng([plan.seed, 2])
    records = first_facts(rng, world, plan.start_ms, plan.end_ms, plan.late_facts)
    records += first_accounts(rng, world, plan.start_ms)
    records += changes(rng, world, plan.events, plan.start_ms, plan.end_ms)
    records.sort(key=_arrival)
    return records


def _block(plan: Plan, world: World, block: int, first: int, count: int, told: Told) -> list[Produced]:
    rng = np.random.default_rng([plan.seed, 3, block])
    part = (first / plan.events, (first + count) / plan.events)
    activity = act(rng, world, count, part, (plan.start_ms, plan.end_ms), churn=plan.churn)
    ids = event_ids(plan.run_id, first, count)
    records = list(write_events(world, *_disorder(rng, plan, activity), ids, block))
    again = _repeats(rng, plan, records)
    told.repeats += len(again)
    return records + again + _garbage(rng, plan, records, told)


def _disorder(rng: np.random.Generator, plan: Plan, activity: Activity) -> tuple[Activity, Ints]:
    """Activity with its arrival: a small delay for each, a long one for a share; a few of these are a day older."""
    count = len(activity.at_ms)
    moved = rng.random(count) < plan.shuffle
    old = moved & (rng.random(count) < TOO_LATE)
    delay = rng.integers(20, LONGEST_DELAY_MS, count)
    delay = delay + np.where(moved, rng.exponential(DISORDER_MS, count).astype(np.int64), 0)
    arrival = np.minimum(activity.at_ms + delay, plan.end_ms + LONGEST_DELAY_MS)
    return replace(activity, at_ms=activity.at_ms - np.where(old, DAY_MS, 0)), arrival


def _repeats(rng: np.random.Generator, plan: Plan, records: list[Produced]) -> list[Produced]:
    """Exact copies of a share of the records that arrive later than these."""
    chosen = np.flatnonzero(rng.random(len(records)) < plan.repeats)
    at_once = rng.random(len(chosen)) < 0.5
    after_ms = np.where(
        at_once, rng.integers(1, REPEAT_AT_ONCE_MS, len(chosen)), rng.integers(1, REPEAT_LATER_MS, len(chosen))
    )
    pairs = zip(chosen.tolist(), after_ms.tolist(), strict=True)
    # Kafka refuses what claims to come from the future.
    last_ms = plan.end_ms + LONGEST_DELAY_MS
    return [records[at]._replace(timestamp_ms=min(records[at].timestamp_ms + after, last_ms)) for at, after in pairs]


def _garbage(rng: np.random.Generator, plan: Plan, records: list[Produced], told: Told) -> list[Produced]:
    """Bad records that arrive together with random good ones."""
    count = int(len(records) * plan.garbage)
    if count == 0:
        return []
    bad = garbage(rng, count, partitions=plan.partitions, at_ms=plan.start_ms)
    told.bad.update(record.reason for record in bad)
    beside = rng.integers(0, len(records), count).tolist()
    return [
        Produced(one.topic, one.key, one.value, records[at].timestamp_ms, one.partition)
        for one, at in zip(bad, beside, strict=True)
    ]


def _begin_ms(plan: Plan, first: int) -> int:
    quantile = np.array([first / plan.events])
    return int(times_at(quantile, plan.start_ms, plan.end_ms)[0])
