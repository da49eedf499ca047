"""One chaos run: input and faults, then the tail of the input in peace, then the verdict."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from streams.settings import Settings
from streams.testing.chaos.cluster import PARTITIONS, Cluster, idle
from streams.testing.chaos.evidence import Evictions
from streams.testing.chaos.faults import Chaos
from streams.testing.chaos.load import Input, make_plan
from streams.testing.chaos.schedule import make_schedule
from streams.testing.chaos.verdict import judge, measure

READY_S, SETTLE_S = 60.0, 90.0
FIGURES = (
    "events", "rows_checked", "wrong_rows", "rows_excused", "kill9", "zombies", "broker_kills", "disks", "rebalances",
    "evictions", "repeats_dropped", "longest_stall_s",
)  # fmt: skip
TAIL_S = 2.0
PRODUCERS = 2


class Wanted(NamedTuple):
    """What to run: `rate` records a second, `workers` besides the third one that comes and goes."""

    seconds: float
    seed: int
    rate: float
    workers: int


class Outcome(NamedTuple):
    """The figures of the last line; `failures` is empty if all is well."""

    figures: dict[str, Any]
    failures: list[str]


async def run(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Everything from the broker's start to its stop. BrokerError if there can be none here."""
    began_s = time.monotonic()
    async with Cluster(folder, Settings().state_dir) as cluster:
        evictions = Evictions()
        watching = asyncio.create_task(evictions.watch(cluster.ports, cluster.supervisor.children))
        try:
            outcome = await _run(wanted, cluster, say)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        outcome.figures.update(
            evictions=evictions.total, seed=wanted.seed, seconds=round(time.monotonic() - began_s, 1)
        )
    return outcome


async def _run(wanted: Wanted, cluster: Cluster, say: Callable[[str], None]) -> Outcome:
    for number in range(wanted.workers):
        await cluster.start_worker(f"worker-{number + 1}")
    if problem := await cluster.settled(READY_S):
        return Outcome({}, [f"the workers do not start: {problem}"])
    say(f"ready: {cluster.ownership()}")
    chaos = Chaos(cluster, wanted.seed, say)
    begin_ms = int(time.time() * 1000)
    plan = make_plan(wanted.seed, wanted.seconds, wanted.rate, begin_ms, PARTITIONS)
    given = Input(cluster.broker.bootstrap, plan)
    await _flow(given, wanted, wanted.seconds, chaos.run(make_schedule(wanted.seed, wanted.seconds, wanted.workers)))
    say(f"no more faults; {given.written} records written")
    await chaos.all_back()
    failures = [problem] if (problem := cluster.given_up() or await cluster.settled(SETTLE_S)) else []
    say(f"settled: {cluster.ownership()}")
    lives = cluster.lives()
    await _flow(given, wanted, TAIL_S)
    end_ms = int(time.time() * 1000)
    figures, wrong = await judge(cluster, say)
    failures += wrong
    if problem := idle_at_end(cluster):
        failures.append(problem)
    if cluster.lives() != lives:
        failures.append(
            f"a worker ended in peace: starts {lives} before the tail of the input, {cluster.lives()} after"
        )
    figures |= {name: chaos.done[name] for name in ("kill9", "zombies", "broker_kills", "disks")}
    figures |= {name: chaos.done[name] for name in ("sigterm", "replaced", "broker_freezes")}
    figures |= _said(cluster)
    figures |= await measure(cluster, begin_ms, end_ms)
    figures["resent"] = given.resent
    return Outcome(figures, failures)


async def _flow(given: Input, wanted: Wanted, seconds: float, *others: Any) -> None:
    until_s = time.monotonic() + seconds
    producers = [given.flow(wanted.rate / PRODUCERS, until_s) for _ in range(PRODUCERS)]
    await asyncio.gather(*producers, *others)


def idle_at_end(cluster: Cluster) -> str | None:
    """A partition without an owner, a worker without a partition, or one that gave up."""
    return cluster.given_up() or idle(cluster.ownership())


def _said(cluster: Cluster) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    for journal in cluster.journals.values():
        counts += journal.count()
        exits += journal.exits()
    return {"rebalances": counts["units-open"], "holes": counts["hole"], "exits": dict(exits)}


def line_of(outcome: Outcome) -> str:
    """The last line: one JSON object. What a run that failed did not come to is null."""
    figures = dict.fromkeys(FIGURES) | outcome.figures
    return msgspec.json.encode({**figures, "failures": outcome.failures}).decode()
