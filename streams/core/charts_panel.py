"""One window of charts: the sums of every slot, the best of each chart, and what was last published."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.compiled import compiled
from streams.core.counters.arrays import NONE, Ints, grown, heads, owners
from streams.core.counters.cells import Cells
from streams.core.params import CHART_SIZE, SCORE_WEIGHTS
from streams.core.published import ChartEntry
from streams.core.types import Window

_WEIGHTS = np.array(SCORE_WEIGHTS, np.int64)
_SCORE_BITS = 44
_LAST_SCORE = (1 << _SCORE_BITS) - 1
"""Scores stay below this: 2.6 million shares a second for a day."""

UNTOLD = b"?"
"""Stands for what an earlier worker may have published; slots in bytes do not look like this."""


class Ids(dict[int, str]):
    """Ids of entities by slot, and their first bytes as numbers; made from the names when first needed."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Sequence[bytes] = ()
        self.prefix = np.zeros(0, np.uint64)
        """By slot, in the order of the ids as far as these bytes tell; 0: not known yet."""

    def __missing__(self, slot: int) -> str:
        name = self.names[slot]
        found = self[slot] = name[1 : name.index(b"\x00")].decode()
        return found

    def rename(self, names: Sequence[bytes]) -> None:
        """Use these names from now on; they differ from the earlier ones in slots forgotten or new."""
        self.names = names
        if len(self.prefix) < len(names):
            self.prefix = grown(self.prefix, 2 * len(names), 0)

    def forget(self, slots: Ints) -> None:
        self.prefix[slots[slots < len(self.prefix)]] = 0
        for slot in slots.tolist():
            self.pop(slot, None)

    def move(self, moved: Ints) -> None:
        self.clear()
        self.prefix = self.prefix[np.flatnonzero(moved[: len(self.prefix)] >= 0)]

    def prefixes(self, slots: Ints) -> NDArray[np.uint64]:
        """Of these slots, all known."""
        new = slots[self.prefix[slots] == 0]
        if len(new):
            self.prefix[new] = np.array([self.names[slot][1:9] for slot in new.tolist()], "S8").view(">u8")
        return self.prefix[slots]


class Panel:
    """One window: the sums of every slot, and what was last published of each chart."""

    def __init__(self, window: Window, width: int) -> None:
        self.window, self.width = window, width
        self.sums = np.zeros((0, 3), np.int64)
        self.scores = np.zeros(0, np.int64)
        self.pane = 0
        self.keys: list[bytes] = []
        """In topic `charts`, by number of the chart."""
        self.published: dict[int, bytes] = {}
        """Slots in bytes by chart."""
        self.unsure = False
        """Whether any chart may differ from what was published."""
        self.told = np.zeros(0, bool)
        """By slot: whether the sums are those last published (if they were)."""
        self.stale = np.zeros(0, bool)
        """By chart: whether sums changed since it was last published."""
        self.limits: Ints = NONE
        """By chart: the score of its last entry, which others must have to come in; 0 while there is room."""
        self.best: tuple[Ints, Ints] = NONE, NONE
        """Of the stale charts: slots of the entries, and how many each chart has."""

    def refresh(self, cells: Cells, pane: int, touched: Ints) -> Ints:
        """Bring sums up to date; all of them if the window moved. -> slots whose sums changed."""
        if len(self.sums) < len(cells.top):
            self.sums, self.scores, self.told = (
                grown(a, len(cells.top), 0) for a in (self.sums, self.scores, self.told)
            )
        moved, oldest = pane != self.pane, min(pane, self.pane) - self.width
        self.pane = pane
        kernel = compiled("charts_window")
        if kernel:
            changed: Ints = kernel.refresh(
                cells, None if moved else touched, oldest, pane, self.width, _WEIGHTS, self.sums, self.scores, self.told
            )
            return changed
        if moved:
            touched = np.flatnonzero((cells.top > oldest) | (self.scores > 0))
        sums = cells.window(touched, pane, self.width)
        other = np.flatnonzero((sums != self.sums.take(touched, axis=0)).any(1))
        touched, sums = touched[other], sums.take(other, axis=0)
        self.sums[touched], self.scores[touched], self.told[touched] = sums, sums @ _WEIGHTS, False
        return touched

    def rank(self, numbers: Ints, ids: Ids) -> None:
        """Find the best of the stale charts, and their limits."""
        slots, size = self.best = _best(self.scores, numbers, self.stale, ids)
        full = np.flatnonzero(size == CHART_SIZE)
        self.limits[self.stale] = 0
        self.limits[full] = self.scores[slots[np.cumsum(size)[full] - 1]]

    def forget(self, slots: Ints) -> None:
        slots = slots[slots < len(self.sums)]
        self.sums[slots], self.scores[slots] = 0, 0

    def move(self, moved: Ints) -> None:
        """Slots have changed: `moved` gives the new ones by old slot, -1 for those given up."""
        old = np.flatnonzero(moved[: len(self.sums)] >= 0)
        self.sums, self.scores, self.told = self.sums[old], self.scores[old], self.told[old]
        for number, listed in self.published.items():
            if listed != UNTOLD:
                self.published[number] = moved[np.frombuffer(listed, np.int64)].tobytes()

    def entries(self, slots: Ints, ids: Ids) -> Any:
        """Entries of these slots: objects, or their JSON."""
        kernel = compiled("charts")
        if kernel and (json := kernel.entries(slots, self.scores, self.sums, ids.names)) is not None:
            return msgspec.Raw(json)
        columns = (self.scores[slots], *self.sums.take(slots, axis=0).T)
        return list(map(ChartEntry, map(ids.__getitem__, slots.tolist()), *(column.tolist() for column in columns)))


