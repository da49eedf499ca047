"""Decoded rows and their bytes, one row at a time. These codecs are the public definition of the tables.

The folds write the same bytes from columns; tests hold the two byte-equal. All numbers are little-endian.
"""

import struct
from dataclasses import dataclass, field
from enum import IntFlag
from itertools import pairwise

import msgspec

from streams.core.events import VideoFacts

ROW_VERSION = 1


class RowVersionError(ValueError):
    """A row was written by another version of the project than can be read here."""


def _check(value: bytes, table: str) -> None:
    found = value[0] if value else "nothing"
    if found != ROW_VERSION:
        raise RowVersionError(f"{table}: row version {found}, can read {ROW_VERSION}: run the version that wrote it")


class UserFlag(IntFlag):
    """Why a user's weights may differ from a recount."""

    EVICTED_TOPIC = 1
    FACTS_CHANGED = 2
    GAVE_UP_SHARE = 4


class AccountFlag(IntFlag):
    """The account state applied to a user's events. PRIVATE, BANNED and MINOR hide them from videos and trends."""

    KNOWN = 1
    PRIVATE = 2
    BANNED = 4
    MINOR = 8


HIDDEN = AccountFlag.PRIVATE | AccountFlag.BANNED | AccountFlag.MINOR

# version, flags, account, n_ids, n_seen, n_pos, n_neg, 0
# views, likes, shares, repeats, late | fast and slow epoch | last_ms
USER_HEADER = struct.Struct("<8B5Iiiq")
EMPTY_EPOCH = -(1 << 30)


@dataclass(slots=True)
class UserRow:
    """Table `interests`, key = user. At most 1 KiB.

    A weight stands for the moment `epoch * half-life`: its value at time t is
    `weight * 2 ** (epoch - t / half_life_ms)`. `epoch` = floor(newest event time folded / half-life), or
    `EMPTY_EPOCH` if nothing was weighed. `views` counts views that were not repeats; `view_ids[k % 32]` is the
    id of the k-th of them (counted from 0), `seen[k % 16]` its video. `likes` and `shares` count records folded
    (undos too), `repeats` views dropped, `late` records older than 24 h at arrival. `last_ms` is the greatest
    event time folded, 0 if none.
    """

    flags: int = 0
    account: int = 0
    views: int = 0
    likes: int = 0
    shares: int = 0
    repeats: int = 0
    late: int = 0
    fast_epoch: int = EMPTY_EPOCH
    slow_epoch: int = EMPTY_EPOCH
    last_ms: int = 0
    view_ids: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    positive: list[tuple[int, float, float]] = field(default_factory=list)
    """(topic hash, fast weight, slow weight) in order of arrival."""
    negative: list[tuple[int, float]] = field(default_factory=list)
    """(topic hash, slow weight as a positive number) in order of arrival."""

    def encode(self) -> bytes:
        n = len(self.view_ids), len(self.seen), len(self.positive), len(self.negative)
        head = USER_HEADER.pack(
            ROW_VERSION, self.flags, self.account, *n, 0, self.views, self.likes, self.shares, self.repeats, self.late,
            self.fast_epoch, self.slow_epoch, self.last_ms,
        )  # fmt: skip
        topics, fast, slow = zip(*self.positive, strict=True) if self.positive else ((), (), ())
        bad, bad_slow = zip(*self.negative, strict=True) if self.negative else ((), ())
        return head + struct.pack(
            f"<{n[0]}Q{n[1]}I{n[2]}I{n[2]}f{n[2]}f{n[3]}I{n[3]}f",
            *self.view_ids, *self.seen, *topics, *fast, *slow, *bad, *bad_slow,
        )  # fmt: skip

    @classmethod
    def decode(cls, value: bytes) -> "UserRow":
        _check(value, "interests")
        _, flags, account, ids, seen, pos, neg, _, *counts = USER_HEADER.unpack_from(value)
        views, likes, shares, repeats, late, fast_epoch, slow_epoch, last_ms = counts
        body = struct.unpack_from(f"<{ids}Q{seen}I{pos}I{pos}f{pos}f{neg}I{neg}f", value, USER_HEADER.size)
        cuts = [0]
        for size in (ids, seen, pos, pos, pos, neg, neg):
            cuts.append(cuts[-1] + size)
        part = [list(body[a:b]) for a, b in pairwise(cuts)]
        return cls(
            flags, account, views, likes, shares, repeats, late, fast_epoch, slow_epoch, last_ms, part[0], part[1],
            list(zip(part[2], part[3], part[4], strict=True)), list(zip(part[5], part[6], strict=True)),
        )  # fmt: skip


class Action(IntFlag):
    """What an entry of a pair is about, or what a parked share is."""

    VIEW = 0
    LIKE = 1
    SHARE = 2


class PairFlag(IntFlag):
    """ON: like or share (not undone). COUNTED: it counts at the video (user visible when folded). LATE: totals only."""

    ON = 1
    COUNTED = 2
    LATE = 4


class PairEntry(msgspec.Struct, array_like=True):
    """The winning event of one action of a (user, video): greatest (at_ms, id64); of equals the first in the log."""

    action: int
    channel: str
    at_ms: int
    id64: int
    flags: int
    region: str


