"""What readers show of many rows, as columns: numpy arrays instead of an object for each row and each interest.

`starts` cuts what belongs to the rows: to row i belong the places starts[i] to starts[i + 1] of the columns behind it.
"""

from collections.abc import Iterable, Sequence, Sized
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from streams.core.compiled import compiled
from streams.core.reading import WEIGHING, KeysOf, Wanted, facts_of, read_users, read_videos
from streams.core.rows import COUNTER_HEADER, ROW_VERSION

MOST_TOPICS = 2 * 255
"""Of a row: so many its header can count."""

_Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint32]
_Ints = NDArray[np.int64]
_Counts = NDArray[np.uint64]
_Floats = NDArray[np.float64]


class UserReadColumns(NamedTuple):
    """n users' rows with m interests in all; zeros and no interests where there is no row."""

    found: NDArray[np.bool_]
    """[n] Whether there is a row."""
    account: _Bytes
    """[n] `streams.core.rows.AccountFlag`."""
    flags: _Bytes
    """[n] `streams.core.rows.UserFlag`."""
    at_ms: _Ints
    """[n] When weights and scores are told for."""
    last_ms: _Ints
    """[n] The newest event folded."""
    counts: _Words
    """[n, 5] Views, likes, shares, repeats, late."""
    starts: _Ints
    """[n + 1] Cuts of the columns of interests."""
    topics: _Words
    """[m] Hashes of topics; within a row by descending score, then ascending hash."""
    scores: _Floats
    fast: _Floats
    slow: _Floats
    negative: _Floats


class VideoStatus(IntEnum):
    """What is known of a video: nothing at all, no facts but counts, or facts; removed ones by a tombstone."""

    UNKNOWN = 0
    NO_FACTS = 1
    LIVE = 2
    NOT_LIVE = 3
    REMOVED = 4


class VideoReadColumns(NamedTuple):
    """n videos with m rows of counts by region in all; zeros and no regions where there is no row."""

    status: _Bytes
    """[n] `VideoStatus`."""
    totals: _Counts
    """[n, 3] Views, likes, shares of all regions."""
    starts: _Ints
    """[n + 1] Cuts of `region` and `by_region`."""
    regions: list[str]
    """Names of the regions that occur, each once."""
    region: _Words
    """[m] Which of `regions`; within a video by ascending name (as bytes)."""
    by_region: _Counts
    """[m, 3] Views, likes, shares of one region."""
    facts: list[bytes | None]
    """[n] Rows of facts as they are stored (`streams.core.rows.FactsRow`), None where there is none."""


def read_user_columns(values: Sequence[bytes | None], at_least_ms: ArrayLike, limit: int) -> UserReadColumns:
    """What `streams.core.reading.read_users` reads, bit for bit. None: no row.

    `at_least_ms` [n]: weigh as of then, or as of the newest event if that is later. ValueError if the lengths differ or
    `limit` is negative, RowVersionError if another version wrote a row or it is shorter than it says.
    """
    since_ms = np.ascontiguousarray(at_least_ms, np.int64)
    if since_ms.shape != (len(values),) or limit < 0:
        raise ValueError(f"{len(values)} rows, instants of the shape {since_ms.shape}, at most {limit} interests")
    limit = min(limit, MOST_TOPICS)
    if (kernel := compiled("reading_columns")) is not None:
        found = kernel.users(list(values), since_ms, ROW_VERSION, *WEIGHING, limit)
        if found is not None:
            return UserReadColumns(*found)
    return _user_columns(values, since_ms, limit)


