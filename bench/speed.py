"""How fast the machine is while something runs: CPU time of a fixed piece of work, done again and again.

Neighbours on the same hardware change what a second of CPU is worth up to twofold. CPU time (not wall time) of the
thread is taken, so waiting for a core or for the interpreter's lock does not count.
"""

import random
import time
from statistics import fmean
from typing import NamedTuple

import msgspec
import numpy as np

from bench.beside import Beside
from bench.errors import BenchError

EVERY_S = 1.0
ALONE_S, ALONE_EVERY_S = 1.0, 0.05
ENTRIES, LOOKUPS = 100_000, 4_000
PLACES, READS = 6_000_000, 80_000
"""48 MB of numbers: more than caches hold."""
STEPS = 20_000


class Machine(msgspec.Struct, frozen=True):
    """CPU of the reference work in ns: `reference_ns` beside the run, `idle_ns` before it, when nothing of ours ran."""

    reference_ns: float
    idle_ns: float


class At(NamedTuple):
    """One sample: when (seconds since 1970), and CPU of the work."""

    at_s: float
    ns: int


class ReferenceWork:
    """About 6 ms, a third each: interpreted Python, look-ups of a dictionary, reads all over 48 MB.

    Constants are in terms of it: whoever changes it has to measure them anew.
    """

    def __init__(self) -> None:
        """Make what it works on. About half a second."""
        draw = random.Random(7)
        self._known = {f"v{number}": number for number in range(ENTRIES)}
        self._names = [f"v{draw.randrange(ENTRIES)}" for _ in range(LOOKUPS)]
        self._numbers = np.arange(PLACES, dtype=np.int64)
        self._places = np.random.default_rng(7).integers(0, PLACES, READS)

    def cpu_ns(self) -> int:
        """CPU time of doing it once."""
        began = time.thread_time_ns()
        self.total()
        return time.thread_time_ns() - began

    def total(self) -> int:
        """Do it; the sum is always the same."""
        total, known = 0, self._known
        for step in range(STEPS):
            total += step & 7 if step % 3 else -1
        for name in self._names:
            total += known[name]
        return total + int(self._numbers[self._places].sum())

    def alone_ns(self, seconds: float = ALONE_S) -> float:
        """Mean over so many seconds, with pauses: of the machine as it is."""
        self.cpu_ns()
        found = []
        for _ in range(max(int(seconds / ALONE_EVERY_S), 1)):
            time.sleep(ALONE_EVERY_S)
            found.append(self.cpu_ns())
        return round(fmean(found), 1)


class Speed(Beside):
    """Does the reference work once a second in a thread while entered: about 1 % of a core."""

    def __init__(self, work: ReferenceWork, every_s: float = EVERY_S) -> None:
        """`every_s`: seconds between two."""
        super().__init__("speed")
        self._work, self._every_s = work, every_s
        self.samples: list[At] = []

    def mean_ns(self, first_s: float, last_s: float) -> float:
        """Mean between two instants (seconds since 1970); of all samples if none lies between. BenchError without."""
        if not self.samples:
            raise BenchError("the machine's speed was not sampled: the run was over at once; give it more --events")
        within = [one.ns for one in self.samples if first_s <= one.at_s <= last_s]
        return round(fmean(within or [one.ns for one in self.samples]), 1)

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self.samples.append(At(time.time(), self._work.cpu_ns()))
            if self._over.wait(self._every_s):
                return
