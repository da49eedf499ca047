"""The compiled kernels of the user stage against the numpy versions: the same bytes, however the history is cut."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import compiled as kernels
from streams.core.compiled import compiled
from streams.core.events import VideoFacts
from streams.core.interests import cells, image, weigh
from streams.core.interests.columns import COUNTS, UserColumns
from streams.core.interests.contents import Contents
from streams.core.params import FAST_HALF_LIFE_MS
from streams.core.rows import USER_HEADER, RowVersionError, UserRow
from streams.testing.user_world import START_MS, FakeCatalogue, Step, Worlds
from tests.core.user_runs import Run, run

pytestmark = pytest.mark.compiled
USERS, VIDEOS = 3, 40
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def _kernels_on() -> Iterator[None]:
    yield
    kernels.switch(on=True)


def kernel(name: str) -> ModuleType:
    kernels.switch(on=True)
    found = compiled(name)
    assert found is not None, f"kernel {name} was not built: run `make setup` with a C compiler"
    return found


def both(make: Callable[[], object]) -> tuple[object, object]:
    """What `make` returns with the kernels and without."""
    kernels.switch(on=True)
    fast = make()
    kernels.switch(on=False)
    plain = make()
    kernels.switch(on=True)
    return fast, plain


def written(result: Run) -> object:
    """Rows, messages and rejections of each flush."""
    return result.rows.tables, [(output.sends, output.rejected) for output in result.outputs]


def cut_and_run(steps: list[Step], seed: int, most: int) -> object:
    return written(run(steps, seed=seed, most=most, trouble=0.2))


WORLDS = [
    pytest.param(Worlds(11), id="minutes"),
    pytest.param(Worlds(12, users=2, tags=60, step_ms=1000), id="many-topics"),
    pytest.param(Worlds(13, users=3, step_ms=20 * 86_400_000, unknown=0.0), id="years"),
    pytest.param(Worlds(14, users=200, videos=200, run=200), id="wide"),
]


@pytest.mark.parametrize("world", WORLDS)
def test_the_same_rows_and_messages_as_without_kernels(world: Worlds) -> None:
    kernel("interests")
    steps = world.history(900)
    for seed, most in enumerate((1, 9, 400)):
        fast, plain = both(partial(cut_and_run, steps, seed, most))
        assert fast == plain


@given(st.integers(0, 10_000), st.integers(1, 80), st.sampled_from([1_000, 600_000, 40_000_000]))
@settings(max_examples=25, deadline=None)
def test_the_same_for_any_small_history(seed: int, most: int, step_ms: int) -> None:
    steps = Worlds(seed, users=3, videos=8, tags=80, step_ms=step_ms, run=12).history(120)
    fast, plain = both(lambda: written(run(steps, seed=seed, most=most, trouble=0.2)))
    assert fast == plain


def contents() -> Contents:
    """Videos of 4 to 11 topics, some of them twice in one video."""
    catalogue = FakeCatalogue()
    table = Contents(catalogue, 4)
    for video in range(VIDEOS):
        tags = tuple(f"t{(video * 7 + i * i) % 60}" for i in range(video % 8))
        facts = VideoFacts(f"c{video % 5}", f"s{video % 9}", tags, f"g{video % 3}", 20_000, "de", 0)
        catalogue.learn(f"v{video}", facts)
        assert table[f"v{video}"] == video
    table.refresh()
    return table


events = st.lists(
    st.tuples(
        st.integers(0, USERS - 1),
        st.integers(0, VIDEOS - 1),
        st.sampled_from([0, 1, 5, 8 * HOUR_MS - 1, 8 * HOUR_MS, 400 * HOUR_MS, 9_000 * HOUR_MS]).map(START_MS.__add__),
        st.one_of(
            st.sampled_from([1.0, -1.0, -0.5, 0.62, 1e-16, -1e-16]),
            st.floats(-1.1, 1.1).filter(lambda weight: weight != 0),
        ),
        st.booleans(),
    ),
    max_size=150,
)  # fmt: skip


def bytes_after(rows: list[tuple[int, int, int, float, bool]], cuts: list[int]) -> list[bytes]:
    columns, table = UserColumns(), contents()
    places = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    for a, b in pairwise(places):
        weigh.fold(columns, table, weigh.weighed(rows[a:b]))
    return image.encode(columns, np.arange(USERS))


@given(events, st.lists(st.integers(0, 150), max_size=6))
@settings(max_examples=150, deadline=None)
def test_weights_have_the_same_bits(rows: list[tuple[int, int, int, float, bool]], cuts: list[int]) -> None:
    rows = [(user, video, at_ms, weight, undo and weight < 0) for user, video, at_ms, weight, undo in rows]
    kernel("interests")
    fast, plain = both(lambda: bytes_after(rows, cuts))
    assert fast == plain
    assert fast == bytes_after(rows, [])


def test_decayed_to_below_the_normal_floats() -> None:
    later_ms = 140 * FAST_HALF_LIFE_MS
    rows = [(0, video, START_MS + later_ms * (video == VIDEOS - 1), 0.9, False) for video in range(VIDEOS)]
    fast, plain = both(lambda: bytes_after(rows, []))
    assert fast == plain
    weights = [weight for _, weight, _ in UserRow.decode(bytes_after(rows, [])[0]).positive]
    assert any(0 < weight < 2.0**-126 for weight in weights)


def test_rows_come_back_as_they_were_written() -> None:
    kernel("image")
    result = run(Worlds(15, users=30, tags=60, videos=90, step_ms=60_000).history(2000), most=300)
    rows = list(result.rows.tables["interests"].values())

    def again() -> object:
        columns, slots = UserColumns(), np.arange(len(rows))
        image.decode(columns, slots, rows)
        lists = columns.positive, columns.negative
        fields = [getattr(columns, name).tolist() for name in ("flags", "account", *COUNTS, "last_ms", "seen")]
        return image.encode(columns, slots), fields, [(t.topic.tolist(), t.size.tolist()) for t in lists]

    fast, plain = both(again)
    assert fast == plain
    assert isinstance(fast, tuple)
    assert fast[0] == rows


@pytest.mark.parametrize("cut", [1, USER_HEADER.size - 1, USER_HEADER.size, -4])
def test_a_damaged_row_is_refused(cut: int) -> None:
    kernel("image")
    row = UserRow(view_ids=[1, 2], seen=[3, 4], positive=[(5, 1.0, 1.0)], views=2).encode()
    with pytest.raises(ValueError, match="header"):
        image.decode(UserColumns(), np.arange(1), [row[:cut]])
    with pytest.raises(RowVersionError, match="version 9"):
        image.decode(UserColumns(), np.arange(1), [b"\x09" + row[1:]])


@pytest.mark.parametrize("place", [3, 4, 5, 6])
def test_a_row_that_claims_more_than_a_list_holds_is_refused(place: int) -> None:
    kernel("image")
    row = bytearray(UserRow().encode())
    row[place] = 255
    with pytest.raises(ValueError, match="header"):
        image.decode(UserColumns(), np.arange(1), [bytes(row) + b"\x00" * 255 * (8, 4, 12, 8)[place - 3]])


changes = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 2), st.sampled_from([5, 6, 7, 28_000_000, 3 << 30]), st.integers(0, 2))
)


@given(changes)
@settings(deadline=None)
def test_cells_add_up_to_the_same(entries: list[tuple[int, int, int, int]]) -> None:
    kernel("cells")

    def summed() -> object:
        table = cells.Cells(0, 4)
        for video, region, code, kind in entries:
            one = np.array([video]), np.array([region]), np.array([code])
            if kind:
                table.add_changes(*one, kind, np.array([1 if code % 2 else -1]))  # type: ignore[arg-type]
            else:
                table.add_views(*one)
        sums = table._summed()
        return [column.tolist() for column in sums]

    if entries:
        fast, plain = both(summed)
        assert fast == plain
