"""What answers show of rows equals what decoding all of them gives, with the kernel and without."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import compiled
from streams.core.keys import video_row_key
from streams.core.params import (
    FAST_HALF_LIFE_MS,
    FAST_SHARE,
    NEGATIVE_SHARE,
    SLOW_HALF_LIFE_MS,
    SLOW_SHARE,
)
from streams.core.reading import UserHead, Wanted, read_users, read_videos, totals_of, user_head
from streams.core.rows import CounterRow, FactsRow, RowVersionError, UserRow
from tests.core.reading_rows import NOW_MS, names, panes, totals, tuple_of, user_rows

NAMES = {number: ("tag", f"t{number}") for number in range(8)}


def naive(row: UserRow, at_least_ms: int, limit: int) -> tuple[Any, ...]:
    """From the decoded row, topic by topic."""
    at_ms = max(at_least_ms, row.last_ms)
    fast_now = 2.0 ** (row.fast_epoch - at_ms / FAST_HALF_LIFE_MS)
    slow_now = 2.0 ** (row.slow_epoch - at_ms / SLOW_HALF_LIFE_MS)
    weighed = {topic: [fast * fast_now, slow * slow_now, 0.0] for topic, fast, slow in row.positive}
    for topic, slow in row.negative:
        weighed.setdefault(topic, [0.0, 0.0, 0.0])[2] = slow * slow_now
    found = [
        (*NAMES.get(topic, (None, None)), topic, FAST_SHARE * fast + SLOW_SHARE * slow - NEGATIVE_SHARE * bad,
         fast, slow, bad)
        for topic, (fast, slow, bad) in weighed.items()
    ]  # fmt: skip
    found.sort(key=lambda one: (-one[3], one[2]))
    told = row.views, row.likes, row.shares, row.repeats, row.late
    return row.account, row.flags, at_ms, row.last_ms, told, found[:limit]


def both(read: Any, *arguments: Any) -> Any:
    """The kernel's answer, which must be that of the version in Python."""
    kernel = compiled.compiled("reading")
    assert kernel is not None
    found = read(*arguments)
    compiled.switch(on=False)
    try:
        assert repr(read(*arguments)) == repr(found)
    finally:
        compiled.switch(on=True)
    return found


@pytest.mark.compiled
@given(st.lists(st.tuples(st.none() | user_rows(), st.integers(0, 2 * 10**9)), max_size=4), st.integers(1, 100))
def test_users_are_read_as_their_decoded_rows(rows: list[tuple[UserRow | None, int]], limit: int) -> None:
    values = [None if row is None else row.encode() for row, _ in rows]
    at_least_ms = [NOW_MS + later_ms for _, later_ms in rows]
    decoded = [None if value is None else UserRow.decode(value) for value in values]
    expected = [
        None if row is None else naive(row, at_ms, limit) for row, at_ms in zip(decoded, at_least_ms, strict=True)
    ]
    found = both(read_users, values, at_least_ms, Wanted(limit, NAMES, tuple_of, tuple_of))
    assert repr(found) == repr(expected)


@given(user_rows())
def test_head(row: UserRow) -> None:
    head = user_head(row.encode())
    assert head == UserHead(**{name: getattr(row, name) for name in UserHead._fields})


@given(totals, panes)
def test_totals(counted: tuple[int, int, int], minutes: dict[int, tuple[int, int, int]]) -> None:
    assert totals_of(CounterRow(counted, 100, 0, minutes).encode()) == counted


@pytest.mark.compiled
@given(
    st.dictionaries(names, st.tuples(st.booleans(), st.dictionaries(names, st.tuples(totals, panes), max_size=4))),
    st.lists(names, max_size=3),
)
def test_videos_are_read_as_their_decoded_rows(videos: dict[str, tuple[bool, dict[str, Any]]], more: list[str]) -> None:
    rows, keys_of, expected = {}, {}, []
    asked = [*more, *videos, *more]
    facts = FactsRow(7, False, None).encode()
    for video, (has_facts, regions) in videos.items():
        made = {video_row_key(video, ""): facts} if has_facts else {}
        for name, (counted, minutes) in regions.items():
            made[video_row_key(video, name)] = CounterRow(counted, 100, 0, minutes).encode()
        rows.update(made)
        if made:
            keys_of[video.encode()] = tuple(sorted(made))
    for video in asked:
        has_facts, regions = videos.get(video, (False, {}))
        by_region = {name: regions[name][0] for name in sorted(regions)}
        sums = tuple(sum(one[i] for one in by_region.values()) for i in range(3))
        expected.append((facts if has_facts else None, sums, by_region) if has_facts or regions else None)
    found = both(read_videos, [video.encode() for video in asked], keys_of, rows, tuple_of)
    assert repr(found) == repr(expected)


def read_one(value: bytes) -> Any:
    return read_users([value], [0], Wanted(5, {}, tuple_of, tuple_of))


@pytest.mark.parametrize("on", [True, False])
def test_another_version_and_a_cut_row_are_refused(*, on: bool) -> None:
    user, counter = UserRow(positive=[(1, 2.0, 3.0)], negative=[(1, 2.0)]).encode(), CounterRow().encode()
    compiled.switch(on=on)
    try:
        for cut in [b"\x09" + user[1:], *(user[:size] for size in range(len(user)))]:
            with pytest.raises(RowVersionError):
                read_one(cut)
        for cut in [b"\x09" + counter[1:], *(counter[:size] for size in range(len(counter)))]:
            with pytest.raises(RowVersionError):
                totals_of(cut)
        with pytest.raises(RowVersionError):
            read_videos([b"v"], {b"v": (b"v\x00de",)}, {b"v\x00de": b"\x09" + counter[1:]}, tuple_of)
    finally:
        compiled.switch(on=True)
