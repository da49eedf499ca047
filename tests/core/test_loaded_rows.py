"""Stored rows come into memory the same with the kernel and without it, whatever their bytes are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.counters import Counters
from streams.core.rows import CounterRow
from streams.testing.counter_world import MemoryRows
from tests.core.kernels import version
from tests.core.test_counters import ROWS, TOP, names

CELLS = st.lists(st.tuples(st.integers(0, 5), st.integers(-400, 20)), max_size=60)


def loaded(values: list[bytes | None], more: list[tuple[int, int]]) -> object:
    """What the rows hold, before and after more cells were added, and who was refused."""
    counters = Counters("trends", MemoryRows())
    try:
        slots = counters.load(names(len(values)), values)
    except ValueError as error:
        return type(error), str(error)
    found = [column.tolist() for column in counters.cells(slots)], counters.encode(slots)
    counters.tick += 1
    for which, age in more:
        if which < len(slots):
            counters.add(slots[[which]], np.array([TOP + age]), np.ones((1, 3), np.int64))
    counters.apply()
    return found, counters.encode(slots)


def refusal(value: bytes) -> object:
    """Why a row is not taken; None: it is."""
    try:
        Counters("trends", MemoryRows()).load(names(1), [value])
    except ValueError as error:
        return type(error), str(error)
    return None


@given(st.lists(ROWS | st.none(), min_size=1, max_size=6), CELLS)
@settings(deadline=None)
def test_rows_are_loaded_alike(rows: list[CounterRow | None], more: list[tuple[int, int]]) -> None:
    values = [None if row is None else row.encode() for row in rows]
    with_kernel = loaded(values, more)
    with version(kernels=False):
        assert loaded(values, more) == with_kernel


@given(ROWS, st.data())
@settings(max_examples=500, deadline=None)
def test_damaged_rows_are_refused_alike(row: CounterRow, data: st.DataObject) -> None:
    """A row that fits its own header is taken; what it says is what its writer meant."""
    value = bytearray(row.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, 3))] = data.draw(st.integers(0, 255))
    value = value[: data.draw(st.sampled_from([len(value), len(value) - 1, 16, 15, 0]))]
    with_kernel = refusal(bytes(value))
    with version(kernels=False):
        assert refusal(bytes(value)) == with_kernel