def _user_columns(values: Sequence[bytes | None], since_ms: _Ints, limit: int) -> UserReadColumns:
    read = read_users(values, since_ms.tolist(), Wanted(limit, {}, _interest, _tuple))
    rows = [(0, 0, 0, 0, (0,) * 5, []) if one is None else one for one in read]
    account, flags, at_ms, last_ms, counts, interests = _turned(rows, 6)
    topics, scores, fast, slow, negative = _turned(chain(*interests), 5)
    return UserReadColumns(
        np.array([one is not None for one in read], np.bool_),
        np.array(account, np.uint8), np.array(flags, np.uint8), np.array(at_ms, np.int64), np.array(last_ms, np.int64),
        np.array(counts, np.uint32).reshape(-1, 5), _starts(interests), np.array(topics, np.uint32),
        np.array(scores, np.float64), np.array(fast, np.float64), np.array(slow, np.float64),
        np.array(negative, np.float64),
    )  # fmt: skip


def _interest(_kind: str | None, _name: str | None, *rest: float) -> tuple[float, ...]:
    return rest


def _tuple(*rest: int) -> tuple[int, ...]:
    return rest


def _turned(rows: Iterable[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    """Columns of the rows."""
    return list(zip(*rows, strict=True)) or [()] * width


def _starts(parts: Iterable[Sized]) -> _Ints:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def without(columns: UserReadColumns, hidden: NDArray[np.bool_]) -> UserReadColumns:
    """The same as if there were no row where `hidden` [n]. O(n + m)."""
    if not hidden.any():
        return columns
    shown, sizes = ~hidden, np.diff(columns.starts)
    kept = np.repeat(shown, sizes)
    return UserReadColumns(
        columns.found & shown, columns.account * shown, columns.flags * shown, columns.at_ms * shown,
        columns.last_ms * shown, columns.counts * shown[:, None], np.append(0, np.cumsum(sizes * shown)),
        columns.topics[kept], columns.scores[kept], columns.fast[kept], columns.slow[kept], columns.negative[kept],
    )  # fmt: skip


def read_video_columns(names: Sequence[bytes], keys_of: KeysOf, rows: dict[bytes, bytes]) -> VideoReadColumns:
    """What `streams.core.reading.read_videos` reads, and the status of each video. O(regions) a video.

    RowVersionError if another version wrote a row or it is cut, OverflowError if a sum has more than 64 bits. Facts are
    only looked at as far as the status needs it.
    """
    if (kernel := compiled("reading_columns")) is not None:
        found = kernel.videos(list(names), keys_of, rows, ROW_VERSION, COUNTER_HEADER.size)
        if found is not None:
            return VideoReadColumns(*found)
    return _video_columns(names, keys_of, rows)


def _video_columns(names: Sequence[bytes], keys_of: KeysOf, rows: dict[bytes, bytes]) -> VideoReadColumns:
    read = read_videos(names, keys_of, rows, _tuple)
    facts, totals, by_region = _turned([(None, (0,) * 3, {}) if one is None else one for one in read], 3)
    number_of: dict[str, int] = {}
    region = [number_of.setdefault(name, len(number_of)) for name in chain(*by_region)]
    status = [VideoStatus.UNKNOWN if one is None else _status(one[0]) for one in read]
    counts = [counted for regions in by_region for counted in regions.values()]
    return VideoReadColumns(
        np.array(status, np.uint8), np.array(totals, np.uint64).reshape(-1, 3), _starts(by_region), list(number_of),
        np.array(region, np.uint32), np.array(counts, np.uint64).reshape(-1, 3), list(facts),
    )  # fmt: skip


class _FactsBegin(msgspec.Struct, array_like=True):
    """The beginning of a `streams.core.rows.FactsRow`, facts not decoded."""

    offset: int
    live: bool
    facts: msgspec.Raw


_decode = msgspec.msgpack.Decoder(_FactsBegin).decode
_NULL = msgspec.msgpack.encode(None)


def _status(row: bytes | None) -> VideoStatus:
    if row is None:
        return VideoStatus.NO_FACTS
    begin = facts_of(row, _decode)
    if bytes(begin.facts) == _NULL:
        return VideoStatus.REMOVED
    return VideoStatus.LIVE if begin.live else VideoStatus.NOT_LIVE