class PairRow(msgspec.Struct, array_like=True):
    """Table `pairs`, key = user NUL video: entries sorted by (action, channel)."""

    entries: list[PairEntry]

    def encode(self) -> bytes:
        return bytes([ROW_VERSION]) + _pack(self)

    @classmethod
    def decode(cls, value: bytes) -> "PairRow":
        _check(value, "pairs")
        return _unpack_pair(memoryview(value)[1:])


class ParkedShare(msgspec.Struct, array_like=True):
    """An interest share that waits for the video's facts. sign: +1 adds, -1 takes back (likes and shares only)."""

    action: int
    sign: int
    at_ms: int
    watch_ms: int
    duration_ms: int


class ParkedRow(msgspec.Struct, array_like=True):
    """Table `parked`, key = user NUL video."""

    first_arrival_ms: int
    shares: list[ParkedShare]

    def encode(self) -> bytes:
        return bytes([ROW_VERSION]) + _pack(self)

    @classmethod
    def decode(cls, value: bytes) -> "ParkedRow":
        _check(value, "parked")
        return _unpack_parked(memoryview(value)[1:])


class FactsRow(msgspec.Struct, array_like=True):
    """Table `videos-table`, key = video NUL: the facts by which this video's counts are fanned out.

    `offset` is that of the record in `videos`, -1 before the first; `facts` is None then and after a tombstone;
    `live` says whether they count. `regions` are those in which the video has a counter row, ascending.
    """

    offset: int
    live: bool
    facts: VideoFacts | None
    regions: list[str] = []

    def encode(self) -> bytes:
        return bytes([ROW_VERSION]) + _pack(self)

    @classmethod
    def decode(cls, value: bytes) -> "FactsRow":
        _check(value, "videos-table")
        return _unpack_facts(memoryview(value)[1:])


_pack = msgspec.msgpack.Encoder().encode
_unpack_pair = msgspec.msgpack.Decoder(PairRow).decode
_unpack_parked = msgspec.msgpack.Decoder(ParkedRow).decode
_unpack_facts = msgspec.msgpack.Decoder(FactsRow).decode


# version, log2 bytes of totals << 4 | of panes, minute panes, 0, hour panes, 0, newest minute, newest hour
COUNTER_HEADER = struct.Struct("<BBBBHHII")
WIDTHS = "BHIQ"
Counts = tuple[int, int, int]  # views, likes, shares


@dataclass(slots=True)
class CounterRow:
    """A row of `trends` (key = entity) or a region's row of `videos-table` (key = video NUL region).

    Panes are numbered from the Unix epoch and hold no row of zeros. `top_minute` and `top_hour` are the newest panes
    ever touched (0: none); older than `top - 119` minutes or `top - 335` hours is not kept.
    """

    totals: Counts = (0, 0, 0)
    top_minute: int = 0
    top_hour: int = 0
    minutes: dict[int, Counts] = field(default_factory=dict)
    hours: dict[int, Counts] = field(default_factory=dict)

    def encode(self) -> bytes:
        minutes, hours = sorted(self.minutes.items(), reverse=True), sorted(self.hours.items(), reverse=True)
        panes = [counts for _, counts in minutes + hours]
        wide, narrow = _width(self.totals), _width([n for counts in panes for n in counts])
        m, h = len(minutes), len(hours)
        head = COUNTER_HEADER.pack(ROW_VERSION, wide << 4 | narrow, m, 0, h, 0, self.top_minute, self.top_hour)
        columns = [c[i] for group in (minutes, hours) for i in range(3) for _, c in group]
        return head + struct.pack(
            f"<3{WIDTHS[wide]}{m}B{h}H{3 * (m + h)}{WIDTHS[narrow]}", *self.totals,
            *(self.top_minute - pane for pane, _ in minutes), *(self.top_hour - pane for pane, _ in hours), *columns,
        )  # fmt: skip

    @classmethod
    def decode(cls, value: bytes) -> "CounterRow":
        _check(value, "counters")
        _, widths, m, _, h, _, top_minute, top_hour = COUNTER_HEADER.unpack_from(value)
        wide, narrow = widths >> 4, widths & 15
        body = struct.unpack_from(f"<3{WIDTHS[wide]}{m}B{h}H{3 * (m + h)}{WIDTHS[narrow]}", value, COUNTER_HEADER.size)
        totals, body = body[:3], body[3:]
        ages_m, ages_h, counts = body[:m], body[m : m + h], body[m + h :]
        by_minute, by_hour = counts[: 3 * m], counts[3 * m :]
        return cls(
            totals, top_minute, top_hour,
            {top_minute - a: (by_minute[i], by_minute[m + i], by_minute[2 * m + i]) for i, a in enumerate(ages_m)},
            {top_hour - a: (by_hour[i], by_hour[h + i], by_hour[2 * h + i]) for i, a in enumerate(ages_h)},
        )  # fmt: skip


def _width(counts: "list[int] | Counts") -> int:
    greatest = max(counts, default=0)
    return (greatest > 0xFF) + (greatest > 0xFFFF) + (greatest > 0xFFFFFFFF)
