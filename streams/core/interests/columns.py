"""State of the users in memory: one slot each, every field of a row is a column."""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.core.interests.topics import Ints, TopicLists, longer
from streams.core.params import (
    NEGATIVE_KEPT,
    NEGATIVE_TOPICS,
    POSITIVE_KEPT,
    POSITIVE_TOPICS,
    SEEN_VIDEOS,
    VIEW_IDS,
)
from streams.core.rows import EMPTY_EPOCH, HIDDEN, UserFlag

FIRST_CAPACITY = 1024
ROOMY_EVICTIONS = 16
"""So many in a row have to find three of four slots free before their memory is given back."""
COUNTS = ("views", "likes", "shares", "repeats", "late")


class UserColumns:
    """Columns by slot. A slot is free, clean (its row was collected) or dirty (folded into since)."""

    def __init__(self) -> None:
        self.capacity = 0
        self.flags = np.zeros(0, np.uint8)
        self.account = np.zeros(0, np.uint8)
        self.views, self.likes, self.shares, self.repeats, self.late = (np.zeros(0, np.int64) for _ in COUNTS)
        self.fast_epoch = np.zeros(0, np.int64)
        self.slow_epoch = np.zeros(0, np.int64)
        self.last_ms = np.zeros(0, np.int64)
        self.view_ids = np.zeros((0, VIEW_IDS), np.uint64)
        self.seen = np.zeros((0, SEEN_VIDEOS), np.uint32)
        self.positive = TopicLists(POSITIVE_TOPICS, POSITIVE_KEPT, kinds=2)
        self.negative = TopicLists(NEGATIVE_TOPICS, NEGATIVE_KEPT, kinds=1)
        self.dirty = np.zeros(0, np.bool_)
        self.used = np.zeros(0, np.int64)
        self.grow(FIRST_CAPACITY)

    def grow(self, capacity: int) -> None:
        for name in self._columns():
            setattr(self, name, longer(getattr(self, name), capacity))
        self.positive.grow(capacity)
        self.negative.grow(capacity)
        self.fast_epoch[self.capacity :] = EMPTY_EPOCH
        self.slow_epoch[self.capacity :] = EMPTY_EPOCH
        self.capacity = capacity

    def keep(self, slots: Ints, capacity: int) -> None:
        """Only these slots, numbered anew in this order."""
        for name in self._columns():
            setattr(self, name, longer(getattr(self, name)[slots], capacity))
        self.positive.keep(slots, capacity)
        self.negative.keep(slots, capacity)
        self.fast_epoch[len(slots) :] = self.slow_epoch[len(slots) :] = EMPTY_EPOCH
        self.capacity = capacity

    def clear(self, slots: Ints) -> None:
        """Back to the row of a user without events."""
        for name in self._columns():
            getattr(self, name)[slots] = 0
        self.fast_epoch[slots] = self.slow_epoch[slots] = EMPTY_EPOCH
        self.positive.clear(slots)
        self.negative.clear(slots)

    def touch(self, slots: Ints) -> None:
        """Marks slots as folded into."""
        self.dirty[slots] = True

    def flag(self, slots: Ints, flag: UserFlag) -> None:
        self.flags[slots] |= np.uint8(flag)

    def hidden(self, slots: Ints) -> NDArray[np.bool_]:
        """Whose events are kept from videos and trends."""
        hidden: NDArray[np.bool_] = (self.account[slots] & np.uint8(HIDDEN)) != 0
        return hidden

    @staticmethod
    def _columns() -> tuple[str, ...]:
        return ("flags", "account", *COUNTS, "fast_epoch", "slow_epoch", "last_ms", "view_ids", "seen", "dirty", "used")


class UserSlots(dict[bytes, int]):
    """User key -> slot. A key met for the first time gets a slot and is noted as missing until its row is loaded.

    `accepts` says which keys can be users here; others get slot -1 and leave no trace.
    """

    def __init__(self, columns: UserColumns, accepts: Callable[[Sequence[bytes]], list[bool]]) -> None:
        super().__init__()
        self.columns = columns
        self.keys_by_slot: list[bytes] = []
        self.missing: list[int] = []
        self._free: list[int] = []
        self._accepts = accepts
        self._table: Any = None
        self._roomy = 0
        """Evictions in a row after which most slots were free."""

    def __missing__(self, key: bytes) -> int:
        return -1

    def slots(self, keys: Sequence[bytes]) -> Ints:
        slots = np.fromiter(map(self.__getitem__, keys), np.int64, len(keys))
        unmet = np.flatnonzero(slots < 0).tolist()
        if unmet:
            strange = [keys[i] for i in unmet]
            self._admit(list(dict.fromkeys(strange)))
            slots[unmet] = [self[key] for key in strange]
        return slots

    def _admit(self, keys: list[bytes]) -> None:
        keys = list(compress(keys, self._accepts(keys)))
        reused = self._free[-len(keys) :] if keys else []
        del self._free[len(self._free) - len(reused) :]
        for slot, key in zip(reused, keys, strict=False):
            self.keys_by_slot[slot] = key
        first = len(self.keys_by_slot)
        self.keys_by_slot += keys[len(reused) :]
        while len(self.keys_by_slot) > self.columns.capacity:
            self.columns.grow(2 * self.columns.capacity)
        slots = [*reused, *range(first, len(self.keys_by_slot))]
        self.update(zip(keys, slots, strict=True))
        if self._table is not None:
            self._table.add(keys, slots)
        self.missing += slots

    def table(self, kernel: Any) -> Any:
        """The slots as a `NameTable` of this kernel."""
        if self._table is None:
            self._table = kernel.NameTable(self.keys_by_slot)
            self._table.add([*self], [*self.values()])
        return self._table

    def evict(self, count: int) -> int:
        """Forgets up to `count` clean users, least recently used first."""
        columns = self.columns
        taken = np.zeros(columns.capacity, np.bool_)
        taken[np.fromiter(self.values(), np.int64, len(self))] = True
        taken[self.missing] = False
        clean: NDArray[np.int64] = np.flatnonzero(taken & ~columns.dirty)
        chosen = clean[np.argsort(columns.used[clean], kind="stable")[:count]]
        if self._table is not None:
            self._table.remove(chosen.tolist())
        for slot in chosen.tolist():
            del self[self.keys_by_slot[slot]]
            self._free.append(slot)
        columns.clear(chosen)
        self._roomy = self._roomy + 1 if 4 * len(self) <= columns.capacity > FIRST_CAPACITY else 0
        if self._roomy >= ROOMY_EVICTIONS and not self.missing:
            self._shrink()
        return len(chosen)

    def _shrink(self) -> None:
        """Give back the memory of a peak that is over: users get new slots. O(users)."""
        slots = np.fromiter(self.values(), np.int64, len(self))
        self.columns.keep(slots, max(self.columns.capacity // 2, FIRST_CAPACITY))
        self.keys_by_slot, self._free, self._table, self._roomy = [*self], [], None, 0
        self.update(zip(self.keys_by_slot, range(len(self)), strict=True))
