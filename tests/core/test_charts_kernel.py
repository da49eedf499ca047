"""The kernel of charts gives the order and the bytes of the numpy version."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import charts, charts_panel, compiled
from streams.core.counters.cells import Cells
from streams.core.params import CHART_SIZE
from streams.core.published import ChartEntry

pytestmark = pytest.mark.compiled


@pytest.fixture(autouse=True)
def _with_kernels() -> Iterator[None]:
    yield
    compiled.switch(on=True)


IDS = st.one_of(st.text("ab", max_size=12), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4))


@given(
    rows=st.lists(st.tuples(IDS, st.integers(0, 4)), max_size=400, unique_by=lambda row: row),
    top=st.sampled_from([3, 1 << 40]),
    seed=st.integers(0, 1 << 32),
)
def test_order_and_bytes_are_the_same(rows: list[tuple[str, int]], top: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = charts_panel.Ids()
    ids.rename([b"v" + name.encode() + b"\0" + b"%d" % chart for name, chart in rows])
    numbers = np.array([chart for _, chart in rows], np.int64)
    panel = charts_panel.Panel("1h", 60)
    panel.sums = rng.integers(0, top, (len(rows), 3))
    panel.scores = rng.integers(0, top, len(rows))
    wanted = rng.random(5) < 0.8
    assert compiled.compiled("charts") is not None
    found, sizes = charts_panel._best(panel.scores, numbers, wanted, ids)
    json = charts._encode(panel.entries(found, ids))
    compiled.switch(on=False)
    plain, plain_sizes = charts_panel._best(panel.scores, numbers, wanted, ids)
    entries = panel.entries(plain, ids)
    compiled.switch(on=True)
    assert found.tolist() == plain.tolist()
    assert sizes.tolist() == plain_sizes.tolist()
    scored = [(-int(score), *row, i) for i, (row, score) in enumerate(zip(rows, panel.scores, strict=True)) if score]
    by_hand = [
        sorted((score, name.encode(), i) for score, name, of, i in scored if of == chart)
        for chart in np.flatnonzero(wanted).tolist()
    ]
    assert found.tolist() == [i for chart in by_hand for _, _, i in chart[:CHART_SIZE]]
    assert json == charts._encode(entries)
    assert all(isinstance(entry, ChartEntry) for entry in entries)


def test_a_name_without_a_scope_is_refused() -> None:
    kernel = compiled.compiled("charts")
    assert kernel is not None
    with pytest.raises(ValueError, match="without a scope"):
        kernel.entries(np.zeros(1, np.int64), np.ones(1, np.int64), np.ones((1, 3), np.int64), [b"vx"])


@given(
    cells=st.lists(st.tuples(st.integers(0, 5), st.integers(900, 1100)), max_size=300, unique=True),
    ends=st.lists(st.integers(890, 1250), min_size=1, max_size=4),
    width=st.integers(1, 120),
)
def test_windows_are_summed_up_alike(cells: list[tuple[int, int]], ends: list[int], width: int) -> None:
    found = Cells(120, (1, 4, 128))
    found.resize(6)
    slots, panes = np.array(sorted(cells), np.int64).reshape(-1, 2).T
    found.add(slots, panes, np.arange(3 * len(slots)).reshape(-1, 3))
    panel, twin = charts_panel.Panel("1h", width), charts_panel.Panel("1h", width)
    assert compiled.compiled("charts_window") is not None
    for end in ends:
        touched = np.arange(5)
        changed = panel.refresh(found, end, touched)
        compiled.switch(on=False)
        assert twin.refresh(found, end, touched).tolist() == changed.tolist()
        compiled.switch(on=True)
        for mine, other in ((panel.sums, twin.sums), (panel.scores, twin.scores), (panel.told, twin.told)):
            assert np.array_equal(mine, other)
        panel.told[:3] = twin.told[:3] = True
