"""What processes use and what a broker's log grows by, sampled from a thread while the bench waits."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from bench.beside import Beside

EVERY_S = 0.1
LOG_EVERY = 10
"""Samples from one look at the log folder to the next."""


class Sample(NamedTuple):
    """Wall time (seconds since 1970), CPU seconds used until then, and bytes in memory."""

    at_s: float
    cpu_s: float
    rss_bytes: int


class Usage:
    """Processes and all below them: native threads, children, and children that ended, are counted."""

    def __init__(self, *pids: int) -> None:
        """Name the processes; sample them with `look`."""
        self.samples: list[Sample] = []
        self._processes = [psutil.Process(pid) for pid in pids]

    def look(self) -> None:
        """Take one sample; none if one of them is gone."""
        cpu_s, rss_bytes = 0.0, 0
        try:
            for process in [one for top in self._processes for one in (top, *top.children(recursive=True))]:
                times = process.cpu_times()
                cpu_s += times.user + times.system + times.children_user + times.children_system
                rss_bytes += process.memory_info().rss
        except psutil.NoSuchProcess:
            return
        self.samples.append(Sample(time.time(), cpu_s, rss_bytes))

    def cpu_at(self, at_s: float) -> float:
        """CPU seconds used until then, between two samples in proportion."""
        place = bisect_left(self.samples, (at_s,))
        if place == 0:
            return self.samples[0].cpu_s
        if place == len(self.samples):
            return self.samples[-1].cpu_s
        before, after = self.samples[place - 1], self.samples[place]
        share = (at_s - before.at_s) / (after.at_s - before.at_s)
        return before.cpu_s + share * (after.cpu_s - before.cpu_s)

    @property
    def peak_mb(self) -> float:
        """Most memory seen, in MB (10^6 bytes)."""
        return max(sample.rss_bytes for sample in self.samples) / 1e6


def cpu_s(pid: int) -> float:
    """CPU seconds used until now by a process and all below it."""
    usage = Usage(pid)
    usage.look()
    return usage.samples[-1].cpu_s


class LogSizes:
    """Bytes written by topic: the greatest size seen of each segment, so that compaction takes nothing back."""

    def __init__(self, logs: Path) -> None:
        """`logs`: Kafka's folder of partitions."""
        self._logs = logs
        self._sizes: dict[Path, int] = {}

    def look(self) -> None:
        """Note the sizes now."""
        for path in self._logs.glob("*/*.log"):
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            self._sizes[path] = max(size, self._sizes.get(path, 0))

    def by_topic(self) -> dict[str, int]:
        """Bytes of each topic."""
        total: Counter[str] = Counter()
        for path, size in self._sizes.items():
            total[path.parent.name.rpartition("-")[0]] += size
        return dict(total)


class Sampler(Beside):
    """Looks at all of them every 0.1 s while entered, and once more at the end."""

    def __init__(self, usages: Iterable[Usage], sizes: LogSizes) -> None:
        """Name what to look at."""
        super().__init__("sampler")
        self._usages, self._sizes = tuple(usages), sizes

    def __enter__(self) -> Self:
        self._look(logs=True)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._look(logs=True)

    def _run(self) -> None:
        looks = 0
        while not self._over.wait(EVERY_S):
            looks += 1
            self._look(logs=looks % LOG_EVERY == 0)

    def _look(self, *, logs: bool) -> None:
        for usage in self._usages:
            usage.look()
        if logs:
            self._sizes.look()
