"""Counts by (slot, pane). A slot's cells lie together in one block; blocks come in a few sizes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.counters.arrays import NO_COUNTS, NONE, Ints, grown, heads, owners, put, roomier, sum_by
from streams.core.counters.memory import Growing
from streams.core.panes import PANE_MASK

FEW = 1 << 12
"""With no more cells or slots than this, nothing is given back."""
_UNSET = -1
_POOL, _USED, _USED_SHIFT, _BLOCK_SHIFT = 15, 0xFFF, 4, 16


class Ragged(NamedTuple):
    """Cells of some rows: row i owns the next `per[i]`, newest first. `counts` are (cells, 3)."""

    per: Ints
    panes: Ints
    counts: Ints


class Pool:
    """Blocks of one size. A cell is four numbers in one cache line: its pane and its three counts.

    The places that a slot uses are counted in its record; in the largest blocks the pane of one not in use is -1.
    """

    def __init__(self, capacity: int, *, direct: bool) -> None:
        self.capacity = capacity
        self._direct = direct
        self._memory = Growing(4)
        self.free = np.zeros(0, np.int32)
        """Blocks not in use: the first `left` of them."""
        self.left = 0

    @property
    def cells(self) -> Ints:
        """Of all blocks, one after another."""
        return self._memory.rows

    @property
    def panes(self) -> Ints:
        """By block and place."""
        return self.cells[:, 0].reshape(-1, self.capacity)

    def reserve(self, blocks: int) -> None:
        """Have so many blocks free."""
        if self.left >= blocks:
            return
        have = len(self.cells) // self.capacity
        size = max(have + have // 2, have + blocks, 16)
        self._memory.resize(size * self.capacity)
        self.free = np.append(np.arange(size - 1, have - 1, -1, dtype=np.int32), self.free[: self.left])
        self.left = len(self.free)
        self.free = roomier(self.free, size)

    def take(self, blocks: int) -> Ints:
        self.reserve(blocks)
        self.left -= blocks
        taken: Ints = self.free[self.left : self.left + blocks].astype(np.int64)
        if self._direct:
            self.panes[taken] = _UNSET
        return taken

    def keep(self, blocks: Ints) -> None:
        """Give back the memory of all but these blocks, which become the first ones."""
        held = self.cells.reshape(-1, self.capacity, 4)[blocks]
        self._memory, self.free, self.left = Growing(4), np.zeros(0, np.int32), 0
        self.reserve(2 * len(blocks))
        self.left -= len(blocks)
        self.cells.reshape(-1, self.capacity, 4)[: len(blocks)] = held

    def give(self, blocks: Ints) -> None:
        self.free[self.left : self.left + len(blocks)] = blocks
        self.left += len(blocks)


class Cells:
    """Cells of one pane width. In the largest blocks a pane's place is its number modulo the size.

    A slot's record is two columns: its newest pane, and where its cells lie (block << 16 | cells used << 4 |
    number of the pool + 1; 0: nowhere). `core.compiled.ragged` reads and writes the same memory.
    """

    def __init__(self, horizon: int, capacities: tuple[int, ...]) -> None:
        if capacities[-1] < horizon or capacities[-1] & (capacities[-1] - 1):
            raise ValueError("the largest block must be a power of two that holds the horizon")
        self.horizon = horizon
        self.pools = [Pool(capacity, direct=capacity == capacities[-1]) for capacity in capacities]
        self._capacity = np.array([0, *capacities], np.int64)
        self._records: Ints = np.zeros((0, 2), np.int64)
        self.resize(0)

    def resize(self, slots: int, records: Ints | None = None) -> None:
        """Make room for `slots` slots; `records` (slots, 2), with what they were, to keep them somewhere else."""
        self._records = grown(self._records, slots, 0) if records is None else records
        self.top, self._where = self._records[:, 0], self._records[:, 1]

    def add(self, slots: Ints, panes: Ints, counts: Ints) -> None:
        """Add counts to distinct cells, ascending by (slot, pane). What is behind a slot's horizon is dropped.

        Raises ValueError if a count becomes negative.
        """
        starts = heads(slots)
        if not len(starts):
            return
        whose, newest = slots[starts], panes[np.append(starts[1:], len(slots)) - 1]
        self.top[whose] = np.maximum(self.top[whose], newest)
        keep = panes > self._floor(slots)
        if not keep.all():
            slots, panes, counts = slots[keep], panes[keep], counts[keep]
        at = self._find(slots, panes)
        absent = at < 0
        if absent.any():
            again = absent
            moved = self._insert(slots[absent], panes[absent])
            if len(moved):
                flags = np.zeros(len(self.top), bool)
                flags[moved] = True
                again = absent | flags[slots]
            at[again] = self._find(slots[again], panes[again])
        for pool, of, block in self._by_pool(slots):
            place, held = block * pool.capacity + at[of], pool.cells
            values = held.take(place, axis=0)
            values[:, 1:] += counts.take(of, axis=0)
            if values.min() < 0:
                raise ValueError("a pane's count fell below zero: a tally was folded twice or lost")
            put(held, place, values)

    def load(self, slots: Ints, tops: Ints, cells: Ragged) -> None:
        """Fill empty slots from decoded rows."""
        self.top[slots] = tops
        whose = np.repeat(slots, cells.per)
        order = np.argsort(whose << 32 | cells.panes)
        self.add(whose[order], cells.panes[order], cells.counts[order])

    def live(self, slots: Ints) -> Ragged:
        """All cells inside the horizon that are not zero. Slots may repeat."""
        return self._inside(slots, zeros=False)

    def window(self, slots: Ints, newest: int, width: int) -> Ints:
        """Sums (slots, 3) over the `width` panes that end with `newest`."""
        sums = np.zeros((len(slots), 3), np.int64)
        for pool, of, block in self._by_pool(slots):
            if pool is self.pools[-1]:
                columns = np.arange(newest - width + 1, newest + 1) & (pool.capacity - 1)
                panes = pool.panes[block[:, None], columns]
            else:
                columns = np.arange(pool.capacity)
                panes = self._panes(pool, block, slots[of])
            oldest = np.maximum(self._floor(slots[of]), newest - width)
            at = np.flatnonzero((panes > oldest[:, None]) & (panes <= newest))
            if len(at):
                row = at // len(columns)
                starts = heads(row)
                place = block[row] * pool.capacity + columns[at - row * len(columns)]
                counts = pool.cells.take(place, axis=0)[:, 1:]
                sums[of[row[starts]]] = np.add.reduceat(counts, starts, axis=0)
        return sums

    def drop(self, slots: Ints) -> None:
        """Forget distinct slots."""
        for pool, _, block in self._by_pool(slots):
            pool.give(block)
        self._records[slots] = 0

    def shrink(self, slots: Ints) -> None:
        """Give back the memory of pools of which these slots, all there are, use a quarter or less."""
        for number, pool in enumerate(self.pools, 1):
            of = slots[self._where[slots] & _POOL == number]
            if len(pool.cells) > FEW and 4 * len(of) * pool.capacity <= len(pool.cells):
                where = self._where[of]
                pool.keep(where >> _BLOCK_SHIFT)
                self._where[of] = np.arange(len(of)) << _BLOCK_SHIFT | where & (1 << _BLOCK_SHIFT) - 1

    def _inside(self, slots: Ints, *, zeros: bool) -> Ragged:
        parts: list[tuple[Ints, Ints, Ints]] = [(NONE, NONE, NO_COUNTS)]
        for pool, of, block in self._by_pool(slots):
            # From the last column on: mostly the newest pane comes first, which makes the sort below a merge.
            held = self._panes(pool, block, slots[of])[:, ::-1]
            at = np.flatnonzero(held > self._floor(slots[of])[:, None])
            row = at // pool.capacity
            place = (block[row] + row + 1) * pool.capacity - 1 - at
            cells = pool.cells.take(place, axis=0)
            tags, values = cells[:, 0], cells[:, 1:]
            if not zeros:
                some = np.flatnonzero(values[:, 0] | values[:, 1] | values[:, 2])
                if len(some) < len(row):
                    row, tags, values = row[some], tags[some], values[some]
            parts.append((of[row], tags, values))
        own, panes, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(own << 32 | PANE_MASK - panes, kind="stable")
        per: Ints = np.bincount(own, minlength=len(slots)).astype(np.int64)
        return Ragged(per, panes[order], counts.take(order, axis=0))

    def _floor(self, slots: Ints) -> Ints:
        return np.maximum(self.top[slots] - self.horizon, _UNSET)

    def _by_pool(self, slots: Ints) -> Iterator[tuple[Pool, Ints, Ints]]:
        """Each pool with the positions in `slots` that have a block there, and the blocks."""
        where = self._where[slots]
        pools = where & _POOL
        for number, pool in enumerate(self.pools, 1):
            of = np.flatnonzero(pools == number)
            if len(of):
                yield pool, of, where[of] >> _BLOCK_SHIFT

    def _find(self, slots: Ints, panes: Ints) -> Ints:
        """Place of each cell inside its slot's block; -1 if it has none."""
        at = np.full(len(slots), -1, np.int64)
        for pool, of, block in self._by_pool(slots):
            wanted = panes[of]
            if pool is self.pools[-1]:
                column = wanted & (pool.capacity - 1)
                hit = pool.panes[block, column] == wanted
            else:
                same = self._panes(pool, block, slots[of]) == wanted[:, None]
                column = same.argmax(1)
                hit = same.reshape(-1).take(np.arange(len(of)) * pool.capacity + column)
            at[of] = np.where(hit, column, -1)
        return at

    def _panes(self, pool: Pool, block: Ints, slots: Ints) -> Ints:
        """Panes in these slots' blocks, -1 where a place is not in use."""
        panes = pool.panes[block]
        if pool is not self.pools[-1]:
            panes[np.arange(pool.capacity) >= self._used(slots)[:, None]] = _UNSET
        return panes

    def _used(self, slots: Ints) -> Ints:
        return self._where[slots] >> _USED_SHIFT & _USED

    def _insert(self, slots: Ints, panes: Ints) -> Ints:
        """Make cells of zeros, ascending by (slot, pane); -> slots whose cells changed place."""
        starts = heads(slots)
        need = np.diff(np.append(starts, len(slots)))
        whose = slots[starts]
        direct = self._where[whose] & _POOL == len(self.pools)
        full = np.flatnonzero(~direct & (self._used(whose) + need > self._capacity[self._where[whose] & _POOL]))
        moved = whose[full]
        if len(full):
            self._move(moved, need[full])
        _, rank = owners(need)
        self._place(slots, panes, self._used(slots) + rank, None)
        listed = self._where[whose] & _POOL < len(self.pools)
        self._where[whose] += np.where(listed, need << _USED_SHIFT, 0)
        return moved

    def _move(self, slots: Ints, need: Ints) -> None:
        """Give slots blocks that hold their cells and `need` more."""
        # Cells of zeros move too: the caller may be about to add to them.
        cells = self._inside(slots, zeros=True)
        old_top = self.top[slots]
        self.drop(slots)
        self.top[slots] = old_top
        target = np.searchsorted(self._capacity[1:-1], cells.per + need)
        for number, pool in enumerate(self.pools):
            of = slots[target == number]
            if len(of):
                self._where[of] = pool.take(len(of)) << _BLOCK_SHIFT | number + 1
        own, rank = owners(cells.per)
        # The oldest first, so that the next pane comes last.
        self._place(slots[own], cells.panes, cells.per[own] - 1 - rank, cells.counts)
        self._where[slots] |= cells.per << _USED_SHIFT

    def _place(self, slots: Ints, panes: Ints, rank: Ints, counts: Ints | None) -> None:
        for pool, of, block in self._by_pool(slots):
            column = panes[of] & (pool.capacity - 1) if pool is self.pools[-1] else rank[of]
            place = block * pool.capacity + column
            new = np.zeros((len(of), 4), np.int64)
            new[:, 0] = panes[of]
            if counts is not None:
                new[:, 1:] = counts.take(of, axis=0)
            put(pool.cells, place, new)


def add_some(
    cells: Cells, columns: tuple[Ints, Ints, Ints], everything: NDArray[np.bool_], own_level: NDArray[np.bool_]
) -> None:
    """Add cells of any order to those of their level, or of all."""
    slots, panes, counts = columns
    chosen = everything | own_level
    if not chosen.all():
        slots, panes, counts = slots[chosen], panes[chosen], counts.compress(chosen, axis=0)
    keys, counts = sum_by(slots << 32 | panes, counts)
    cells.add(keys >> 32, keys & PANE_MASK, counts)
