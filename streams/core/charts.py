"""Exact charts of one partition: windows of all active entities in columns, and the best of each chart."""

from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.compiled import compiled
from streams.core.counters.arrays import NONE, Ints, grown, heads, owners
from streams.core.counters.cells import Cells
from streams.core.keys import KIND_OF_LETTER, Kind
from streams.core.panes import hour_of, minute_of
from streams.core.params import CHART_SIZE, SCORE_WEIGHTS, WINDOW_HOURS, WINDOW_MINUTES
from streams.core.published import Chart, ChartEntry
from streams.core.types import Window

_encode = msgspec.json.Encoder().encode
_WEIGHTS = np.array(SCORE_WEIGHTS, np.int64)
_SCORE_BITS = 44
_LAST_SCORE = (1 << _SCORE_BITS) - 1
"""Scores stay below this: 2.6 million shares a second for a day."""
_UNTOLD = b"?"
"""Stands for what an earlier worker may have published; slots in bytes do not look like this."""


class ChartName(NamedTuple):
    """The chart of a kind in a scope (a region or `*`)."""

    kind: Kind
    scope: bytes


def chart_of(key: bytes) -> bytes:
    """The chart in which an entity's row takes part: the kind's letter and the scope."""
    return key[:1] + key[key.index(b"\x00") + 1 :]


def chart_name(chart: bytes) -> ChartName:
    """Kind and scope of a chart."""
    return ChartName(KIND_OF_LETTER[chart[:1].decode()], chart[1:])


def chart_key(name: ChartName, window: Window, partition: int) -> bytes:
    """Key in topic `charts`."""
    return b"%s|%s|%s|%d" % (name.kind.value.encode(), name.scope, window.encode(), partition)


class _Ids(dict[int, str]):
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

    def prefixes(self, slots: Ints) -> NDArray[np.uint64]:
        """Of these slots, all known."""
        new = slots[self.prefix[slots] == 0]
        if len(new):
            self.prefix[new] = np.array([self.names[slot][1:9] for slot in new.tolist()], "S8").view(">u8")
        return self.prefix[slots]


class _Panel:
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

    def rank(self, numbers: Ints, ids: _Ids) -> None:
        """Find the best of the stale charts, and their limits."""
        slots, size = self.best = _best(self.scores, numbers, self.stale, ids)
        full = np.flatnonzero(size == CHART_SIZE)
        self.limits[self.stale] = 0
        self.limits[full] = self.scores[slots[np.cumsum(size)[full] - 1]]

    def forget(self, slots: Ints) -> None:
        slots = slots[slots < len(self.sums)]
        self.sums[slots], self.scores[slots] = 0, 0

    def entries(self, slots: Ints, ids: _Ids) -> Any:
        """Entries of these slots: objects, or their JSON."""
        kernel = compiled("charts")
        if kernel and (json := kernel.entries(slots, self.scores, self.sums, ids.names)) is not None:
            return msgspec.Raw(json)
        columns = (self.scores[slots], *self.sums.take(slots, axis=0).T)
        return list(map(ChartEntry, map(ids.__getitem__, slots.tolist()), *(column.tolist() for column in columns)))


