"""What answers show of rows, without decoding all of them. Pure arithmetic on the rows' bytes."""

import struct
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from streams.core.compiled import compiled
from streams.core.params import FAST_HALF_LIFE_MS, FAST_SHARE, NEGATIVE_SHARE, SLOW_HALF_LIFE_MS, SLOW_SHARE
from streams.core.rows import COUNTER_HEADER, ROW_VERSION, USER_HEADER, WIDTHS, Counts, RowVersionError, UserRow

I = TypeVar("I")  # noqa: E741
C = TypeVar("C")
F = TypeVar("F")
Names = dict[int, tuple[str, str]]
"""Hash of a topic -> (kind, name)."""
UNNAMED = (None, None)
UserRead = tuple[int, int, int, int, C, list[I]]
"""(account, flags, at_ms, last_ms, counts, interests): a user's row as weighed at `at_ms`, greatest score first."""
VideoRead = tuple[bytes | None, C, dict[str, C]]
"""(facts row, totals, totals by region) of a video."""
KeysOf = dict[bytes, tuple[bytes, ...]]
"""Video -> keys of its rows, ascending: that of the facts comes first."""

_TOTALS = [struct.Struct(f"<3{width}") for width in WIDTHS]
_BASE = 2.0
_HALF_LIVES_MS = float(FAST_HALF_LIFE_MS), float(SLOW_HALF_LIFE_MS)
WEIGHING = _BASE, _HALF_LIVES_MS, (FAST_SHARE, SLOW_SHARE, NEGATIVE_SHARE)
"""By what the kernels weigh a user's topics."""


class UserHead(NamedTuple):
    """The fields of a user's row before its lists; see `streams.core.rows.UserRow`."""

    flags: int
    account: int
    views: int
    likes: int
    shares: int
    repeats: int
    late: int
    fast_epoch: int
    slow_epoch: int
    last_ms: int


def user_head(value: bytes) -> UserHead:
    """RowVersionError if another version wrote the row, or it ends before its lists."""
    check_version(value, "interests")
    if len(value) < USER_HEADER.size:
        raise _too_short(value, "interests")
    _, flags, account, _, _, _, _, _, *rest = USER_HEADER.unpack_from(value)
    return UserHead(flags, account, *rest)


class Wanted(NamedTuple, Generic[C, I]):
    """What of a user's row, and as what: at most `limit` topics, and how they are called.

    `interest(kind, name, topic, score, fast, slow, negative)` makes one, `counts(views, likes, shares, repeats, late)`
    the counts.
    """

    limit: int
    names: Names
    interest: Callable[..., I]
    counts: Callable[..., C]


def read_users(
    values: Sequence[bytes | None], at_least_ms: Sequence[int], wanted: Wanted[C, I]
) -> list[UserRead[C, I] | None]:
    """Each user's row as weighed at `at_least_ms`, or at its newest event if that is later; None for None.

    Topics of the greatest scores come first, equal ones by hash; O(topics x limit) a row at most. RowVersionError if
    another version wrote a row or it is shorter than it says.
    """
    if (kernel := compiled("reading")) is not None:
        found: list[UserRead[C, I] | None] | None = kernel.users(
            list(values), list(at_least_ms), ROW_VERSION, *WEIGHING, *wanted
        )
        if found is not None:
            return found
    return [
        None if value is None else _read_user(value, at_ms, wanted)
        for value, at_ms in zip(values, at_least_ms, strict=True)
    ]


def _read_user(value: bytes, at_least_ms: int, wanted: Wanted[C, I]) -> UserRead[C, I]:
    head = user_head(value)
    at_ms = max(at_least_ms, head.last_ms)
    counts = wanted.counts(head.views, head.likes, head.shares, head.repeats, head.late)
    return head.account, head.flags, at_ms, head.last_ms, counts, _top(value, _decays(head, at_ms), wanted)


