"""Columns of counters: bytes equal to the row codec, cells equal to dictionaries, slots used again."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.counters import Counters
from streams.core.counters.cells import Cells
from streams.core.counters.ragged import decode, encode
from streams.core.panes import TOTAL_ONLY
from streams.core.rows import CounterRow, Counts, RowVersionError
from streams.testing.counter_world import MemoryRows
from streams.testing.naive_counters import NaiveCounter
from tests.core.kernels import each_version  # noqa: F401 - runs everything here twice

SIZES = [st.integers(0, 3), st.integers(0, 300), st.integers(0, 70_000), st.integers(0, 2**62)]
COUNTS = st.one_of([st.tuples(size, size, size) for size in SIZES])
TOP = 29_000_000


def panes(top: int, width: int) -> st.SearchStrategy[dict[int, Counts]]:
    ages = st.integers(0, width - 1)
    cells = st.dictionaries(ages, COUNTS.filter(any), max_size=9) | st.just(dict.fromkeys(range(width), (1, 2, 3)))
    return cells.map(lambda found: {top - age: counts for age, counts in found.items()})


ROWS = st.builds(
    CounterRow, COUNTS, st.just(TOP), st.just(TOP // 60), panes(TOP, 120), panes(TOP // 60, 336)
) | st.builds(CounterRow, COUNTS)  # fmt: skip


def names(count: int) -> list[bytes]:
    return [b"t%d\x00de" % i for i in range(count)]


@given(st.lists(ROWS, max_size=12))
@settings(deadline=None)
def test_rows_in_bulk_are_byte_equal_to_rows_one_by_one(rows: list[CounterRow]) -> None:
    values = [row.encode() for row in rows]
    assert encode(decode(values)) == values
    counters = Counters("trends", MemoryRows({"trends": dict(zip(names(len(rows)), values, strict=True))}))
    assert counters.encode(counters.slots(names(len(rows)))) == values
    assert counters.take_dirty() == ([], [])


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda value: b"\x02" + value[1:], RowVersionError),
        (lambda value: value[:10], ValueError),
        (lambda value: value[:-1], ValueError),
        (lambda value: value + b"x", ValueError),
        (lambda value: value[:1] + b"\x44" + value[2:], ValueError),
    ],
)
def test_what_is_no_counter_row_is_refused(spoil: Callable[[bytes], bytes], error: type[ValueError]) -> None:
    value = CounterRow((1, 2, 3), 5, 6, {5: (1, 0, 0)}, {6: (1, 0, 0)}).encode()
    with pytest.raises(error):
        decode([value, spoil(value)])
    with pytest.raises(error):
        Counters("trends", MemoryRows()).load(names(3), [value, None, spoil(value)])


CELLS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(TOP, TOP + 20_000), st.tuples(*[st.integers(0, 5)] * 3)), max_size=80
)


@given(st.lists(CELLS, max_size=4), st.integers(0, 6))
@settings(deadline=None)
def test_cells_add_up_like_dictionaries_and_survive_eviction(batches: list[list[tuple[int, int, Counts]]],
                                                             evicted: int) -> None:  # fmt: skip
    rows, naive = MemoryRows(), [NaiveCounter() for _ in range(6)]
    counters = Counters("trends", rows)
    for batch in batches:
        for which, code, counts in batch:
            naive[which].add(code, counts)
            slots = counters.slots([b"t%d\x00de" % which])
            counters.add(slots, np.array([code]), np.array([counts], np.int64))
        counters.apply()
        keys, values = counters.take_dirty()
        rows.tables.setdefault("trends", {}).update((k, v or b"") for k, v in zip(keys, values, strict=True))
        counters.evict(evicted)
    assert counters.encode(counters.slots(names(6))) == [counter.row.encode() for counter in naive]


def test_evicted_slots_are_used_again_least_recent_first() -> None:
    counters = Counters("trends", MemoryRows(), ("mark",))
    first = counters.slots([b"a"])
    counters.columns["mark"][first] = 5
    second = counters.slots([b"b"])
    counters.slots([b"a"])
    assert counters.evict(1).tolist() == second.tolist()
    assert counters.slots([b"c"]).tolist() == second.tolist()
    assert counters.columns["mark"][[0, 1]].tolist() == [5, -1]
    assert (counters.evict(5, np.ones(64, bool)).tolist(), len(counters)) == ([], 2)


def test_changed_rows_are_not_evicted() -> None:
    counters = Counters("trends", MemoryRows())
    counters.add(counters.slots([b"a"]), np.array([TOTAL_ONLY]), np.array([[1, 0, 0]]))
    assert counters.evict(1).tolist() == []
    assert counters.take_dirty() == ([b"a"], [CounterRow((1, 0, 0)).encode()])
    assert counters.evict(1).tolist() == [0]


@pytest.mark.parametrize("code", [TOTAL_ONLY, TOP])
def test_a_negative_count_is_a_programming_error(code: int) -> None:
    counters = Counters("trends", MemoryRows())
    with pytest.raises(ValueError, match="below zero"):
        _collected(counters, code)


def _collected(counters: Counters, code: int) -> None:
    counters.add(counters.slots([b"a"]), np.array([code]), np.array([[0, -1, 0]]))
    counters.apply()
    counters.take_dirty()


def test_windows_are_sums_of_their_panes() -> None:
    cells = Cells(120, (4, 128))
    cells.resize(2)
    cells.add(np.repeat([0, 1], [100, 3]), np.append(np.arange(1000, 1100), [1050, 1060, 1070]), np.ones((103, 3), int))
    assert cells.window(np.array([0, 1]), 1070, 20).tolist() == [[20, 20, 20], [2, 2, 2]]
    assert cells.window(np.array([1, 0]), 1200, 120).tolist() == [[0, 0, 0], [19, 19, 19]]


def test_the_largest_block_must_hold_the_horizon() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Cells(120, (4, 64))