class ChartBoard:
    """All charts of one partition. Slots are those of the counters; their charts have the numbers of `numbers`."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._charts: list[tuple[str, str]] = []
        """Kind and scope."""
        self._numbers: dict[bytes, int] = {}
        self._ids = _Ids()
        self._panels = (_Panel("1h", WINDOW_MINUTES), _Panel("24h", WINDOW_HOURS))

    def numbers(self, charts: Sequence[bytes]) -> list[int]:
        """Numbers of charts (see chart_of)."""
        for chart in set(charts) - self._numbers.keys():
            self._numbers[chart] = len(self._charts)
            name = chart_name(chart)
            self._charts.append((name.kind.value, name.scope.decode()))
            for panel in self._panels:
                panel.keys.append(chart_key(name, panel.window, self._partition))
                panel.stale, panel.limits = np.append(panel.stale, False), np.append(panel.limits, 0)
        return list(map(self._numbers.__getitem__, charts))

    def expect(self, charts: Sequence[bytes]) -> None:
        """Publish these at the next occasion even if they are empty: an earlier worker may have filled them."""
        for panel in self._panels:
            panel.published.update(dict.fromkeys(self.numbers(charts), _UNTOLD))
            panel.unsure = True

    def forget(self, slots: Ints) -> None:
        """Slots were given up that are in no chart as last looked at."""
        self._ids.forget(slots)
        for panel in self._panels:
            panel.forget(slots)

    def waiting(self, watermark_ms: int) -> bool:
        """Whether a window ends elsewhere than when last looked at, or a chart may have changed since published."""
        moved = self._panels[0].pane != minute_of(watermark_ms)
        return moved or any(panel.unsure or bool(panel.stale.any()) for panel in self._panels)

    def look(
        self, cells: tuple[Cells, Cells], touched: Ints, numbers: Ints, names: Sequence[bytes], watermark_ms: int
    ) -> None:
        """Bring sums and charts up to date. `cells`: minutes and hours; `numbers`: chart by slot."""
        self._ids.rename(names)
        ends = minute_of(watermark_ms), hour_of(watermark_ms)
        for panel, of, end in zip(self._panels, cells, ends, strict=True):
            panel.stale[numbers[panel.refresh(of, end, touched)]] = True
            if panel.unsure:
                panel.stale[list(panel.published)] = True
                panel.unsure = False
            if panel.stale.any():
                panel.rank(numbers, self._ids)

    def limits(self) -> Ints:
        """By window and chart, as last looked at: the score of its last entry; 0 while it has room."""
        return np.stack([panel.limits for panel in self._panels])

    def scores(self, slots: Ints) -> Ints:
        """By window and slot, as last looked at."""
        return np.stack([panel.scores[slots] for panel in self._panels])

    def near(self, numbers: Ints, spare: int = 0) -> NDArray[np.bool_]:
        """By slot: whether its row is in a chart as last looked at, or tied with its last entry.

        With `spare`, also rows that lack less than one part in so many of that entry's score.
        """
        found = np.zeros(len(numbers), bool)
        for panel in self._panels:
            limits = panel.limits - panel.limits // spare if spare else panel.limits
            far = np.append(np.maximum(limits - 1, 0), 0)  # the last: of rows without a chart
            known = len(panel.scores)
            found[:known] |= panel.scores > far[numbers[:known]]
        return found

    def publish(self, watermark_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the charts that changed since they were last published. Look before."""
        for panel in self._panels:
            for number, slots in self._changed(panel):
                kind, scope = self._charts[number]
                chart = Chart(
                    kind=kind, scope=scope, window=panel.window, partition=self._partition,
                    watermark_ms=watermark_ms, entries=panel.entries(slots, self._ids),
                )  # fmt: skip
                yield panel.keys[number], _encode(chart)

    def _changed(self, panel: _Panel) -> Iterator[tuple[int, Ints]]:
        """Of the stale charts, those that differ from what was published, and their slots."""
        if not panel.stale.any():
            return
        (slots, size), stale = panel.best, panel.stale
        panel.stale = np.zeros_like(stale)
        bounds = np.append(0, np.cumsum(size))
        untold = np.append(0, np.cumsum(~panel.told[slots]))[bounds].tolist()
        panel.told[slots] = True
        for number, is_stale, (a, b), (before, after) in zip(
            count(), stale.tolist(), pairwise(bounds.tolist()), pairwise(untold), strict=False
        ):
            if not is_stale:
                continue
            listed = slots[a:b].tobytes()
            if before == after and panel.published.get(number, b"") == listed:
                continue
            panel.published[number] = listed
            if not listed:
                del panel.published[number]
            yield number, slots[a:b]


def _best(scores: Ints, numbers: Ints, wanted: NDArray[np.bool_], ids: _Ids) -> tuple[Ints, Ints]:
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
