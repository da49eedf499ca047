"""What the workers said and measured."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

SCRAPE_S = 1.0
EVICTIONS = "streams_evictions_total{"


class Journal:
    """The JSON log of one worker, over all its lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._life = 0
        """Where the log of the present process begins."""

    def started(self) -> None:
        """A new process begins to write."""
        self._life = self.path.stat().st_size if self.path.exists() else 0

    def lines(self, begin: int = 0) -> list[dict[str, Any]]:
        """Its entries from that byte on; lines that are no JSON (tracebacks, one cut by a kill) are left out."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as handle:
            handle.seek(begin)
            return [entry for line in handle if (entry := _parsed(line)) is not None]

    def owned(self) -> list[int]:
        """Partition numbers the present process was last ready with; empty while it opens or has lost them."""
        for entry in reversed(self.lines(self._life)):
            if entry["event"] == "ready":
                return list(entry["partitions"])
            if entry["event"] == "units-open":
                return []
        return []

    def count(self) -> Counter[str]:
        """Entries by event name."""
        return Counter(str(entry["event"]) for entry in self.lines())

    def exits(self) -> Counter[str]:
        """Why the worker left by itself."""
        return Counter(str(entry["event"]) for entry in self.lines() if entry.get("level") == "critical")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def counter_sum(text: str, start: str) -> float:
    """Sum of the samples whose line starts so, in Prometheus' text form."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(start))


class Evictions:
    """Rows evicted by all workers in all their lives, as last measured before each end."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], float] = {}

    @property
    def total(self) -> int:
        """Sum over all lives."""
        return int(sum(self._seen.values()))

    def saw(self, worker: str, life: int, count: float) -> None:
        """A measurement; counters only grow within a life."""
        self._seen[worker, life] = max(count, self._seen.get((worker, life), 0.0))

    async def watch(self, ports: Mapping[str, int], lives: Mapping[str, Any]) -> None:
        """Ask all workers once a second, until cancelled; one that does not answer is asked again."""
        timeout = aiohttp.ClientTimeout(total=SCRAPE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                for worker, port in list(ports.items()):
                    life = lives[worker].starts if worker in lives else 0
                    try:
                        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                            self.saw(worker, life, counter_sum(await answer.text(), EVICTIONS))
                    except (aiohttp.ClientError, TimeoutError):
                        continue
                await asyncio.sleep(SCRAPE_S)