def _decays(head: UserHead, at_ms: int) -> tuple[float, float]:
    """What the row's fast and slow weights are multiplied by to be those at `at_ms`."""
    fast_half_life_ms, slow_half_life_ms = _HALF_LIVES_MS
    return _BASE ** (head.fast_epoch - at_ms / fast_half_life_ms), _BASE ** (
        head.slow_epoch - at_ms / slow_half_life_ms
    )


def _top(value: bytes, now: tuple[float, float], wanted: Wanted[C, I]) -> list[I]:
    fast_now, slow_now = now
    try:
        row = UserRow.decode(value)
    except struct.error as error:
        raise _too_short(value, "interests") from error
    positive = {topic: (fast * fast_now, slow * slow_now) for topic, fast, slow in row.positive}
    negative = {topic: slow * slow_now for topic, slow in row.negative}
    scored = []
    for topic in positive.keys() | negative.keys():
        fast, slow = positive.get(topic, (0.0, 0.0))
        bad = negative.get(topic, 0.0)
        scored.append((-(FAST_SHARE * fast + SLOW_SHARE * slow - NEGATIVE_SHARE * bad), topic, fast, slow, bad))
    scored.sort()
    return [
        wanted.interest(*wanted.names.get(topic, UNNAMED), topic, -minus, fast, slow, bad)
        for minus, topic, fast, slow, bad in scored[: wanted.limit]
    ]


def _too_short(value: bytes, table: str) -> RowVersionError:
    return RowVersionError(f"{table}: a row of {len(value)} bytes is shorter than it says")


def read_videos(
    names: Sequence[bytes], keys_of: KeysOf, rows: dict[bytes, bytes], counted: Callable[[int, int, int], C]
) -> list[VideoRead[C] | None]:
    """The rows of each video put together, None if it has none. Regions ascending; O(regions) a video.

    `counted(views, likes, shares)` makes the totals. RowVersionError if another version wrote a row of counts or it is
    cut; that of the facts is not looked at.
    """
    if (kernel := compiled("reading")) is not None:
        found: list[VideoRead[C] | None] | None = kernel.videos(
            list(names), keys_of, rows, ROW_VERSION, COUNTER_HEADER.size, counted
        )
        if found is not None:
            return found
    return [_read_video(name, keys_of.get(name), rows, counted) for name in names]


def _read_video(
    name: bytes, keys: tuple[bytes, ...] | None, rows: dict[bytes, bytes], counted: Callable[[int, int, int], C]
) -> VideoRead[C] | None:
    if keys is None:
        return None
    at = len(name) + 1
    facts = rows[keys[0]] if len(keys[0]) == at else None
    totals = {key[at:].decode(): totals_of(rows[key]) for key in keys if len(key) > at}
    views, likes, shares = (sum(column) for column in zip((0, 0, 0), *totals.values(), strict=True))
    return facts, counted(views, likes, shares), {region: counted(*counts) for region, counts in totals.items()}


def totals_of(value: bytes) -> Counts:
    """Lifetime totals of a counter row. RowVersionError if another version wrote it or it ends before them."""
    check_version(value, "counters")
    try:
        views, likes, shares = _TOTALS[value[1] >> 4].unpack_from(value, COUNTER_HEADER.size)
    except (IndexError, struct.error) as error:
        raise _too_short(value, "counters") from error
    return views, likes, shares


def facts_of(value: bytes, decode: Callable[[memoryview], F]) -> F:
    """What `decode` makes of a row of facts behind its version. RowVersionError if it is of another one, or cut."""
    check_version(value, "videos-table")
    try:
        return decode(memoryview(value)[1:])
    except msgspec.DecodeError as error:
        raise RowVersionError(f"videos-table: a row of {len(value)} bytes cannot be read: {error}") from error


def check_version(value: bytes, table: str) -> None:
    """RowVersionError if another version wrote the row."""
    found = value[0] if value else "nothing"
    if found != ROW_VERSION:
        raise RowVersionError(f"{table}: row version {found}, can read {ROW_VERSION}: run the version that wrote it")
