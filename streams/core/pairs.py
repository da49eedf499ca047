"""Likes and shares as states: of each (user, video, action, channel) the newest event wins."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.compiled import compiled
from streams.core.ports import RowReader, is_empty
from streams.core.rows import PairEntry, PairFlag, PairRow

TABLE = "pairs"
Mask = NDArray[np.bool_]
_ON, _COUNTED, _LATE = int(PairFlag.ON), int(PairFlag.COUNTED), int(PairFlag.LATE)


class Change(NamedTuple):
    """A new winner; `old` is the entry that it replaces."""

    old: PairEntry | None
    new: PairEntry


def apply(row: PairRow, entry: PairEntry) -> Change | None:
    """Puts the entry into the row if it wins: greatest (time, id), of equals the first."""
    place = 0
    for place, old in enumerate(row.entries):
        if old.action == entry.action and old.channel == entry.channel:
            if (entry.at_ms, entry.id64) <= (old.at_ms, old.id64):
                return None
            row.entries[place] = entry
            return Change(old, entry)
        if (old.action, old.channel) > (entry.action, entry.channel):
            break
    else:
        place = len(row.entries)
    row.entries.insert(place, entry)
    return Change(None, entry)


def flags_of(on: Mask, hidden: Mask, late: Mask) -> NDArray[np.int64]:
    """`PairFlag`s of events when they are folded."""
    flags: NDArray[np.int64] = _ON * on + _COUNTED * (on & ~hidden) + _LATE * late
    return flags


class Events(NamedTuple):
    """Likes or shares as columns; `regions` by number."""

    keys: list[bytes]
    channels: list[str]
    at_ms: NDArray[np.int64]
    ids: NDArray[np.uint64]
    flags: NDArray[np.int64]
    regions: NDArray[np.int64]


class Pairs(dict[bytes, bytes]):
    """Rows in memory by key, least recently used first, empty where there is none. Changed rows stay until collected.

    Rows are kept as bytes: they are read again seldom, and objects by the million would cost memory and collections.
    """

    def __init__(self, rows: RowReader) -> None:
        super().__init__()
        self._rows = rows
        self._dirty: set[bytes] = set()
        self._empty = is_empty(rows, TABLE)
        """Whether there were no rows at first."""
        self._entered = 0
        """Keys that came into memory, also those that left it."""

    def fold(self, action: int, events: Events, regions: list[str]) -> tuple[Mask, list[tuple[int, PairEntry]]]:
        """Which events win (in log order), and what those that replace an entry replace. `regions`: names by number."""
        self._load(events.keys)
        won, olds = np.zeros(len(events.keys), np.bool_), list[tuple[int, PairEntry]]()

        def fold_one(i: int) -> bool:
            key, row = events.keys[i], self[events.keys[i]]
            entries = PairRow.decode(row) if row else PairRow([])
            numbers = int(events.at_ms[i]), int(events.ids[i]), int(events.flags[i])
            change = apply(entries, PairEntry(action, events.channels[i], *numbers, regions[events.regions[i]]))
            if change is None:
                return False
            if change.old is not None:
                olds.append((i, change.old))
            self[key] = entries.encode()
            self._dirty.add(key)
            return True

        kernel = compiled("pairs")
        if kernel is not None:
            keys, channels, *numbers, areas = events
            kernel.fold(
                self, self._dirty, keys, action, channels, *numbers, areas, regions, won.view(np.uint8), fold_one
            )
        else:
            won[:] = [fold_one(i) for i in range(len(events.keys))]
        return won, olds

    def collect(self) -> tuple[list[bytes], list[bytes | None]]:
        """Rows changed since the last time."""
        keys = list(self._dirty)
        self._dirty.clear()
        return keys, [*map(self.__getitem__, keys)]

    def evict(self, count: int) -> int:
        """Forgets up to `count` rows that were not changed since they were collected."""
        chosen: list[bytes] = []
        for key in self:
            if len(chosen) == count:
                break
            if key not in self._dirty:
                chosen.append(key)
        for key in chosen:
            del self[key]
        return len(chosen)

    def _load(self, keys: list[bytes]) -> None:
        """Brings the rows of these keys into memory, in one read, and marks them as used."""
        kernel = compiled("pairs")
        missing = self._use(keys) if kernel is None else kernel.use(self, keys)
        whole = self._empty and self._entered == len(self) - len(missing)
        self._entered += len(missing)
        if missing and not whole:
            for key, value in zip(missing, self._rows.get_many(TABLE, missing), strict=True):
                if value is not None:
                    self[key] = value

    def _use(self, keys: list[bytes]) -> list[bytes]:
        missing = []
        for key in keys:
            row = self.pop(key, None)
            if row is None:
                missing.append(key)
            self[key] = row or b""
        return missing
