"""Exact charts of one partition: windows of all active entities in columns, and the best of each chart."""

from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.charts_panel import UNTOLD, Ids, Panel
from streams.core.counters.arrays import Ints
from streams.core.counters.cells import Cells
from streams.core.keys import KIND_OF_LETTER, Kind
from streams.core.panes import hour_of, minute_of
from streams.core.params import WINDOW_HOURS, WINDOW_MINUTES
from streams.core.published import Chart
from streams.core.types import Window

_encode = msgspec.json.Encoder().encode


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


class ChartBoard:
    """All charts of one partition. Slots are those of the counters; their charts have the numbers of `numbers`."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._charts: list[tuple[str, str]] = []
        """Kind and scope."""
        self._numbers: dict[bytes, int] = {}
        self._ids = Ids()
        self._panels = (Panel("1h", WINDOW_MINUTES), Panel("24h", WINDOW_HOURS))

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
            panel.published.update(dict.fromkeys(self.numbers(charts), UNTOLD))
            panel.unsure = True

    def forget(self, slots: Ints) -> None:
        """Slots were given up that are in no chart as last looked at."""
        self._ids.forget(slots)
        for panel in self._panels:
            panel.forget(slots)

    def move(self, moved: Ints) -> None:
        """Slots have changed, their order has not: `moved` gives the new ones by old slot, -1 for those given up."""
        self._ids.move(moved)
        for panel in self._panels:
            panel.move(moved)

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
            found[:known] |= panel.scores > far.take(numbers[:known], mode="wrap")
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

    def _changed(self, panel: Panel) -> Iterator[tuple[int, Ints]]:
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
