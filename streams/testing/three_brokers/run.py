"""One run: load and reads all the time, one fault after the other, then the verdict of the chaos harness."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np

from streams.settings import Settings
from streams.testing.chaos.cluster import PARTITIONS
from streams.testing.chaos.load import SIZE, Input, make_plan
from streams.testing.chaos.run import Outcome, idle_at_end
from streams.testing.chaos.verdict import judge, measure
from streams.testing.rehearsal.reads import Balancer, Reads, paths
from streams.testing.rehearsal.stage import Stage
from streams.testing.three_brokers.cluster import ThreeBrokers
from streams.testing.three_brokers.faults import Faults, NotWellError
from streams.testing.three_brokers.leaders import Leaders
from streams.tools.broker.config import REPLICAS
from streams.tools.simulate.world import make_world

READY_S, SETTLE_S = 90.0, 90.0
LONGEST_S = 600.0
SLICE_S = 10.0
PRODUCERS = 2
READS_PER_S = 20.0
USERS_ASKED = 200
READER = "reader-1"
ASK_S = 1.0
POLL_S = 0.2


class Wanted(NamedTuple):
    """What to run: `rate` records a second by `workers`; no fault begins after `seconds`."""

    seconds: float
    seed: int
    rate: float
    workers: int


async def run(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Everything from the brokers' start to their stop. BrokerError if there can be none here."""
    began_s = time.monotonic()
    async with ThreeBrokers(folder, Settings().state_dir) as cluster, Stage(cluster) as stage:
        for number in range(wanted.workers):
            await cluster.start_worker(f"worker-{number + 1}")
        await stage.start_reader(READER)
        async with aiohttp.ClientSession() as session:
            outcome = await _Play(wanted, cluster, stage, session, say).run()
    outcome.figures.update(seed=wanted.seed, rate=wanted.rate, seconds=round(time.monotonic() - began_s, 1))
    return outcome


class _Play:
    """What happens between the start of the processes and their stop."""

    def __init__(
        self, wanted: Wanted, cluster: ThreeBrokers, stage: Stage, session: aiohttp.ClientSession,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._wanted, self._cluster, self._stage, self._say = wanted, cluster, stage, say
        self._balancer = Balancer(session, stage.urls)
        self._leaders = Leaders(cluster.bootstrap, cluster.settings.app_id)
        self._faults = Faults(cluster, self._leaders, say)
        plan = make_plan(wanted.seed, LONGEST_S, wanted.rate, int(time.time() * 1000), PARTITIONS)
        self._given = Input(cluster.bootstrap, plan)
        world = make_world(SIZE, wanted.seed, plan.end_ms)
        users = [world.users[place] for place in np.argsort(-world.user_mass)[:USERS_ASKED].tolist()]
        self._reads = Reads(self._balancer, paths(users))
        self._session = session
        self._not_ready_s = 0.0

    async def run(self) -> Outcome:
        async with _meanwhile(self._balancer.watch()):
            if problem := await self._cluster.settled(READY_S) or await self._served():
                return Outcome({}, [f"it does not start: {problem}"])
            if problem := await self._leaders.all_well(REPLICAS, READY_S):
                return Outcome({}, [f"it does not start: {problem}"])
            self._say(f"ready: {self._cluster.ownership()}")
            begin_ms = int(time.time() * 1000)
            async with _meanwhile(self._leaders.watch()):
                failures = await self._under_load()
            end_ms = int(time.time() * 1000)
            self._say(f"no more faults; {self._given.written} records written; auditing")
            figures, wrong = await judge(self._cluster, self._say)
            failures += wrong + [problem for problem in (idle_at_end(self._cluster), await self._served()) if problem]
        figures |= self._faults.figures() | self._leaders.changes.figures() | self._reads.figures() | self._processes()
        figures |= await measure(self._cluster, begin_ms, end_ms) | {"resent": self._given.resent}
        return Outcome(figures, failures)

    async def _under_load(self) -> list[str]:
        """Faults, load and reads together, until every partition has its owner again -> what went wrong."""
        over = asyncio.Event()
        pouring = [asyncio.create_task(self._pour(over)) for _ in range(PRODUCERS)]
        failures = []
        async with _meanwhile(self._reads.run(READS_PER_S)), _meanwhile(self._ask_reader()):
            try:
                await self._faults.run(self._wanted.seed, self._wanted.seconds)
            except NotWellError as error:
                failures.append(str(error))
            if problem := self._cluster.given_up() or await self._cluster.settled(SETTLE_S):
                failures.append(problem)
            over.set()
            await asyncio.gather(*pouring)
        return failures

    async def _pour(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self._given.flow(self._wanted.rate / PRODUCERS, time.monotonic() + SLICE_S)

    async def _ask_reader(self) -> None:
        """Measure how long the read service is not ready, and say why, until cancelled."""
        url, timeout, told = f"{self._stage.urls[READER]}/readyz", aiohttp.ClientTimeout(total=ASK_S), ""
        asked_s = time.monotonic()
        while True:
            try:
                async with self._session.get(url, timeout=timeout) as answer:
                    why = "" if answer.status == 200 else (await answer.text()).strip()
            except (aiohttp.ClientError, TimeoutError) as error:
                why = repr(error)
            now_s = time.monotonic()
            self._not_ready_s += (now_s - asked_s) if why else 0.0
            if bool(why) != bool(told):
                self._say(f"          {READER} is {'not ready: ' + why if why else 'ready'}")
            asked_s, told = now_s, why
            await asyncio.sleep(ASK_S)

    async def _served(self) -> str | None:
        """Wait until the read service is ready -> None; else that it is not."""
        deadline_s = time.monotonic() + READY_S
        while READER not in self._balancer.ready:
            if time.monotonic() > deadline_s:
                return f"{READER} is not ready: {self._stage.supervisor.children[READER].reason}"
            await asyncio.sleep(POLL_S)
        return None

    def _processes(self) -> dict[str, Any]:
        """Why workers left by themselves, how often the read service did, and how long it was not ready."""
        said: Counter[str] = Counter()
        for journal in self._cluster.journals.values():
            said += journal.exits()
        restarts = self._stage.supervisor.children[READER].restarts
        return {
            "worker_exits": dict(said), "reader_restarts": restarts, "reader_not_ready_s": round(self._not_ready_s, 1)
        }  # fmt: skip


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
