"""Rows in the order of their keys: the kernel's is that of `sorted`, whatever the keys have in common."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.compiled import compiled

pytestmark = pytest.mark.compiled
kernel: Any = compiled("row_order")

KEY = st.binary(max_size=3) | st.binary(max_size=20) | st.text("\x00ab", max_size=12).map(str.encode)
ROWS = st.dictionaries(KEY, st.none() | st.binary(max_size=9), max_size=40)


@given(before=st.binary(max_size=9), rows=ROWS, at_once=st.integers(1, 7))
def test_parts_are_the_sorted_rows(before: bytes, rows: dict[bytes, bytes | None], at_once: int) -> None:
    rows = {before + key: value for key, value in rows.items()}
    ordered = kernel.Ordered(rows, b"\x07")
    assert len(ordered) == len(rows)
    found = [ordered.part(at, at + at_once) for at in range(0, len(rows), at_once)]
    assert [row for part in found for row in part] == [(b"\x07" + key, rows[key]) for key in sorted(rows)]


def test_a_million_bytes_of_common_keys() -> None:
    rows: dict[bytes, bytes | None] = {
        b"%s%05d" % (b"x" * 100, number * 7919 % 10_000): b"" for number in range(10_000)
    }
    assert [key for key, _ in kernel.Ordered(rows, b"").part(0, 10_000)] == sorted(rows)


def test_rows_are_kept_alive() -> None:
    rows: dict[bytes, bytes | None] = {b"%d" % number: b"%d" % (number * 2) for number in range(1_000)}
    expected = sorted(rows.items())
    ordered = kernel.Ordered(rows, b"")
    rows.clear()
    assert ordered.part(0, 2_000) == expected


def test_keys_are_bytes() -> None:
    with pytest.raises(TypeError):
        kernel.Ordered({"text": b""}, b"")
    with pytest.raises(ValueError, match="no such row"):
        kernel.Ordered({}, b"").part(-1, 1)
