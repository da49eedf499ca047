"""After a start: rows of earlier workers that may take part in a chart, loaded little by little beside the folds."""

from itertools import islice

import numpy as np

from streams.core.charts import ChartBoard, chart_of
from streams.core.counters import UNSET, Counters, checked
from streams.core.counters.arrays import Ints
from streams.core.panes import hour_of
from streams.core.params import WINDOW_HOURS
from streams.core.ports import RowReader
from streams.core.rows import COUNTER_HEADER

RESTORED_HOURS = WINDOW_HOURS + 1
"""An event may lie a little ahead of the watermark: one hour to spare."""
LOADED_AT_ONCE = 1 << 14


class ActiveRows:
    """Loads rows of the last 24 hours of the watermark into the counters, and tells the board which charts there were.

    Rows that a fold has loaded meanwhile are newer than those of the scan and stay as they are.
    """

    def __init__(self, rows: RowReader, counters: Counters, board: ChartBoard, touched: list[Ints]) -> None:
        """`touched`: gets the slots loaded, which the board has not seen yet."""
        self.evicted = False
        """Set when rows are forgotten: one that is not in memory may have changed since the scan began."""
        self._counters, self._board, self._touched = counters, board, touched
        self._rows = rows.scan(counters.table)
        self._charts: set[bytes] = set()
        self._newest = 0
        self._done = counters.whole

    def load(self, at_most: int, watermark_ms: int) -> bool:
        """Look at `at_most` more rows; -> whether that was all. Until a tally tells the watermark, newest panes do."""
        if self._done:
            return True
        rows = list(islice(self._rows, at_most))
        self._done = len(rows) < at_most
        found = [(COUNTER_HEADER.unpack_from(checked(v))[-1], k, v) for k, v in rows if not k.startswith(b"\x00")]
        self._charts.update(chart_of(key) for _, key, _ in found)
        self._newest = max(self._newest, max((hour for hour, _, _ in found), default=0))
        newest = hour_of(watermark_ms) or self._newest
        self._load([(key, value) for hour, key, value in found if hour > newest - RESTORED_HOURS])
        if self._done:
            self._board.expect(sorted(self._charts))
            self._charts.clear()
        return self._done

    def _load(self, active: list[tuple[bytes, bytes]]) -> None:
        counters = self._counters
        absent = np.flatnonzero(counters.index.find([key for key, _ in active]) == UNSET).tolist()
        names = [active[i][0] for i in absent]
        if not names:
            return
        slots = counters.slots(names) if self.evicted else counters.load(names, [active[i][1] for i in absent])
        counters.touch(slots)
        counters.columns["chart"][slots] = self._board.numbers(list(map(chart_of, names)))
        self._touched.append(slots)
