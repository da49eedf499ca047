"""One run from the first record to the last: writes the input, watches the workers, shows both."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import aiohttp

from streams.ops.kafka_client import client_arguments
from streams.settings import Settings
from streams.tools.produce import Pace, Writer, deliver
from streams.tools.run.caught_up import CaughtUp
from streams.tools.run.display import display
from streams.tools.run.inputs import Input
from streams.tools.run.reads import Reads
from streams.tools.run.view import Snapshot
from streams.tools.run.watch import Watch
from streams.tools.target import new_run_id

REFRESH_S = 1.0
WRITTEN_OVER_S = 5.0


class Wanted(NamedTuple):
    """When to end. `keep_going`: the input starts again (as another run) when it is at its end."""

    until_caught_up: bool
    keep_going: bool


class Outcome(NamedTuple):
    """How it ended. `failure` tells why the workers gave up; figures are of this run."""

    caught_up: bool
    failure: str | None
    events: int
    dead_letters: int
    seconds: float
    events_per_s: float


class Session:
    """Runs until the input is folded (if so wanted), the workers give up, or `stop` is set."""

    def __init__(
        self, settings: Settings, bootstrap: str, url: str, given: Input, wanted: Wanted,
        *, failure: Callable[[], str | None], restarts: Callable[[], int],
    ) -> None:  # fmt: skip
        """`failure` tells why the workers have given up, `restarts` how often they were started again."""
        self.stop = asyncio.Event()
        self._settings = settings
        self._bootstrap = bootstrap
        self._input = given
        self._wanted = wanted
        self._failure = failure
        self._restarts = restarts
        self._reads = Reads(url, given.users)
        self._began_s = time.monotonic()
        self._written: deque[tuple[float, int]] = deque()

    async def run(self) -> Outcome:
        """Write, watch and show until it ends."""
        partitions, prefix = self._settings.partitions, self._settings.topic_prefix
        client = client_arguments(self._settings)
        async with Watch(self._bootstrap, partitions=partitions, prefix=prefix, client=client) as watch:
            tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._refresh())]
            try:
                caught_up = await self._show(watch, tasks[0])
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        folding = watch.folding
        return Outcome(
            caught_up, self._failure(), folding.events, watch.dead_letters, time.monotonic() - self._began_s,
            folding.steady_rate(),
        )  # fmt: skip

    async def _show(self, watch: Watch, writing: "asyncio.Task[None]") -> bool:
        caught_up = CaughtUp()
        with display() as shown:
            while not self.stop.is_set() and self._failure() is None:
                await watch.look(0.2)
                phase = self._phase(writing, watch)
                shown.show(self._snapshot(watch, phase))
                if writing.done():
                    writing.result()
                    if self._wanted.until_caught_up and await caught_up.check(watch):
                        shown.show(self._snapshot(watch, "all folded"))
                        return True
        return False

    def _phase(self, writing: "asyncio.Task[None]", watch: Watch) -> str:
        if not writing.done():
            return self._input.name
        return "serving" if watch.lag == 0 else "folding"

    async def _write(self) -> None:
        partitions, prefix = self._settings.partitions, self._settings.topic_prefix
        client = client_arguments(self._settings)
        async with Writer(self._bootstrap, partitions=partitions, prefix=prefix, client=client) as writer:
            while True:
                await deliver(writer, self._input.records(new_run_id()), Pace(self._input.speed))
                if not self._wanted.keep_going:
                    return

    async def _refresh(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                await self._reads.refresh(session)
                await asyncio.sleep(REFRESH_S)

    def _snapshot(self, watch: Watch, phase: str) -> Snapshot:
        reads, url = self._reads, self._reads.url
        example = f"{url}/v1/users/{reads.user or self._input.users[0]}/interests"
        return Snapshot(
            phase=phase, elapsed_s=time.monotonic() - self._began_s, written=watch.written,
            written_rate=self._written_rate(watch.written), folded=watch.folding.events,
            folded_rate=watch.folding.rate(int(time.time() * 1000)), lag=watch.lag, dead_letters=watch.dead_letters,
            restarts=self._restarts(), tags=reads.tags, videos=reads.videos, user=reads.user, topics=reads.topics,
            interests=reads.interests,
            urls=(("trends", f"{url}/v1/trending/tag?window=24h"), ("a user", example), ("Kafka", self._bootstrap)),
        )  # fmt: skip

    def _written_rate(self, written: int) -> float:
        now_s = time.monotonic()
        self._written.append((now_s, written))
        while self._written[0][0] < now_s - WRITTEN_OVER_S:
            self._written.popleft()
        passed_s = now_s - self._written[0][0]
        return (written - self._written[0][1]) / passed_s if passed_s > 0 else 0.0
