"""What one flush tells the videos: signed counts by video, region and pane, collected and packed by destination."""

from collections.abc import Iterator
from operator import add
from typing import NamedTuple

import numpy as np

from streams.core.compiled import compiled
from streams.core.interests.contents import Contents, Regions
from streams.core.interests.topics import Ints, starts
from streams.core.keys import video_row_key
from streams.core.ports import Send
from streams.core.rows import Action
from streams.core.tallies import Tally, empty, pack

TOPIC = "video-tallies"
WATERMARK_EVERY = 4
"""Every so many flushes, destinations without counts get the watermark alone."""


class Sums(NamedTuple):
    """Cells by pair (video << 31 | region), pairs in the order in which they were met; codes ascend in a pair."""

    pairs: Ints
    sizes: Ints
    codes: Ints
    counts: Ints


class Cells:
    """Counts since the last flush, not yet summed: one entry for each change."""

    def __init__(self, partition: int, partitions: int) -> None:
        self._partition, self._partitions = partition, partitions
        self._views: list[tuple[Ints, Ints]] = []
        self._changes: list[tuple[Ints, Ints, Ints]] = []

    def add_views(self, contents: Ints, regions: Ints, codes: Ints) -> None:
        self.add_view_pairs(contents << 31 | regions, codes)

    def add_view_pairs(self, pairs: Ints, codes: Ints) -> None:
        """The same, of `video << 31 | region`."""
        self._views.append((pairs, codes))

    def add_changes(self, contents: Ints, regions: Ints, codes: Ints, action: Action, by: Ints) -> None:
        """Likes or shares; `by` holds +1 and -1."""
        weight = np.zeros((len(codes), 2), np.int64)
        weight[:, 0], weight[:, 1] = action, by
        self._changes.append((contents << 31 | regions, codes, weight))

    def __len__(self) -> int:
        return len(self._views) + len(self._changes)

    def take(self, contents: Contents, regions: Regions, flush: int, watermark_ms: int) -> list[Send]:
        """Everything since the last time, as messages."""
        if not len(self):
            return []
        tallies = dict(self._tallies(contents, regions, flush, watermark_ms))
        self._views, self._changes = [], []
        if flush % WATERMARK_EVERY == 0:
            for home in range(self._partitions):
                tallies.setdefault(home, empty(self._partition, flush, watermark_ms))
        return [Send(TOPIC, home, None, part) for home in sorted(tallies) for part in pack(tallies[home])]

    def _tallies(
        self, contents: Contents, regions: Regions, flush: int, watermark_ms: int
    ) -> Iterator[tuple[int, Tally]]:
        sums = self._summed()
        homes = contents.homes(sums.pairs >> 31)
        order = np.argsort(homes, kind="stable")
        pairs, sizes, homes = sums.pairs[order], sums.sizes[order], homes[order]
        ends = np.cumsum(sizes)
        at = np.repeat((np.cumsum(sums.sizes) - sums.sizes)[order] - ends + sizes, sizes) + np.arange(len(sums.codes))
        codes, counts = sums.codes[at], sums.counts[at]
        names = _names(contents, regions, pairs)
        begin = np.flatnonzero(starts(homes)).tolist()
        for a, b in zip(begin, [*begin[1:], len(pairs)], strict=True):
            first, last = int(ends[a] - sizes[a]), int(ends[b - 1])
            cells = sizes[a:b], codes[first:last], counts[first:last]
            yield int(homes[a]), Tally(self._partition, flush, watermark_ms, names[a:b], *cells)

    def _summed(self) -> Sums:
        keys = np.concatenate([*(pair for pair, _ in self._views), *(pair for pair, _, _ in self._changes)])
        codes = np.concatenate([*(code for _, code in self._views), *(code for _, code, _ in self._changes)])
        weights = np.concatenate([np.zeros((0, 2), np.int64), *(weight for _, _, weight in self._changes)])
        kinds, by = weights.T.copy()
        kernel = compiled("cells")
        if kernel is not None:
            return Sums(*kernel.add_up(keys, codes, len(keys) - len(by), kinds, by))
        return _added_up(keys, codes, len(keys) - len(by), kinds, by)


def _added_up(keys: Ints, codes: Ints, views: int, kinds: Ints, by: Ints) -> Sums:
    """The first `views` entries are views, of the others `kinds` are the columns and `by` the amounts."""
    pairs, first, number = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    cells, cell = np.unique(place[number] << 32 | codes, return_inverse=True)
    counts = np.zeros(3 * len(cells), np.int64)
    counts[::3] = np.bincount(cell[:views], minlength=len(cells))
    np.add.at(counts, 3 * cell[views:] + kinds, by)
    return Sums(pairs[order], np.bincount(cells >> 32), cells & 0xFFFFFFFF, counts.reshape(-1, 3))


def _names(contents: Contents, regions: Regions, pairs: Ints) -> list[bytes]:
    suffixes = [video_row_key("", name) for name in regions.names]
    kernel = compiled("cells")
    if kernel is not None:
        made: list[bytes] = kernel.names(contents.keys_by_slot, suffixes, pairs)
        return made
    firsts = map(contents.keys_by_slot.__getitem__, (pairs >> 31).tolist())
    seconds = map(suffixes.__getitem__, (pairs & (1 << 31) - 1).tolist())
    return list(map(add, firsts, seconds))
