"""When a unit commits: soon while there is time to spare, seldom while there is none, all units taking turns."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from streams.engine.api import Options
from streams.engine.unit import Unit

PACE_S = 0.02
"""Between two looks at what is due."""
MEASURED_S = 0.2
SMOOTHED = 0.3
"""Weight of the newest measurement of the load."""
EASY_SHARE, FULL_SHARE = 0.8, 1.0
"""Of a core: from the first on commits grow rarer, at the second they are as rare as they get. In between the load
settles by itself: rarer commits cost less."""
LAGGING = 10_000
"""Records of one partition number: a unit this far behind has other worries than freshness."""
BACKLOG_FACTOR, BACKLOG_MOST = 2, 5
"""Times the longest distance otherwise, with that much to do and with 2.5 times as much or more. Rows that change again
are written once a commit: the fewer commits, the sooner a backlog is gone."""


class Demand:
    """Of the thread that makes it: for how long it has run or wanted to. Where others use the cores, that is more."""

    def __init__(self, schedstat: Path = Path("/proc/thread-self/schedstat")) -> None:
        """Without `schedstat` (elsewhere than on Linux) only for how long it has run."""
        self._file = os.open(schedstat, os.O_RDONLY) if schedstat.exists() else None

    def seconds(self) -> float:
        """Until now; about 2 us."""
        if self._file is None:
            return time.thread_time()
        ran_ns, waited_ns, _ = os.pread(self._file, 100, 0).split()
        return (int(ran_ns) + int(waited_ns)) / 1e9


class Cadence:
    """Share of a core that the thread of the event loop asks for, and the time between commits that follows from it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.load = 0.0
        self._demand = Demand()
        self._measured, self._busy = time.monotonic(), self._demand.seconds()

    def measure(self) -> bool:
        """Call at each look, on the loop's thread; -> whether 0.2 s have passed and the load was measured anew."""
        now = time.monotonic()
        passed = now - self._measured
        if passed < MEASURED_S:
            return False
        busy = self._demand.seconds()
        self.load += SMOOTHED * ((busy - self._busy) / passed - self.load)
        self._measured, self._busy = now, busy
        return True

    def spacing_s(self, behind: int, most: int, *, fresh: bool) -> float:
        """Seconds between two commits of a unit that has so many records before it; `most`: that any unit here has.

        `fresh`: some of what it would commit came from outside. The rest came from other units: from their backlog, if
        they have one, so it may wait as long as they do.
        """
        soon, seldom = self._options.flush_s, self._options.flush_under_load_s
        if behind <= LAGGING < most:
            behind = LAGGING + 1 if fresh else most
        if behind > LAGGING:
            return min(BACKLOG_FACTOR * behind / LAGGING, BACKLOG_MOST) * seldom
        strain = (self.load - EASY_SHARE) / (FULL_SHARE - EASY_SHARE)
        return soon + min(max(strain, 0.0), 1.0) * max(seldom - soon, 0.0)

    def longest_waiting(self, units: Iterable[Unit], now: float) -> list[Unit]:
        """Units whose last commit began `flush_s` ago or more, the longest waiting first."""
        due = [unit for unit in units if now - unit.last_flush >= self._options.flush_s]
        return sorted(due, key=lambda unit: unit.last_flush)

    def at_once(self, units: int) -> int:
        """How many commits may begin at one look: so few that they spread over the time between two of a unit.

        Collected one after another without a pause, all of them would wait for the last.
        """
        return 1 + int(units * PACE_S / self._options.flush_s)
