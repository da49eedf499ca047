"""What stays of rows that left memory while active: enough to know when a chart may miss one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.counters.arrays import Ints

_Small = NDArray[np.int32]
_MOST = np.iinfo(np.int32).max
"""Stands for any bound that is not smaller."""
_GROWTH = 4
_STEP = 8
"""Names are kept in columns as wide as they are, rounded up to this many bytes."""


class _Part(NamedTuple):
    """Some rows. By window and row: the most that it can score without being touched, and its newest pane (0: none)."""

    names: NDArray[np.bytes_]
    charts: _Small
    bounds: _Small
    newest: _Small

    def only(self, which: Ints) -> "_Part":
        return _Part(self.names[which], self.charts[which], self.bounds.take(which, 1), self.newest.take(which, 1))


class Dormant:
    """Names, charts and bounds of rows that are not in memory.

    A row that was read back meanwhile may be among them still, and one that left again may be there twice: what an old
    bound brings back needlessly does no harm. Parts that grow together forget the older of two.
    """

    def __init__(self) -> None:
        self._parts: dict[int, list[_Part]] = {}
        """By width of the names; each part more than `_GROWTH` times as large as the next."""

    def __len__(self) -> int:
        return sum(len(part.names) for parts in self._parts.values() for part in parts)

    def add(self, names: Sequence[bytes], charts: Ints, bounds: Ints, newest: Ints) -> None:
        """Rows that leave memory. `bounds` and `newest` by window and row; those bounded by 0 need not be known."""
        widths = (np.fromiter(map(len, names), np.int64, len(names)) + _STEP - 1) // _STEP * _STEP
        widths[~bounds.any(0)] = 0
        small: _Small = np.minimum(bounds, _MOST).astype(np.int32)
        newest = newest * (bounds > 0)
        for width in np.unique(widths[widths > 0]).tolist():
            of = np.flatnonzero(widths == width)
            column = np.array([names[i] for i in of.tolist()], f"S{width}")
            part = _Part(column, charts[of].astype(np.int32), small.take(of, 1), newest.take(of, 1).astype(np.int32))
            parts = self._parts.setdefault(width, [])
            while parts and len(parts[-1].names) <= _GROWTH * len(part.names):
                part = _joined(parts.pop(), part)
            parts.append(part)

    def awake(self, limits: Ints, oldest: Ints, at_most: int) -> tuple[list[bytes], list[int]]:
        """Take out up to `at_most` rows that may score as much as their chart's limit in a window; -> names and charts.

        `limits` by window and chart; `oldest` by window: the pane before its first.
        """
        limits, oldest = np.minimum(limits, _MOST).astype(np.int32), oldest[:, None]
        names: list[bytes] = []
        charts: list[int] = []
        for width, parts in self._parts.items():
            for part in parts:
                above = (part.bounds >= limits.take(part.charts, axis=1, mode="clip")) & (part.newest > oldest)
                at = np.flatnonzero(above[0] | above[1])[: at_most - len(names)]
                names += part.names[at].tolist()
                charts += part.charts[at].tolist()
                part.newest[:, at] = 0
            self._parts[width] = _compact(parts, oldest)
        return names, charts


def _joined(old: _Part, new: _Part) -> _Part:
    both = _Part(*(np.concatenate(pair, -1) for pair in zip(new, old, strict=True)))
    both = both.only(np.flatnonzero((both.newest > 0).any(0)))
    return both.only(np.unique(both.names, return_index=True)[1])


def _compact(parts: list[_Part], oldest: Ints) -> list[_Part]:
    """Without rows whose bounds have become 0 where these are most of a part."""
    kept = []
    for part in parts:
        live = np.flatnonzero((part.newest > oldest).any(0))
        kept.append(part.only(live) if 2 * len(live) < len(part.names) else part)
    return [part for part in kept if len(part.names)]
