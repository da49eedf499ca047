"""Tallies survive packing, chunks are complete, and nothing but a tally is read as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.panes import PANE_MASK, TOTAL_ONLY
from streams.core.tallies import Tally, empty, pack, unpack
from tests.core.kernels import each_version  # noqa: F401 - runs everything here twice

PARTS = st.text(st.characters(exclude_characters="\x00\x01", exclude_categories=["Cs"]), min_size=1, max_size=5)
NAMES = st.tuples(PARTS, PARTS).map(lambda parts: "\x00".join(parts).encode())
CODES = st.one_of(st.integers(29_000_000, 29_001_500), st.integers(0, PANE_MASK), st.just(TOTAL_ONLY))
COUNTS = st.tuples(*[st.integers(-(2**62), 2**62) | st.integers(-3, 3)] * 3)
TABLES = st.dictionaries(NAMES, st.dictionaries(CODES, COUNTS, min_size=1, max_size=4), max_size=8)
Table = dict[bytes, dict[int, tuple[int, int, int]]]


def tally_of(table: Table) -> Tally:
    cells = [(code, counts) for name in sorted(table) for code, counts in sorted(table[name].items())]
    return Tally(
        7, 1 << 40, 1 << 42, sorted(table), np.array([len(table[name]) for name in sorted(table)], np.int64),
        np.array([code for code, _ in cells], np.int64),
        np.array([counts for _, counts in cells], np.int64).reshape(-1, 3),
    )  # fmt: skip


def table_of(tally: Tally) -> Table:
    names = [name for name, n in zip(tally.names, tally.per_name.tolist(), strict=True) for _ in range(n)]
    found: Table = {}
    for name, code, counts in zip(names, tally.codes.tolist(), tally.counts.tolist(), strict=True):
        found.setdefault(name, {})[code] = tuple(counts)
    return found


@given(TABLES, st.integers(60, 400))
def test_unpack_is_the_reverse_of_pack_in_any_chunks(table: Table, limit_bytes: int) -> None:
    chunks = pack(tally_of(table), limit_bytes)
    parts = [unpack(chunk) for chunk in chunks]
    assert {(part.origin, part.flush, part.watermark_ms) for part in parts} == {(7, 1 << 40, 1 << 42)}
    assert [name for part in parts for name in part.names] == sorted(table)
    assert {k: v for part in parts for k, v in table_of(part).items()} == table
    assert all(len(chunk) <= limit_bytes or len(part.names) == 1 for chunk, part in zip(chunks, parts, strict=True))


def test_names_keep_their_order() -> None:
    names = [b"b\x00x", b"c\x00x", b"a\x00x"]
    codes, counts = np.array([5, 6, 7], np.int64), np.array([[1, 0, 0], [2, 0, 0], [3, 0, 0]], np.int64)
    (packed,) = pack(Tally(0, 1, 2, names, np.ones(3, np.int64), codes, counts))
    found = unpack(packed)
    assert (found.names, found.codes.tolist(), found.counts[:, 0].tolist()) == (names, [5, 6, 7], [1, 2, 3])


def test_an_empty_tally_is_one_message_with_the_watermark() -> None:
    (only,) = pack(empty(3, 4, 5))
    assert unpack(only)[:4] == (3, 4, 5, [])


def test_small_numbers_take_small_columns() -> None:
    names = [b"video%04d\x00de" % i for i in range(1000)]
    codes = np.full(1000, 29_000_000, np.int64)
    (packed,) = pack(Tally(0, 1, 2, names, np.ones(1000, np.int64), codes, np.ones((1000, 3), np.int64)))
    assert len(packed) < 1000 * (13 + 5) + 100


@given(TABLES, st.data())
@settings(max_examples=300)
def test_damage_is_refused_or_gives_a_well_formed_tally(table: Table, data: st.DataObject) -> None:
    value = bytearray(pack(tally_of(table), 1 << 20)[0])
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    found = _tally_or_reason(bytes(value))
    if isinstance(found, str):
        assert "tally" in found
    else:
        assert len(found.names) == len(set(found.names))
        assert table_of(found) == table_of(unpack(pack(found)[0]))


def _tally_or_reason(value: bytes) -> Tally | str:
    try:
        return unpack(value)
    except ValueError as error:
        return str(error)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="tally"):
        unpack(value)


@pytest.mark.parametrize(
    ("names", "per_name", "codes", "reason"),
    [
        ([b"a"], [1], [5], "NUL"),
        ([b"a\x00b\x00c"], [1], [5], "NUL"),
        ([b"\x00b"], [1], [5], "empty"),
        ([b"a\x00"], [1], [5], "empty"),
        ([b"a\x00x", b"b\x00x", b"a\x00x"], [1, 1, 1], [5, 5, 5], "twice"),
        ([b"\xff\x00x"], [1], [5], "UTF-8"),
        ([b"a\x00x"], [2], [6, 5], "ascend inside"),
        ([b"a\x00x"], [2], [5, 5], "ascend inside"),
        ([b"a\x00x"], [2], [5], "add up"),
        ([b"a\x00x"], [1], [TOTAL_ONLY + 1], "range"),
        ([b"a\x00x"], [1], [-1], "range"),
    ],
)
def test_malformed_tallies_are_named(names: list[bytes], per_name: list[int], codes: list[int], reason: str) -> None:
    counts = np.ones((len(codes), 3), np.int64)
    tally = Tally(0, 1, 2, names, np.array(per_name), np.array(codes, np.int64), counts)
    with pytest.raises(ValueError, match=reason):
        unpack(_forced(tally))


def _forced(tally: Tally) -> bytes:
    """Packs what `pack` may refuse: the base is moved into range and back."""
    if tally.codes.min() >= 0:
        return pack(tally)[0]
    value = bytearray(pack(tally._replace(codes=tally.codes + 1))[0])
    value[24:32] = (-1).to_bytes(8, "little", signed=True)
    return bytes(value)


def test_another_version_and_truncation_are_named() -> None:
    (value,) = pack(empty(0, 1, 2))
    with pytest.raises(ValueError, match="version 9"):
        unpack(b"\x09" + value[1:])
    with pytest.raises(ValueError, match="shorter"):
        unpack(value[:-1])
    with pytest.raises(ValueError, match="should have"):
        unpack(value + b"x")
