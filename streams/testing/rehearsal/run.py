"""One rehearsal: three workers, two read services, Prometheus; load and reads all the time; a rolling restart."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np

from streams.settings import Settings
from streams.testing.chaos.cluster import PARTITIONS, Cluster
from streams.testing.chaos.load import SIZE, Input, make_plan
from streams.testing.chaos.run import Outcome
from streams.testing.chaos.verdict import judge, measure
from streams.testing.rehearsal.reads import Balancer, Reads, paths
from streams.testing.rehearsal.rolling import Rolling
from streams.testing.rehearsal.stage import Stage, scraped
from streams.tools.simulate.world import make_world

READY_S = 90.0
CALM_S = 3.0
"""Load and reads flow so long before the first restart and after the last."""
LONGEST_S = 600.0
SLICE_S = 2.0
POLL_S = 0.1
USERS_ASKED = 200
"""Those who do most."""


class Wanted(NamedTuple):
    """What to run: `rate` records and `reads` a second, for `seconds` or until the rolling restart is over."""

    seconds: float
    seed: int
    rate: float
    reads: float
    workers: int
    readers: int
    rules: Sequence[Path]


async def run(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Everything from the broker's start to its stop. BrokerError if there can be none here."""
    began_s = time.monotonic()
    async with Cluster(folder, Settings().state_dir) as cluster, Stage(cluster) as stage:
        for number in range(wanted.workers):
            await cluster.start_worker(f"worker-{number}")
        for number in range(wanted.readers):
            await stage.start_reader(f"reader-{number}")
        if not await stage.start_prometheus(wanted.rules):
            say("prometheus is not installed: nothing is scraped")
        async with aiohttp.ClientSession() as session:
            outcome = await _run(wanted, stage, session, say)
    outcome.figures.update(seed=wanted.seed, rate=wanted.rate, seconds=round(time.monotonic() - began_s, 1))
    return outcome


async def _run(wanted: Wanted, stage: Stage, session: aiohttp.ClientSession, say: Callable[[str], None]) -> Outcome:
    cluster = stage.cluster
    plan = make_plan(wanted.seed, LONGEST_S, wanted.rate, int(time.time() * 1000), PARTITIONS)
    given = Input(cluster.broker.bootstrap, plan)
    balancer = Balancer(session, stage.urls)
    world = make_world(SIZE, wanted.seed, plan.end_ms)
    users = [world.users[place] for place in np.argsort(-world.user_mass)[:USERS_ASKED].tolist()]
    reads, rolling = Reads(balancer, paths(users)), Rolling(stage, balancer, say)
    async with _meanwhile(balancer.watch()):
        if problem := await cluster.settled(READY_S) or await _served(stage, balancer):
            return Outcome({}, [f"the topology does not start: {problem}"])
        say(f"ready: {cluster.ownership()}")
        over = asyncio.Event()
        pouring = asyncio.create_task(_pour(given, wanted.rate, over))
        await asyncio.sleep(CALM_S)
        begin_ms, until_s = int(time.time() * 1000), time.monotonic() + wanted.seconds
        async with _meanwhile(reads.run(wanted.reads)):
            await asyncio.sleep(CALM_S)
            await rolling.run()
            await asyncio.sleep(max(CALM_S, until_s - time.monotonic()))
        over.set()
        await pouring
    end_ms = int(time.time() * 1000)
    say(f"{given.written} records written; auditing")
    figures, failures = await judge(cluster, say)
    figures |= rolling.figures() | reads.figures() | await measure(cluster, begin_ms, end_ms)
    figures["prometheus"] = await scraped(session, stage.prometheus) if stage.prometheus else None
    return Outcome(figures, failures + rolling.failures + _wrong(stage, figures))


def _wrong(stage: Stage, figures: dict[str, Any]) -> list[str]:
    """What the figures must not say."""
    found = []
    if figures["failed_reads"]:
        found.append(f"{figures['failed_reads']} of {figures['reads']} reads were not answered")
    if figures["prometheus"] and figures["prometheus"]["targets_up"] != len(stage.urls) + len(stage.cluster.ports):
        found.append(f"Prometheus does not see every process: {figures['prometheus']}")
    children = (stage.cluster.supervisor.children | stage.supervisor.children).items()
    found += [f"{name} started again by itself" for name, child in children if child.starts > _starts(name)]
    return found


def _starts(name: str) -> int:
    """Starts of a child in a rehearsal that goes well."""
    return 1 if name == "prometheus" else 2


async def _served(stage: Stage, balancer: Balancer) -> str | None:
    """Wait until all read services are ready -> None; else which are not."""
    deadline_s = time.monotonic() + READY_S
    while missing := stage.urls.keys() - set(balancer.ready):
        if time.monotonic() > deadline_s:
            return f"not ready: {sorted(missing)}"
        await asyncio.sleep(POLL_S)
    return None


async def _pour(given: Input, rate: float, over: asyncio.Event) -> None:
    while not over.is_set():
        await given.flow(rate, time.monotonic() + SLICE_S)


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run it beside the body; an error in it is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
