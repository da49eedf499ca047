"""Videos and regions met by the stages, as small numbers: names are checked once, topics are hashed once."""

from collections.abc import Sequence
from itertools import chain
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from streams.core import checks
from streams.core.compiled import compiled
from streams.core.events import VideoFacts
from streams.core.interests.topics import Hashes, Ints, longer
from streams.core.keys import partitions_of, seen_hash, topic_hash
from streams.core.ports import Catalogue
from streams.core.types import UNKNOWN_REGION

FIRST_CAPACITY = 1024
CONTENTS_AT_MOST = 1 << 18
"""More videos or regions than that are forgotten at a collect, to be met anew."""


def topics_of(facts: VideoFacts | None) -> list[int]:
    """Hashes of the topics that a view of this video speaks about, in the order in which they are weighed."""
    if facts is None:
        return []
    hashes = [topic_hash("tag", tag) for tag in facts.tags]
    hashes += (
        topic_hash("sound", facts.sound), topic_hash("creator", facts.creator),
        topic_hash("category", facts.category), topic_hash("language", facts.language),
    )  # fmt: skip
    return hashes


def _topics(facts: list[VideoFacts | None]) -> tuple[Ints, Hashes]:
    """How many topics each has, and the hashes of all."""
    kernel = compiled("facts")
    if kernel is not None:
        sizes, hashes = kernel.topics(facts)
        return sizes, hashes
    topics = list(map(topics_of, facts))
    size = np.fromiter(map(len, topics), np.int64, len(topics))
    return size, np.array(list(chain.from_iterable(topics)), np.uint32)


class Regions(dict[str | None, int]):
    """Region -> number, -1 if it is none; None is `unknown`."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.by_key: dict[bytes, int] = {}
        """The same by UTF-8, of those met through `number_of_key`."""

    def __missing__(self, name: str | None) -> int:
        if name is None:
            number = self[UNKNOWN_REGION]
        elif not checks.is_region(name):
            return -1
        else:
            number = len(self.names)
            self.names.append(name)
        self[name] = number
        return number

    def numbers(self, names: Sequence[str | None]) -> Ints:
        return np.fromiter(map(self.__getitem__, names), np.int64, len(names))

    def number_of_key(self, key: bytes) -> int:
        """By UTF-8; -1 if it is none."""
        number = _number(self, key)
        if number >= 0:
            self.by_key[key] = number
        return number

    def full(self) -> bool:
        return len(self.names) > CONTENTS_AT_MOST


class Contents(dict[str, int]):
    """Video -> slot, -1 if it is no name. Facts by slot are those of the last `refresh`.

    The topics of slot i are `flat[start[i] : start[i] + size[i]]`.
    """

    def __init__(self, catalogue: Catalogue, partitions: int) -> None:
        super().__init__()
        self._catalogue, self._partitions = catalogue, partitions
        self.names: list[str] = []
        self.keys_by_slot: list[bytes] = []
        self._table: Any = None
        self._cursor, self._met = 0, 0
        self._homed = 0
        self._home = np.zeros(FIRST_CAPACITY, np.int64)
        self.seen = np.zeros(FIRST_CAPACITY, np.uint32)
        self.known = np.zeros(FIRST_CAPACITY, np.bool_)
        self.changed = np.zeros(FIRST_CAPACITY, np.bool_)
        self.duration_ms = np.zeros(FIRST_CAPACITY, np.int64)
        self.start = np.zeros(FIRST_CAPACITY, np.int64)
        self.size = np.zeros(FIRST_CAPACITY, np.int64)
        self.flat: Hashes = np.zeros(8 * FIRST_CAPACITY, np.uint32)
        self._end = 0

    def __missing__(self, video: str) -> int:
        if not checks.is_name(video):
            return -1
        slot = len(self.names)
        if slot == len(self.seen):
            self._grow(2 * slot)
        self.names.append(video)
        key = video.encode()
        self.keys_by_slot.append(key)
        if self._table is not None:
            self._table.add([key], [slot])
        kernel = compiled("facts")
        self.seen[slot] = seen_hash(video) if kernel is None else kernel.seen_hash(video)
        self[video] = slot
        return slot

    def slots(self, videos: Sequence[str]) -> Ints:
        return np.fromiter(map(self.__getitem__, videos), np.int64, len(videos))

    def slot_of_key(self, key: bytes) -> int:
        """By UTF-8; -1 if it is no name."""
        return _number(self, key)

    def table(self, kernel: Any) -> Any:
        """The slots by UTF-8, as a `NameTable` of this kernel."""
        if self._table is None:
            self._table = kernel.NameTable(self.keys_by_slot)
            self._table.add(self.keys_by_slot, [*range(len(self.keys_by_slot))])
        return self._table

    def refresh(self) -> None:
        """Takes over the facts of videos met since the last time, and of those with news."""
        self._cursor, news = self._catalogue.news_since(self._cursor)
        met = len(self.names)
        if news is None:
            self._learn(list(range(met)))
        elif news or met > self._met:
            again = {self[video] for video in news if video in self}
            self._learn([*sorted(again.difference(range(self._met, met))), *range(self._met, met)])
        self._met = met

    def homes(self, slots: Ints) -> Ints:
        """Partitions that the videos' names belong to."""
        if self._homed < len(self.names):
            keys = self.keys_by_slot[self._homed :]
            self._home[self._homed : len(self.names)] = partitions_of(keys, self._partitions)
            self._homed = len(self.names)
        return self._home[slots]

    def expand(self, slots: Ints) -> tuple[Ints, Hashes]:
        """(position in `slots`, topic hash) of each topic, in order."""
        size = self.size[slots]
        ends = np.cumsum(size)
        total = int(ends[-1]) if len(ends) else 0
        at = np.arange(total) + np.repeat(self.start[slots] - ends + size, size)
        return np.repeat(np.arange(len(slots)), size), self.flat[at]

    def full(self) -> bool:
        return len(self.names) > CONTENTS_AT_MOST or self._end > 16 * CONTENTS_AT_MOST

    def _learn(self, slots: Sequence[int]) -> None:
        names = [self.names[slot] for slot in slots]
        facts = list(map(self._catalogue.get, names))
        size, topics = _topics(facts)
        end = self._end + int(size.sum())
        while end > len(self.flat):
            self.flat = longer(self.flat, 2 * len(self.flat))
        self.flat[self._end : end] = topics
        self.start[slots] = self._end + np.cumsum(size) - size
        self.size[slots] = size
        self._end = end
        self.known[slots] = [found is not None for found in facts]
        self.changed[slots] = list(map(self._catalogue.changed, names))
        self.duration_ms[slots] = [0 if found is None else found.duration_ms for found in facts]

    def _grow(self, capacity: int) -> None:
        for name in ("_home", "seen", "known", "changed", "duration_ms", "start", "size"):
            setattr(self, name, longer(getattr(self, name), capacity))


def _number(table: Regions | Contents, key: bytes) -> int:
    try:
        return table[key.decode()]
    except UnicodeDecodeError:
        return -1


_SHARED: WeakValueDictionary[tuple[int, int], Contents] = WeakValueDictionary()


def contents_of(catalogue: Catalogue, partitions: int) -> Contents:
    """The table that all stages with this catalogue share, for they meet the same videos; a new one if it is full."""
    # A table keeps its catalogue alive, so the id of one that is listed cannot be that of another.
    place = id(catalogue), partitions
    contents = _SHARED.get(place)
    if contents is None or contents.full():
        contents = _SHARED[place] = Contents(catalogue, partitions)
    return contents
