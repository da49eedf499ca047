"""The stage of trends: adds up each entity's counts by scope, and publishes the charts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from streams.core.charts import ChartBoard
from streams.core.charts_restore import LOADED_AT_ONCE, ActiveRows
from streams.core.compiled import compiled
from streams.core.counters import UNSET, Counters
from streams.core.counters.arrays import Ints
from streams.core.counters.incoming import Incoming, Received, merged
from streams.core.counters.names import NameIndex, index_of
from streams.core.dormant import Dormant
from streams.core.keys import KIND_OF_LETTER, Kind
from streams.core.panes import hour_of, minute_of
from streams.core.params import WINDOW_HOURS, WINDOW_MINUTES
from streams.core.ports import Output, Record, RowReader, Send
from streams.core.tallies import Tally

TABLE = "trends"
SPARE_SHARE = 4
"""Rows below a chart's last entry by one part in so many of its score leave memory before those less below."""
_LETTERS = "".join(KIND_OF_LETTER).encode()
_REGION = ord(Kind.REGION.letter)
_STAR = b"\x00*"
_first = itemgetter(0)


class TrendStage:
    """Fold of `trend-tallies` of one partition.

    Rows in or near a chart stay in memory. Of others with activity in its window a residue stays (core.dormant), by
    which they are read back when a chart might miss them: charts are exact. After a start the caller has active rows
    loaded by `restore`, little by little beside folds and evictions; charts wait for the last of them. The caller sets
    `charts_due` when it is time to publish charts; the next `collect` does so and clears it. `watermark_ms` is that of
    the last commit, so that charts which a stop kept back are published though no tally follows.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,  # noqa: ARG002 - as VideoStage
        rows: RowReader,
        watermark_ms: int = 0,
    ) -> None:
        self.charts_due = False
        self._partition = partition
        self._counters = Counters(TABLE, rows, ("star", "chart"))
        self._board = ChartBoard(partition)
        self._chart_names: list[bytes] = []
        self._chart_index = index_of(self._chart_names)
        self._touched: list[Ints] = []
        self._incoming = Incoming("trend-tallies", watermark_ms)
        self._active = ActiveRows(rows, self._counters, self._board, self._touched)
        self._dormant = Dormant()
        self._pinned = UNSET
        self.counters: Counter[str] = Counter()
        """For the engine to report."""

    @property
    def watermark_ms(self) -> int:
        return self._incoming.watermark_ms

    def fold(self, topic: str, records: Sequence[Record]) -> None:  # noqa: ARG002 - the signature of ports.Fold
        """Take in tallies, in order."""
        for cells in merged(self._incoming.cells(records, self._counters, _row_names, _LETTERS)):
            self._add(cells)

    def collect(self, flush: int) -> Output:  # noqa: ARG002 - the signature of ports.Fold
        """Rows changed since the last flush; charts if they are due."""
        self._counters.apply()
        output = self._incoming.output()
        changed = self._counters.changed()
        if len(changed):
            self._touched.append(changed)
            output.rows[TABLE] = self._counters.take_dirty()
        if self.charts_due:
            self.charts_due = False
            while not self.restore(LOADED_AT_ONCE):
                pass
            output.sends = list(self._charts())
        return output

    def has_work(self) -> bool:
        return self.charts_due and self._stale()

    def resident(self) -> int:
        return len(self._counters)

    def dormant(self) -> int:
        """Rows of which a residue is held; some may be in memory again."""
        return len(self._dormant)

    def pinned(self) -> int:
        """As charts were last looked at."""
        if self._pinned < 0:
            self._pinned = int(np.count_nonzero(self._kept()))
        return self._pinned

    def evict(self, rows: int) -> int:
        """Forget rows without activity in the windows of charts, then those far below the charts, then those near."""
        if not rows or not self.watermark_ms:  # what is in which window is not known before the first watermark
            return 0
        self._active.evicted = True
        self._counters.apply()
        self._look()
        rank = self._newer_than(*self._oldest()).astype(np.int8)
        # A limit falls now and then, and rows above it have to be read back.
        rank += self._board.near(self._counters.columns["chart"], SPARE_SHARE)
        slots = self._counters.idle(rows, self._kept(), rank)
        self._remember(slots)
        self._forget(slots)
        return len(slots)

    def _kept(self) -> NDArray[np.bool_]:
        """By slot: whether its row is in a chart as last looked at, or has cells that are in no window yet."""
        ahead = self._newer_than(minute_of(self.watermark_ms), hour_of(self.watermark_ms))
        return ahead | self._board.near(self._counters.columns["chart"])

    def _remember(self, slots: Ints) -> None:
        """Keep the residue of these rows: with no cell ahead, their sums can only fall until they are touched."""
        counters = self._counters
        newest = np.stack((counters.minutes.top[slots], counters.hours.top[slots]))
        names = [counters.names[slot] for slot in slots.tolist()]
        self._dormant.add(names, counters.columns["chart"][slots], self._board.scores(slots), newest)

    def _forget(self, slots: Ints) -> None:
        self._counters.forget(slots)
        gone = np.zeros(len(self._counters.totals) + 1, bool)
        gone[slots] = True
        star = self._counters.columns["star"]
        star[gone[star]] = UNSET
        self._board.forget(slots)
        if not self._touched and (moved := self._counters.shrink()) is not None:
            star = self._counters.columns["star"]
            star[:] = moved[star]
            self._board.move(moved)

    def _newer_than(self, minute: int, hour: int) -> NDArray[np.bool_]:
        """By slot: whether its row has a newer pane than one of these."""
        newer: NDArray[np.bool_] = (self._counters.minutes.top > minute) | (self._counters.hours.top > hour)
        return newer

    def _add(self, cells: Received) -> None:
        stars = self._counters.columns["star"][cells.slots]
        new = cells.slots[stars == UNSET]
        if len(new):
            self._set_stars(new)
            stars = self._counters.columns["star"][cells.slots]
        self._counters.add_rows(*cells, stars)

    def _set_stars(self, slots: Ints) -> None:
        """Find the rows of scope `*` for these rows, and the charts of both."""
        counters = self._counters
        kernel = compiled("counters_stars")
        if kernel is None or isinstance(counters.index, NameIndex) or isinstance(self._chart_index, NameIndex):
            found = np.full((3, len(slots)), UNSET)
        else:
            found, places, which, absent, hashes = kernel.stars(
                slots, counters.names, counters.index, self._chart_index
            )
            if absent:
                found[0, places] = counters.bring(absent, hashes)[which]
        new = np.flatnonzero((found == UNSET).any(0))
        if len(new):
            found[:, new] = self._stars([counters.names[slot] for slot in slots[new].tolist()])
        # The counters may have grown: their columns lie elsewhere then.
        star, chart = counters.columns["star"], counters.columns["chart"]
        star[slots], chart[slots], chart[found[0]] = found

    def _stars(self, names: list[bytes]) -> Ints:
        """Slots of stars, numbers of the charts of the rows, and of those of the stars."""
        parts = [name.partition(b"\x00") for name in names]
        slots = self._counters.slots([entity + _STAR for entity, _, _ in parts])
        own = self._chart_numbers([entity[:1] + scope for entity, _, scope in parts])
        return np.stack((slots, own, self._chart_numbers([entity[:1] + b"*" for entity, _, _ in parts])))

    def _chart_numbers(self, charts: list[bytes]) -> list[int]:
        numbers = self._board.numbers(charts)
        for number, chart in zip(numbers, charts, strict=True):
            if number >= len(self._chart_names):
                self._chart_names += [b""] * (number + 1 - len(self._chart_names))
            if not self._chart_names[number]:
                self._chart_names[number] = chart
                self._chart_index.add([chart], [number])
        return numbers

    def _charts(self) -> Iterator[Send]:
        if not self.watermark_ms:
            return
        self._look()
        while self._wake():
            self._look()
        for key, value in self._board.publish(self.watermark_ms):
            yield Send("charts", self._partition, key, value)

    def _look(self) -> None:
        """Bring the board up to date, and what is kept for it."""
        if not self.watermark_ms:
            return
        counters = self._counters
        touched = np.zeros(len(counters.totals), bool)
        for slots in self._touched:
            touched[slots] = True
        self._touched.clear()
        self._pinned = UNSET
        cells, numbers = (counters.minutes, counters.hours), counters.columns["chart"]
        self._board.look(cells, np.flatnonzero(touched), numbers, counters.names, self.watermark_ms)

    def _wake(self) -> bool:
        """Read back rows that may be missing in a chart; -> whether there were any: then limits may have risen."""
        if not len(self._dormant):
            return False
        names, charts = self._dormant.awake(self._board.limits(), np.array(self._oldest()), LOADED_AT_ONCE)
        if not names:
            return False
        before = len(self._counters)
        slots = self._counters.slots(names)
        self._counters.columns["chart"][slots] = charts
        self._touched.append(slots)
        self.counters["rows_woken"] += len(self._counters) - before
        return True

    def _oldest(self) -> tuple[int, int]:
        """The panes before the windows; no row has one that is not above 0."""
        minute, hour = minute_of(self.watermark_ms), hour_of(self.watermark_ms)
        return max(minute - WINDOW_MINUTES, 0), max(hour - WINDOW_HOURS, 0)

    def _stale(self) -> bool:
        return self.watermark_ms > 0 and (bool(self._touched) or self._board.waiting(self.watermark_ms))

    def restore(self, rows: int) -> bool:
        """Load `rows` more rows that may take part in a chart; -> whether all of them are there."""
        return self._active.load(rows, self.watermark_ms)


def _row_names(tally: Tally) -> list[bytes]:
    """Entities of kind region have one row, of scope `*`."""
    letters = bytes(map(_first, tally.names))
    if not set(_LETTERS).issuperset(letters):
        raise ValueError("tally names an unknown kind of entity")
    found = list(tally.names)
    for i in np.flatnonzero(np.frombuffer(letters, np.uint8) == _REGION).tolist():
        found[i] = _star(found[i])
    return found


def _star(name: bytes) -> bytes:
    return name[: name.index(b"\x00")] + _STAR
