"""From a video's cells to those of its entities: names of entity rows, their partitions, and the tallies sent."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from streams.core import tallies
from streams.core.compiled import compiled
from streams.core.counters import UNSET
from streams.core.counters.arrays import Ints, heads, owners
from streams.core.events import VideoFacts
from streams.core.keys import Kind, partition_of
from streams.core.tallies import Tally

SEPARATOR = b"\x01"
NOWHERE = 0
"""The route of a video that is not live."""
OWN_REGION = Kind.REGION.letter.encode()
"""Stands, in a list of entities, for the region of the cell; no entity has this name. Its number is 0."""
_BETWEEN = SEPARATOR.decode()
_VIDEO = Kind.VIDEO.letter.encode()
_CREATOR, _SOUND, _CATEGORY, _TAG = (k.letter for k in (Kind.CREATOR, Kind.SOUND, Kind.CATEGORY, Kind.TAG))


def entities_of(video: bytes, facts: VideoFacts) -> bytes:
    """Entity names that a live video counts for, as one text (see `joined`)."""
    tags = map(_TAG.__add__, facts.tags)
    names = (_CREATOR + facts.creator, _SOUND + facts.sound, _CATEGORY + facts.category, *tags)
    return joined((_VIDEO + video, _BETWEEN.join(names).encode(), OWN_REGION))


def joined(entities: Iterable[bytes]) -> bytes:
    """Names of entities as one text; no name is empty or has 0x01."""
    return SEPARATOR.join(entities)


class Video(Protocol):
    """What a resolution of names reads and notes of a video: `entities` as one text, and regions with a row."""

    entities: bytes
    regions: set[str]
    dirty: bool
    used: int


class Videos(NamedTuple):
    """Videos in memory by name, names of those whose rows changed, and the tick at which they are used."""

    known: Mapping[bytes, Video]
    dirty: list[bytes]
    tick: int


class Fanout:
    """Routes (lists of entities, in one region) by number, and the cells waiting to be sent along them.

    Numbers are of this process only: `forget` starts anew once nothing waits.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self.forget()

    def forget(self) -> None:
        """Drop all names and routes. Routes handed out before must not be used any more."""
        kernel = compiled("counters_fan")
        self._fan: Any = PlainFan(self._partitions) if kernel is None else kernel.Fan(self._partitions, OWN_REGION)

    def __len__(self) -> int:
        return len(self._fan)

    def route(self, entities: bytes, region: bytes) -> int:
        """Number of a way to these entities (one text, see `joined`) in this region; NOWHERE if there are none."""
        return self._fan.route(entities, region)  # type: ignore[no-any-return]

    def resolve(self, names: list[bytes], slots: Ints, routes: Ints, videos: Videos) -> Ints:
        """Routes of the rows at `slots` of `names` (video NUL region), written where `routes` by slot has -1.

        Regions that a video did not have are noted, and it is put into `dirty` if it was not. -> slots of videos that
        are not known.
        """
        return self._fan.resolve(names, slots, routes, videos)  # type: ignore[no-any-return]

    def add(self, routes: Ints, per: Ints, codes: Ints, counts: Ints) -> None:
        """Note the next `per[i]` cells for each route."""
        self._fan.add(routes, per, codes, counts)

    def take(self, origin: int, flush: int, watermark_ms: int) -> dict[int, list[bytes]]:
        """Packed tallies of what waited, by partition. Names stand in the order in which cells reached them first."""
        return {home: tallies.pack(Tally(origin, flush, watermark_ms, *columns)) for home, *columns in self._fan.take()}


class PlainFan:
    """Routes and what waits, where no kernel is."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._target: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._home, self._ids, self._ends = array("q"), array("q"), array("q", [0, 0])
        self._texts: dict[bytes, str] = {}
        self._waiting: list[tuple[Ints, Ints, Ints]] = []

    def __len__(self) -> int:
        return len(self._ends) - 1

    def route(self, entities: bytes, region: bytes) -> int:
        if not entities:
            return NOWHERE
        self._ids.extend([self._number(entity + region if entity == OWN_REGION else entity, region)
                          for entity in entities.split(SEPARATOR)])  # fmt: skip
        self._ends.append(len(self._ids))
        return len(self._ends) - 2

    def resolve(self, names: list[bytes], slots: Ints, routes: Ints, videos: Videos) -> Ints:
        absent = []
        for slot in slots.tolist():
            if routes[slot] != UNSET:
                continue
            video, _, region = names[slot].partition(b"\x00")
            state = videos.known.get(video)
            if state is None:
                absent.append(slot)
                continue
            state.used = videos.tick
            text = self._texts.get(region) or self._texts.setdefault(region, region.decode())
            if text not in state.regions:
                state.regions.add(text)
                if not state.dirty:
                    state.dirty = True
                    videos.dirty.append(video)
            routes[slot] = self.route(state.entities, region)
        return np.array(absent, np.int64)

    def add(self, routes: Ints, per: Ints, codes: Ints, counts: Ints) -> None:
        self._waiting.append((np.repeat(routes, per), codes, counts))

    def take(self) -> Iterator[tuple[int, list[bytes], Ints, Ints, Ints]]:
        """(partition, names, cells per name, codes, counts)"""
        if not self._waiting:
            return
        routes, codes, counts = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
        self._waiting = []
        ends = np.frombuffer(self._ends, np.int64)
        own, rank = owners(ends[routes + 1] - ends[routes])
        if not len(own):
            return
        targets = np.frombuffer(self._ids, np.int64)[ends[routes][own] + rank]
        _, first, inverse = np.unique(targets, return_index=True, return_inverse=True)
        order = np.lexsort((codes[own], first[inverse], np.frombuffer(self._home, np.int64)[targets]))
        targets, codes = targets[order], codes[own[order]]
        starts = np.flatnonzero(np.append(True, (targets[1:] != targets[:-1]) | (codes[1:] != codes[:-1])))
        counts = np.add.reduceat(counts.take(own[order], axis=0), starts, axis=0)
        yield from self._by_home(targets[starts], codes[starts], counts)

    def _by_home(self, targets: Ints, codes: Ints, counts: Ints) -> Iterator[tuple[int, list[bytes], Ints, Ints, Ints]]:
        starts = heads(targets)
        ends = np.append(starts[1:], len(targets))
        ids = targets[starts]
        homes = np.frombuffer(self._home, np.int64)[ids]
        for a, b in pairwise([*heads(homes).tolist(), len(homes)]):
            cells = slice(int(starts[a]), int(ends[b - 1]))
            names = list(map(self._names.__getitem__, ids[a:b].tolist()))
            yield int(homes[a]), names, (ends - starts)[a:b], codes[cells], counts[cells]

    def _number(self, entity: bytes, region: bytes) -> int:
        name = entity + b"\x00" + region
        known = self._target.setdefault(name, len(self._names))
        if known == len(self._names):
            self._names.append(name)
            self._home.append(partition_of(entity, self._partitions))
        return known
