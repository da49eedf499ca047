"""The stage of videos: adds up a video's counts by region and passes them on to the entities it belongs to."""

from collections.abc import Sequence
from itertools import filterfalse, repeat
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np

from streams.core import tallies
from streams.core.arrival import Where, arrive_all_facts
from streams.core.counters import UNSET, Counters
from streams.core.counters.arrays import Ints
from streams.core.counters.incoming import Incoming, Received, merged
from streams.core.events import VideoFacts, is_live
from streams.core.fanout import SEPARATOR, Fanout, Videos, entities_of, joined
from streams.core.ports import Output, Record, Rejected, RowReader, Send, is_empty
from streams.core.rows import FactsRow

TABLE = "videos-table"
EMPTY_TALLY_EVERY = 4
"""Flushes after which partitions that get no counts are told the watermark."""
_ROUTES_KEPT = 1 << 15
_NAMES = attrgetter("names")
_pack = msgspec.msgpack.Encoder().encode
_NO_HEAD = FactsRow(-1, live=False, facts=None).encode()[:-1]


class _Video:
    """What is known of one video. `entities` (see core.fanout) is empty unless it is live."""

    __slots__ = ("_head", "dirty", "entities", "regions", "used")

    def __init__(self, video: bytes, row: FactsRow | None) -> None:
        self.regions = set() if row is None else set(row.regions)
        self.dirty = False
        self.used = 0
        if row is None:
            self.entities, self._head = b"", _NO_HEAD
        else:
            self.apply(video, row.offset, row.facts)

    def apply(self, video: bytes, offset: int, facts: VideoFacts | None) -> None:
        """Take over these facts, of this offset."""
        self.entities = entities_of(video, facts) if facts is not None and is_live(facts) else b""
        # All but the last byte, an empty list of regions: these change far more often than the facts.
        self._head = FactsRow(offset, bool(self.entities), facts).encode()[:-1]

    def row(self) -> bytes:
        """Its `FactsRow` in bytes."""
        return self._head + _pack(sorted(self.regions))


class _Move(NamedTuple):
    """What a region's row holds leaves the route `minus` and joins the route `plus`."""

    row: bytes
    minus: int
    plus: int


