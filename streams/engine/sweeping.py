"""What bounds a worker's memory: committed rows go into the local copy, rows that lie idle are forgotten."""

import time
from typing import TYPE_CHECKING

import structlog

from streams.engine.budget import to_evict

if TYPE_CHECKING:
    from streams.engine.engine import Engine

log = structlog.get_logger("streams.engine")

LOOK_S = 0.5
"""Between two looks at what waits to be swept."""
UNSWEPT_AT_MOST = 2
"""Times the number of images at which a sweep begins: with more of them, folding waits for the sweep."""


class Sweeping:
    """Of all units of an engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._options = engine.options
        self._evicted = 0
        self._last = time.monotonic()

    def waiting(self) -> int:
        """Images of rows that are not in the local copy yet."""
        return sum(unit.images.waiting() for unit in self._engine.units.values())

    def due(self) -> bool:
        """By the time since the last sweep, or by what waits."""
        late = time.monotonic() - self._last >= self._options.sweep_s
        return late or self.waiting() > self._options.unswept_rows

    def overdue(self) -> bool:
        """So much waits that folding has to wait, too."""
        return self.waiting() > UNSWEPT_AT_MOST * self._options.unswept_rows

    async def sweep(self) -> None:
        """Write what is committed into the local copies."""
        engine = self._engine
        started, rows = time.perf_counter(), 0
        for unit in list(engine.units.values()):
            if unit.number in engine.units and engine.accepting:
                rows += await unit.sweep()
        if rows or self._evicted:
            log.info("swept", rows=rows, evicted=self._evicted)
        self._evicted = 0
        engine.meter.count("rows_swept", rows)
        engine.meter.observe("sweep_seconds", time.perf_counter() - started)
        self._last = time.monotonic()

    def evict(self) -> None:
        """Forget rows beyond the budget, of each unit in proportion to those that it can forget."""
        units = self._engine.units.values()
        pinned = {unit: sum(fold.pinned() for fold in unit.folds.values()) for unit in units}
        loose = {unit: unit.resident() - kept for unit, kept in pinned.items()}
        total = sum(loose.values())
        aim = to_evict(total, sum(pinned.values()), self._options.row_budget)
        for unit, rows in loose.items() if aim else ():
            for stage, gone in unit.evict(aim * rows // total).items():
                self._evicted += gone
                self._engine.meter.count("evictions", gone, stage=stage)
