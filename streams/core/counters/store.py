"""Counter rows of one table partition: names have slots, slots have totals, tops and cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.core.compiled import compiled
from streams.core.counters.arrays import Ints, grown, heads, sum_by
from streams.core.counters.cells import FEW, Cells, add_some
from streams.core.counters.memory import Growing
from streams.core.counters.names import NameIndex, index_of
from streams.core.counters.ragged import Rows, decode, encode
from streams.core.panes import LEVEL_ALL, LEVEL_HOUR, LEVEL_MINUTE, LEVEL_SHIFT, LEVEL_TOTAL, PANE_MASK, TOTAL_ONLY
from streams.core.params import HOUR_PANES, MINUTE_PANES
from streams.core.ports import RowReader, is_empty

UNSET = -1
"""What an owner's column holds for a new slot."""
_CODE_MASK = (1 << 32) - 1
_RANK_SHIFT = 56
"""Ticks stay below this."""
_RECORD = 8
"""Columns of a slot's record: totals, newest minute, where its minutes lie, the same of hours, when it was used."""


class Counters:
    """Slots for names, filled from `reader`; cells count once `apply` was called.

    `columns` are integers by slot for the owner's use; they move when slots are added, so take them from here.
    Where kernels are, `add` counts at once, and a count below zero is found when its row is written.
    """

    def __init__(self, table: str, reader: RowReader, columns: Sequence[str] = ()) -> None:
        self.table = table
        self.names: list[bytes] = []
        self.minutes = Cells(MINUTE_PANES, (1, 4, 16, 48, 128))
        self.hours = Cells(HOUR_PANES, (1, 4, 24, 96, 512))
        self.columns: dict[str, Ints] = {name: np.zeros(0, np.int64) for name in columns}
        self.tick = 0
        self.dirty = np.zeros(0, bool)
        self._memory = Growing(_RECORD)
        self._set_columns()
        self.index = index_of(self.names)
        self._reader = reader
        self.whole = is_empty(reader, table)
        """Whether all rows that there are are in memory."""
        self._free: list[int] = []
        self._here = np.zeros(0, bool)
        self._pending: list[tuple[Ints, Ints, Ints]] = []

    def __len__(self) -> int:
        return len(self.index)

    def slots(self, names: Sequence[bytes]) -> Ints:
        """Slots of names; rows that are not in memory are read."""
        slots: Ints = self.index.find(names)
        absent = np.flatnonzero(slots == UNSET)
        if len(absent):
            missing = [names[i] for i in absent.tolist()]
            self.bring(list(dict.fromkeys(missing)))
            slots[absent] = self.index.find(missing)
        self.tick += 1
        self.touch(slots)
        return slots

    def find(self, message: Any) -> Ints | None:
        """`slots` of the names in a message that a kernel has read; None if it names a row twice."""
        if isinstance(self.index, NameIndex):
            return None
        self.tick += 1
        found = message.find(self.index, self._used, self.tick)
        if found is None:
            return None
        slots, places, absent, hashes = found
        if absent:
            slots[places] = self.bring(absent, hashes)
        return slots  # type: ignore[no-any-return]

    def bring(self, names: list[bytes], hashes: Any = None) -> Ints:
        """Read rows of distinct names that have no slot; -> their slots. `hashes`: as a kernel gave them."""
        if self.whole:
            slots = self._take(names, hashes)
        else:
            slots = self.load(names, self._reader.get_many(self.table, names), hashes)
        self.touch(slots)
        return slots

    def touch(self, slots: Ints) -> None:
        """Mark slots as used just now."""
        self._used[slots] = self.tick

    def load(self, names: list[bytes], values: Sequence[bytes | None], hashes: Any = None) -> Ints:
        """Give names that have no slot one, with the row in `values` or an empty one; -> the slots."""
        slots = self._take(names, hashes)
        kernel = compiled("ragged_rows")
        if kernel is not None:
            kernel.load(self, slots, list(values))
            return slots
        stored = [i for i, value in enumerate(values) if value is not None]
        if stored:
            rows = decode([value for value in values if value is not None])
            at = slots[stored]
            self.totals[at] = rows.totals
            self.minutes.load(at, rows.top_minute, rows.minutes)
            self.hours.load(at, rows.top_hour, rows.hours)
        return slots

    def add(self, slots: Ints, codes: Ints, counts: Ints) -> None:
        """Add one cell to each slot."""
        self.add_rows(slots, np.ones(len(slots), np.int64), codes, counts)

    def add_rows(self, slots: Ints, per: Ints, codes: Ints, counts: Ints, also: Ints | None = None) -> None:
        """Add the next `per[i]` cells to each slot, and to the one in `also` where that is another."""
        kernel = compiled("ragged")
        if not len(slots):
            return
        if kernel is not None:
            slots, per, codes, counts = (np.ascontiguousarray(c, np.int64) for c in (slots, per, codes, counts))
            kernel.add(self, slots, also, per, codes, counts)
            return
        cells = np.repeat(slots, per)
        self._pending.append((cells, codes, counts))
        if also is not None:
            self.touch(also)
            others = np.repeat(also, per)
            other = others != cells
            self._pending.append((others[other], codes[other], counts[other]))

    def apply(self) -> None:
        """Add what still waits. Raises ValueError if a count falls below zero."""
        if not self._pending:
            return
        slots, codes, counts = (np.concatenate(column) for column in zip(*self._pending, strict=True))
        self._pending = []
        keys, counts = sum_by(slots << 32 | codes, counts)
        slots, codes = keys >> 32, keys & _CODE_MASK
        self.dirty[slots] = True
        level, panes = codes >> LEVEL_SHIFT, codes & PANE_MASK
        everything = level == LEVEL_ALL
        self._add_totals(slots, counts, everything | (level == LEVEL_TOTAL))
        add_some(self.minutes, (slots, panes, counts), everything, level == LEVEL_MINUTE)
        hours = np.where(everything, panes // 60, panes)
        add_some(self.hours, (slots, hours, counts), everything, level == LEVEL_HOUR)

    def cells(self, slots: Ints) -> tuple[Ints, Ints, Ints]:
        """All that the rows hold -> (position in `slots`, code, counts): totals, hours and minutes by level.

        The newest pane of each row is among them even if it is zero, so that who gets them forgets no later than
        the row itself. Apply what was noted first.
        """
        own = [np.arange(len(slots))]
        codes, counts = [np.full(len(slots), TOTAL_ONLY, np.int64)], [self.totals[slots]]
        for cells, level in ((self.minutes, LEVEL_MINUTE), (self.hours, LEVEL_HOUR)):
            live = cells.live(slots)
            topped = np.flatnonzero(cells.top[slots])
            own += [np.repeat(np.arange(len(slots)), live.per), topped]
            codes += [live.panes | level << LEVEL_SHIFT, cells.top[slots[topped]] | level << LEVEL_SHIFT]
            counts += [live.counts, np.zeros((len(topped), 3), np.int64)]
        return np.concatenate(own), np.concatenate(codes), np.concatenate(counts)

    def take_dirty(self) -> tuple[list[bytes], list[bytes | None]]:
        """Keys and rows changed since the last call."""
        slots = np.flatnonzero(self.dirty)
        self.dirty[slots] = False
        kernel = compiled("ragged_rows")
        if kernel is not None:
            return kernel.encode(self, slots)  # type: ignore[no-any-return]
        return list(map(self.names.__getitem__, slots.tolist())), [*self.encode(slots)]

    def encode(self, slots: Ints) -> list[bytes]:
        """Bytes of rows. ValueError if a count is below zero."""
        kernel = compiled("ragged_rows")
        if kernel is not None:
            return kernel.encode(self, slots)[1]  # type: ignore[no-any-return]
        totals, minutes, hours = self.totals.take(slots, axis=0), self.minutes.live(slots), self.hours.live(slots)
        return encode(Rows(totals, self.minutes.top[slots], self.hours.top[slots], minutes, hours))

    def changed(self) -> Ints:
        """Slots whose rows changed since `take_dirty`."""
        return np.flatnonzero(self.dirty)

    def resident(self) -> Ints:
        """Slots in use."""
        return np.flatnonzero(self._here)

    def evict(self, rows: int, keep: NDArray[np.bool_] | None = None) -> Ints:
        """Forget up to `rows` clean slots, least recently used first, none that `keep` marks; -> their slots."""
        slots = self.idle(rows, keep)
        self.forget(slots)
        return slots

    def idle(self, rows: int, keep: NDArray[np.bool_] | None = None, rank: NDArray[np.int8] | None = None) -> Ints:
        """Up to `rows` clean slots, of the lowest rank and least recently used first, none that `keep` marks."""
        self.apply()
        may = self._here & ~self.dirty
        if keep is not None:
            may &= ~keep
        slots = np.flatnonzero(may)
        if len(slots) > rows:
            order = self._used[slots]
            if rank is not None:
                order = order | rank[slots].astype(np.int64) << _RANK_SHIFT
            slots = slots[np.argsort(order, kind="stable")[:rows]]
        return slots

    def forget(self, slots: Ints) -> None:
        """Give up clean slots; their names stand in `names` until they are used again."""
        self.index.remove(slots.tolist())
        self.whole &= not len(slots)
        self.minutes.drop(slots)
        self.hours.drop(slots)
        self._here[slots] = False
        self._free += slots.tolist()

    def shrink(self) -> Ints | None:
        """Give back the memory of a peak that is over, if a quarter or less of it is used.

        -> None, or that slots have changed: the new one by old slot (UNSET: was free; also the last, for UNSET).
        """
        slots, before = self.resident(), len(self._here)
        self.minutes.shrink(slots)
        self.hours.shrink(slots)
        if before <= FEW or 4 * len(slots) > before:
            return None
        moved: Ints = np.full(before + 1, UNSET)
        moved[slots] = np.arange(len(slots))
        records, size = self.records[slots], max(2 * len(slots), 64)
        self.names[:] = [self.names[slot] for slot in slots.tolist()]
        self._leave_records()
        self._memory = Growing(_RECORD)
        self._memory.resize(size)
        self._memory.rows[: len(slots)] = records
        self.dirty, self._here = grown(self.dirty[slots], size, 0), grown(self._here[slots], size, 0)
        self.columns = {name: grown(column[slots], size, UNSET) for name, column in self.columns.items()}
        self._set_columns()
        self._free = []
        self.index = index_of(self.names)
        self.index.add(self.names, range(len(slots)))
        return moved

    def _take(self, names: list[bytes], hashes: Any = None) -> Ints:
        free = max(len(self._free) - len(names), 0)
        reused = self._free[free:]
        del self._free[free:]
        for slot, name in zip(reused, names, strict=False):
            self.names[slot] = name
        first = len(self.names)
        self.names += names[len(reused) :] if reused else names
        if len(self.names) > len(self._here):
            self._resize(max(2 * len(self._here), len(self.names), 64))
        slots: Ints = np.arange(first, len(self.names))
        if reused:
            slots = np.append(np.array(reused, np.int64), slots)
            self.totals[reused] = 0
            self.dirty[reused] = False
            for column in self.columns.values():
                column[reused] = UNSET
        self._here[slots] = True
        if isinstance(self.index, NameIndex):
            self.index.add(names, slots.tolist())
        else:
            self.index.add(names, slots, hashes)
        return slots

    def _resize(self, size: int) -> None:
        self._leave_records()
        self._memory.resize(size)
        self.dirty, self._here = grown(self.dirty, size, 0), grown(self._here, size, 0)
        for name, column in self.columns.items():
            self.columns[name] = grown(column, size, UNSET)
        self._set_columns()

    def _leave_records(self) -> None:
        """Have no array where the records lie, so that these can move."""
        self.records = self.totals = np.zeros((0, _RECORD), np.int64)
        self._used = self.records[:, 7]
        for cells in (self.minutes, self.hours):
            cells.resize(0, self.records[:, :2])

    def _set_columns(self) -> None:
        self.records = self._memory.rows
        self.totals, self._used = self.records[:, :3], self.records[:, 7]
        self.minutes.resize(len(self.records), self.records[:, 3:5])
        self.hours.resize(len(self.records), self.records[:, 5:7])

    def _add_totals(self, slots: Ints, counts: Ints, chosen: NDArray[np.bool_]) -> None:
        if not chosen.all():
            slots, counts = slots[chosen], counts.compress(chosen, axis=0)
        starts = heads(slots)
        if not len(starts):
            return
        whose = slots[starts]
        if len(starts) < len(slots):
            counts = np.add.reduceat(counts, starts, axis=0)
        totals = self.totals.take(whose, axis=0) + counts
        if totals.min() < 0:
            raise ValueError(f"{self.table}: a total fell below zero: a tally was folded twice or lost")
        self.totals[whose] = totals