class VideoStage:
    """Fold of `video-tallies` and `videos` of one partition."""

    def __init__(self, partition: int, partitions: int, rows: RowReader, watermark_ms: int = 0) -> None:
        self._partition, self._partitions, self._rows = partition, partitions, rows
        self._counters = Counters(TABLE, rows, ("route",))
        self._fanout = Fanout(partitions)
        self._videos: dict[bytes, _Video] = {}
        self._whole = is_empty(rows, TABLE)
        self._dirty: list[bytes] = []
        self._incoming = Incoming("video-tallies", watermark_ms)
        self._flushes = 0
        self._tick = 0

    @property
    def watermark_ms(self) -> int:
        return self._incoming.watermark_ms

    def fold(self, topic: str, records: Sequence[Record]) -> None:
        """Take in records of one topic, in order."""
        self._tick += 1
        if topic == "videos":
            self._fold_facts(records)
        else:
            for cells in merged(self._incoming.cells(records, self._counters, _NAMES)):
                self._add(cells)

    def collect(self, flush: int) -> Output:
        """Rows changed since the last flush, and the tallies for the stage of trends."""
        self._counters.apply()
        output = self._incoming.output()
        keys, values = self._counters.take_dirty()
        for video in self._dirty:
            state = self._videos[video]
            keys.append(video + b"\x00")
            values.append(state.row())
            state.dirty = False
        if keys:
            output.rows[TABLE] = keys, values
        output.sends = self._sends(flush, anything=bool(output.folded))
        self._dirty = []
        self._limit_names()
        return output

    def has_work(self) -> bool:
        return False

    def resident(self) -> int:
        return len(self._counters) + len(self._videos)

    def pinned(self) -> int:
        return 0

    def evict(self, rows: int) -> int:
        """Forget clean rows, of counts and of facts in proportion."""
        share = rows * len(self._videos) // max(self.resident(), 1)
        clean = sorted((state.used, video) for video, state in self._videos.items() if not state.dirty)[:share]
        self._whole &= not clean
        for _, video in clean:
            del self._videos[video]
        return len(clean) + len(self._counters.evict(rows - share))

    def _add(self, cells: Received) -> None:
        column = self._counters.columns["route"]
        routes = column[cells.slots]
        new = cells.slots[routes == UNSET]
        if len(new):
            self._resolve(new, column)
            routes = column[cells.slots]
        self._counters.add_rows(*cells)
        self._fanout.add(routes, cells.per_slot, cells.codes, cells.counts)

    def _resolve(self, slots: Ints, routes: Ints) -> None:
        """Find out where cells of these rows go, and note regions that a video did not have."""
        names, videos = self._counters.names, Videos(self._videos, self._dirty, self._tick)
        absent = self._fanout.resolve(names, slots, routes, videos)
        if len(absent):
            self._load([names[slot].partition(b"\x00")[0] for slot in absent.tolist()])
            self._fanout.resolve(names, absent, routes, videos)

    def _fold_facts(self, records: Sequence[Record]) -> None:
        where = Where("videos", self._partition, self._partitions)
        arrived: list[tuple[bytes, int, VideoFacts | None]] = []
        for record, facts in zip(records, arrive_all_facts(where, records), strict=True):
            if isinstance(facts, Rejected):
                self._incoming.rejected.append(facts)
            elif record.key is not None:
                arrived.append((record.key, record.offset, facts))
        self._load([video for video, _, _ in arrived])
        moves: list[_Move] = []
        for video, offset, facts in arrived:
            moves += self._change(video, offset, facts)
        if moves:
            self._move(moves)

    def _change(self, video: bytes, offset: int, facts: VideoFacts | None) -> list[_Move]:
        state = self._videos[video]
        old = state.entities
        state.apply(video, offset, facts)
        state.used = self._tick
        self._touch(video, state)
        if not state.regions:
            return []
        before, after = (text.split(SEPARATOR) if text else [] for text in (old, state.entities))
        left = joined(name for name in before if name not in after)
        new = joined(name for name in after if name not in before)
        moves = []
        for region in map(str.encode, sorted(state.regions) if left or new else ()):
            minus, plus = self._fanout.route(left, region), self._fanout.route(new, region)
            moves.append(_Move(video + b"\x00" + region, minus, plus))
        return moves

    def _move(self, moves: Sequence[_Move]) -> None:
        self._counters.apply()
        slots = self._counters.slots([move.row for move in moves])
        own, codes, counts = self._counters.cells(slots)
        minus = np.array([move.minus for move in moves], np.int64)[own]
        plus = np.array([move.plus for move in moves], np.int64)[own]
        ones = np.ones(len(own), np.int64)
        self._fanout.add(minus, ones, codes, -counts)
        self._fanout.add(plus, ones, codes, counts)
        self._counters.columns["route"][slots] = UNSET

    def _load(self, videos: Sequence[bytes]) -> None:
        absent = list(dict.fromkeys(filterfalse(self._videos.__contains__, videos)))
        if not absent:
            return
        values = repeat(None, len(absent)) if self._whole else self._rows.get_many(TABLE, [v + b"\x00" for v in absent])
        for video, value in zip(absent, values, strict=True):
            self._videos[video] = _Video(video, None if value is None else FactsRow.decode(value))

    def _touch(self, video: bytes, state: _Video) -> None:
        if not state.dirty:
            state.dirty = True
            self._dirty.append(video)

    def _sends(self, flush: int, *, anything: bool) -> list[Send]:
        """Tallies, if `anything` was folded the empty ones too when it is time for them."""
        packed = self._fanout.take(self._partition, flush, self.watermark_ms)
        if packed or anything:
            self._flushes += 1
            if self._flushes % EMPTY_TALLY_EVERY == 0:
                nothing = tallies.pack(tallies.empty(self._partition, flush, self.watermark_ms))
                packed = {p: packed.get(p, nothing) for p in range(self._partitions)}
        return [Send("trend-tallies", p, None, value) for p, values in sorted(packed.items()) for value in values]

    def _limit_names(self) -> None:
        if len(self._fanout) > max(_ROUTES_KEPT, 4 * len(self._counters)):
            self._fanout.forget()
            self._counters.columns["route"][:] = UNSET
