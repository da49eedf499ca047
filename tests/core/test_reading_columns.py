"""Columns say, value for value, what reading the rows one by one says, with the kernel and without."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import compiled
from streams.core.events import VideoFacts
from streams.core.keys import video_row_key
from streams.core.reading import WEIGHING, Wanted, read_users, read_videos
from streams.core.reading_columns import VideoStatus, read_user_columns, read_video_columns, without
from streams.core.rows import COUNTER_HEADER, ROW_VERSION, CounterRow, FactsRow, RowVersionError, UserRow
from tests.core.kernels import version
from tests.core.reading_rows import NOW_MS, names, tuple_of, user_rows

texts = st.text(max_size=8) | st.sampled_from(["x" * size for size in (31, 32, 255, 256)])
offsets = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 127, 128, 2**16, 2**32])
facts_rows = st.builds(
    FactsRow, offsets, st.booleans(),
    st.none() | st.builds(
        VideoFacts, texts, texts, st.sampled_from([(), ("t",), ("t",) * 16]), texts,
        st.integers(0, 2**40), texts, st.integers(0, 2**60),
    ),
    st.lists(names, max_size=2),
)  # fmt: skip
totals = st.tuples(*[st.integers(0, 255) | st.integers(0, 2**40) | st.integers(0, 2**60)] * 3)
regions = st.dictionaries(names, totals, max_size=3)
videos = st.dictionaries(names, st.tuples(st.none() | facts_rows, regions), max_size=4)
Asked = tuple[list[bytes], dict[bytes, tuple[bytes, ...]], dict[bytes, bytes]]


def both(read: Callable[..., Any], *arguments: Any) -> Any:
    """The columns, which are the same bytes without the kernel."""
    found = read(*arguments)
    with version(kernels=False):
        plain = read(*arguments)
    for name, one, other in zip(found._fields, found, plain, strict=True):
        if isinstance(one, np.ndarray):
            assert (one.dtype, one.shape) == (other.dtype, other.shape), name
            assert one.tobytes() == other.tobytes(), name
        else:
            assert one == other, name
    return found


def interests(columns: Any, begin: int, end: int) -> list[tuple[Any, ...]]:
    """Those of one row, as `read_users` makes them with `tuple_of`."""
    listed = (column[begin:end].tolist() for column in columns[7:])
    return [(None, None, *one) for one in zip(*listed, strict=True)]


def as_read(columns: Any) -> list[tuple[Any, ...] | None]:
    """What `read_users` says in these words."""
    heads = zip(*(column.tolist() for column in columns[:6]), pairwise(columns.starts.tolist()), strict=True)
    return [
        (account, flags, at_ms, last_ms, tuple(counts), interests(columns, *cuts)) if found else None
        for found, account, flags, at_ms, last_ms, counts, cuts in heads
    ]


user_values = st.lists(st.none() | user_rows().map(UserRow.encode), max_size=5)
limits = st.integers(0, 600) | st.integers(0, 20)


@given(user_values, st.data(), limits)
def test_users(values: list[bytes | None], data: st.DataObject, limit: int) -> None:
    since_ms = [NOW_MS + data.draw(st.integers(-(10**9), 2 * 10**9)) for _ in values]
    expected = read_users(values, since_ms, Wanted(limit, {}, tuple_of, tuple_of))
    assert repr(as_read(both(read_user_columns, values, since_ms, limit))) == repr(expected)


def test_equal_scores_come_by_hash_whatever_the_limit() -> None:
    rng = random.Random(5)
    for _ in range(50):
        topics = rng.sample(range(2**32), 255)
        row = UserRow(positive=[(topic, rng.choice([0.0, 1.0, 2.0]), 0.0) for topic in topics]).encode()
        limit = rng.randrange(1, 300)
        expected = read_users([row], [0], Wanted(limit, {}, tuple_of, tuple_of))
        found = both(read_user_columns, [row], [0], limit)
        assert repr(as_read(found)) == repr(expected)
        order = list(zip((-found.scores).tolist(), found.topics.tolist(), strict=True))
        assert order == sorted(order)
        assert len(order) == min(limit, 255)


@given(user_values, st.data())
def test_without_some_is_as_if_they_had_no_row(values: list[bytes | None], data: st.DataObject) -> None:
    hidden = [data.draw(st.booleans()) for _ in values]
    since_ms = [NOW_MS] * len(values)
    shown = [None if hide else value for value, hide in zip(values, hidden, strict=True)]
    found: Any = without(read_user_columns(values, since_ms, 20), np.array(hidden, np.bool_))
    expected: Any = read_user_columns(shown, since_ms, 20)
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape, one.tolist()) == (other.dtype, other.shape, other.tolist())


def rows_of(made_of: dict[str, Any], names_asked: list[str]) -> Asked:
    rows, keys_of = {}, {}
    for video, (facts, counted) in made_of.items():
        made = {video_row_key(video, region): CounterRow(counts).encode() for region, counts in counted.items()}
        if facts is not None:
            made[video_row_key(video, "")] = facts.encode()
        if made:
            keys_of[video.encode()] = tuple(sorted(made))
        rows.update(made)
    return [video.encode() for video in names_asked], keys_of, rows


def status_of(facts: FactsRow | None, there: bool) -> VideoStatus:
    if facts is None:
        return VideoStatus.NO_FACTS if there else VideoStatus.UNKNOWN
    if facts.facts is None:
        return VideoStatus.REMOVED
    return VideoStatus.LIVE if facts.live else VideoStatus.NOT_LIVE


@given(videos, st.lists(names, max_size=2), st.integers(0, 12))
def test_videos(made: dict[str, Any], more: list[str], times: int) -> None:
    asked = rows_of(made, [*more, *made] * times)
    columns = both(read_video_columns, *asked)
    found: list[Any] = []
    for number, (begin, end) in enumerate(pairwise(columns.starts.tolist())):
        listed = [columns.regions[region] for region in columns.region[begin:end]]
        counts = map(tuple, columns.by_region[begin:end].tolist())
        one = columns.facts[number], tuple(columns.totals[number].tolist()), dict(zip(listed, counts, strict=True))
        found.append(one if columns.status[number] != VideoStatus.UNKNOWN else None)
    assert found == read_videos(*asked, tuple_of)
    assert [list(one[2]) for one in found if one] == [sorted(one[2], key=str.encode) for one in found if one]
    told = [made.get(name.decode(), (None, {})) for name in asked[0]]
    assert columns.status.tolist() == [status_of(facts, bool(facts or counted)) for facts, counted in told]
    assert sorted(columns.regions) == sorted({region for one in found if one for region in one[2]})


@pytest.mark.compiled
@given(user_values, videos)
def test_the_kernel_reads_all_that_is_written(values: list[bytes | None], made: dict[str, Any]) -> None:
    kernel = compiled.compiled("reading_columns")
    assert kernel is not None
    since_ms = np.full(len(values), NOW_MS)
    assert kernel.users(values, since_ms, ROW_VERSION, *WEIGHING, 20) is not None
    assert kernel.videos(*rows_of(made, list(made)), ROW_VERSION, COUNTER_HEADER.size) is not None


@pytest.mark.compiled
@pytest.mark.parametrize("size", [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_the_kernel_finds_its_way_through_facts_of_any_size(size: int) -> None:
    facts = VideoFacts("x" * size, "s", ("t" * size, *["t"] * size), "g", 9, "en", 0)
    row = FactsRow(size, True, facts, ["de"] * size).encode()
    kernel = compiled.compiled("reading_columns")
    assert kernel is not None
    for value, there in [(row, True), (row[:-1], False), (row + b"x", False)]:
        found = kernel.videos([b"v"], {b"v": (b"v\x00",)}, {b"v\x00": value}, ROW_VERSION, COUNTER_HEADER.size)
        assert (found is not None) == there
    assert read_facts(row).status.tolist() == [VideoStatus.LIVE]


def outcome(read: Callable[..., Any], *arguments: Any) -> str:
    """What it says, or the error."""
    try:
        return repr(read(*arguments))
    except RowVersionError as error:
        return repr(error)


FACTS = FactsRow(300, True, VideoFacts("c", "s", ("t",) * 17, "g" * 40, 9_000, "en", NOW_MS), ["de"]).encode()


def read_facts(row: bytes) -> Any:
    return read_video_columns([b"v"], {b"v": (b"v\x00",)}, {b"v\x00": row})


def read_counts(row: bytes) -> Any:
    return read_video_columns([b"v"], {b"v": (b"v\x00de",)}, {b"v\x00de": row})


def test_a_damaged_row_of_facts_says_the_same_with_the_kernel_and_without() -> None:
    rng, refused = random.Random(3), 0
    for _ in range(3_000):
        at = rng.randrange(len(FACTS))
        row = FACTS[:at] + bytes([rng.randrange(256)]) + FACTS[at + 1 :]
        found = outcome(read_facts, row)
        with version(kernels=False):
            assert outcome(read_facts, row) == found
        refused += found.startswith("RowVersionError")
    assert 300 < refused < 2_700


@pytest.mark.parametrize("kernels", [True, False])
def test_another_version_and_a_cut_row_are_refused_as_they_are_without_columns(*, kernels: bool) -> None:
    user, counter = UserRow(positive=[(1, 2.0, 3.0)], negative=[(1, 2.0)]).encode(), CounterRow((1, 2, 3)).encode()
    with version(kernels=kernels):
        for cut in [b"\x09" + user[1:], *(user[:size] for size in range(len(user)))]:
            as_structs = outcome(read_users, [cut], [0], Wanted(5, {}, tuple_of, tuple_of))
            assert as_structs.startswith("RowVersionError")
            assert outcome(read_user_columns, [user, cut], [0, 0], 5) == as_structs
        for cut in [b"\x09" + counter[1:], *(counter[:size] for size in range(len(counter)))]:
            as_structs = outcome(read_videos, [b"v"], {b"v": (b"v\x00de",)}, {b"v\x00de": cut}, tuple_of)
            assert as_structs.startswith("RowVersionError")
            assert outcome(read_counts, cut) == as_structs
        for cut in [b"\x09" + FACTS[1:], FACTS + b"\x00", *(FACTS[:size] for size in range(len(FACTS)))]:
            with pytest.raises(RowVersionError):
                read_facts(cut)


@pytest.mark.parametrize("kernels", [True, False])
def test_sums_beyond_64_bits_are_refused(*, kernels: bool) -> None:
    rows = {b"v\x00a": CounterRow((2**64 - 1, 0, 0)).encode(), b"v\x00b": CounterRow((1, 0, 0)).encode()}
    with version(kernels=kernels), pytest.raises(OverflowError):
        read_video_columns([b"v"], {b"v": tuple(rows)}, rows)


@pytest.mark.parametrize("kernels", [True, False])
def test_lengths_that_differ_and_a_negative_limit_are_refused(*, kernels: bool) -> None:
    with version(kernels=kernels):
        for values, since_ms, limit in [([None], [], 5), ([], [1], 5), ([None], [1], -1)]:
            with pytest.raises(ValueError, match="at most"):
                read_user_columns(values, since_ms, limit)
