"""Reads all the time, through whichever read service is ready, as a load balancer on /readyz sends them."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp

POLL_S = 0.2
ATTEMPT_S = 3.0
KNOWN = frozenset({200, 403, 404})
"""Answers of a service that works: 404 for a user not seen yet, 403 for one who is not shown."""


class Balancer:
    """Targets by name and URL; those whose /readyz answers 200 get reads, in turns."""

    def __init__(self, session: aiohttp.ClientSession, targets: Mapping[str, str]) -> None:
        self._session = session
        self._targets = dict(targets)
        self._ready: dict[str, bool] = dict.fromkeys(targets, False)
        self._draining: set[str] = set()
        self._turn = itertools.count()
        self.retried = 0
        """Attempts that failed and were made again at the next target."""

    @property
    def ready(self) -> list[str]:
        """Targets that get reads now."""
        return [name for name, ready in self._ready.items() if ready and name not in self._draining]

    def drain(self, name: str) -> None:
        """Send nothing more there, as for a pod that is being deleted."""
        self._draining.add(name)

    def undrain(self, name: str) -> None:
        """Send reads there again once it says that it is ready."""
        self._ready[name] = False
        self._draining.discard(name)

    async def watch(self) -> None:
        """Ask all for readiness, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Ask all for readiness once."""
        for name, url in self._targets.items():
            self._ready[name] = await self.status(f"{url}/readyz") == 200

    async def read(self, path: str) -> int | None:
        """Ask a ready target, then the others that are ready -> status; None if none of them could answer."""
        turn, ready = next(self._turn), self.ready
        for place in range(len(ready)):
            status = await self.status(self._targets[ready[(turn + place) % len(ready)]] + path)
            if status in KNOWN:
                return status
            self.retried += 1
        return None

    async def status(self, url: str) -> int | None:
        """What a GET is answered with; None if it is not."""
        try:
            async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=ATTEMPT_S)) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None


def paths(users: Sequence[str]) -> Iterator[str]:
    """What is asked, for ever: charts and users in turns."""
    kinds = itertools.cycle(("tag", "creator", "video"))
    for user in itertools.cycle(users):
        yield f"/v1/trending/{next(kinds)}?window=24h&limit=5"
        yield f"/v1/users/{user}/interests?limit=3"


class Reads:
    """A steady client. `statuses` counts answers; `failed` counts reads to which nobody gave one."""

    def __init__(self, balancer: Balancer, asked: Iterator[str]) -> None:
        self._balancer = balancer
        self._asked = asked
        self.statuses: Counter[int] = Counter()
        self.failed = 0
        self.longest_s = 0.0

    async def run(self, per_s: float) -> None:
        """Read until cancelled; a read that takes long holds up those behind it and is measured."""
        began_s, done = time.monotonic(), 0
        while True:
            await self.once(next(self._asked))
            done += 1
            await asyncio.sleep(max(0.0, began_s + done / per_s - time.monotonic()))

    async def once(self, path: str) -> None:
        """One read, counted."""
        asked_s = time.monotonic()
        status = await self._balancer.read(path)
        self.longest_s = max(self.longest_s, time.monotonic() - asked_s)
        if status is None:
            self.failed += 1
        else:
            self.statuses[status] += 1

    def figures(self) -> dict[str, Any]:
        """For the last line."""
        return {
            "reads": self.statuses.total() + self.failed, "failed_reads": self.failed,
            "reads_by_status": {str(status): count for status, count in sorted(self.statuses.items())},
            "retried_reads": self._balancer.retried, "longest_read_ms": round(self.longest_s * 1000),
        }  # fmt: skip