def _best(scores: Ints, numbers: Ints, wanted: NDArray[np.bool_], ids: Ids) -> tuple[Ints, Ints]:
    """The best slots of the wanted charts, by (chart, -score, id), and how many each chart has."""
    kernel = compiled("charts")
    if kernel:
        best: tuple[Ints, Ints] = kernel.best(scores, numbers, wanted.view(np.uint8), CHART_SIZE, ids.names, ids.prefix)
        return best
    slots = np.flatnonzero(scores > 0)
    slots = slots[wanted[numbers[slots]]]
    keys = numbers[slots] << _SCORE_BITS | _LAST_SCORE - scores[slots]
    order = np.argsort(keys)
    slots, keys = slots[order], keys[order]
    # Those tied with the last of a chart come along until the ids have decided.
    first, size = _groups(keys >> _SCORE_BITS)
    kept = keys <= np.repeat(keys[first + np.minimum(size, CHART_SIZE) - 1], size)
    slots, keys = slots[kept], keys[kept]
    prefixes = ids.prefixes(slots)
    order = np.lexsort((prefixes, keys))
    slots, keys, prefixes = slots[order], keys[order], prefixes[order]
    _, size = _groups(keys >> _SCORE_BITS)
    _, rank = owners(size)
    same = (keys[1:] == keys[:-1]) & (prefixes[1:] == prefixes[:-1])
    if same.any():
        _sort_ties(slots, same, ids.names)
    slots = slots[rank < CHART_SIZE]
    return slots, np.bincount(numbers[slots], minlength=len(wanted))


def _groups(sorted_keys: Ints) -> tuple[Ints, Ints]:
    """Where each key begins, and how often it occurs."""
    first = heads(sorted_keys)
    return first, np.diff(np.append(first, len(sorted_keys)))


def _sort_ties(slots: Ints, same: Ints, names: Sequence[bytes]) -> None:
    """Sort runs of slots by name in place; `same[i]`: slots i and i + 1 are of one run."""
    edges = np.diff(same.astype(np.int8), prepend=0, append=0)
    for first, last in zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True):
        slots[first : last + 1] = sorted(slots[first : last + 1].tolist(), key=names.__getitem__)
