"""How many different rows a load touches: the formulas against draws of the load itself."""

from math import inf

import numpy as np
import pytest

from bench.capacity_flow import Flow, chart_entries, held, rows_written, written, written_partitions
from bench.capacity_skew import crowd, zipf
from streams.tools.simulate.job import Shape
from streams.tools.simulate.world import zipf_mass

EVEN = {"interests": 4.0, "videos-table": 4.0, "trends": 4.0}
FLOW = Flow(200_000, 5_000, 1, 4, EVEN, 5.0, 1, Shape(20_000, 5_000), 3.0)
PER_SECOND = FLOW._replace(events=50_000.0, seconds=1.0, commits=dict.fromkeys(EVEN, 1.0), span_min=inf)


@pytest.mark.parametrize(("count", "exponent"), [(1, 1.0), (2, 0.6), (5_000, 0.6), (300_000, 1.0)])
def test_groups_are_zipfs_law(count: int, exponent: float) -> None:
    found, exact = zipf(count, exponent), zipf_mass(count, exponent)
    assert found.number.sum() == count
    assert (found.mass * found.number).sum() == pytest.approx(1)
    assert found.mass[0] == pytest.approx(exact[0], rel=0.001)
    assert found.mass[-1] == pytest.approx(exact[-1], rel=0.03)


def test_everything_that_events_are_about_has_a_share() -> None:
    known = crowd(Shape(1_000, 300_000, 0.25))
    assert (known.videos.mass * known.videos.number).sum() == pytest.approx(1)
    assert known.kinds[0].mass[0] > 0.25
    shares = [(kind.mass * kind.number).sum() for kind in known.kinds]
    assert shares == pytest.approx([1, 1, 1, 2, 1])  # videos, creators, sounds, two tags, categories
    # By region and for all regions together, and the regions themselves.
    assert (known.trends.mass * known.trends.number).sum() == pytest.approx(2 * 6 + 1)


def test_rows_are_as_many_as_different_ones_are_drawn() -> None:
    rng = np.random.default_rng(3)
    drawn = rng.choice(20_000, (4, 50_000), p=zipf_mass(20_000, 0.6))
    assert rows_written(FLOW)["interests"] == pytest.approx(sum(len(np.unique(one)) for one in drawn), rel=0.01)
    places = rng.choice(5_000, (4, 50_000), p=zipf_mass(5_000, 1.0)) * 20
    places += rng.choice(20, (4, 50_000), p=zipf_mass(20, 1.0))
    assert rows_written(FLOW)["videos-table"] == pytest.approx(sum(len(np.unique(one)) for one in places), rel=0.01)
    assert held(FLOW).users == pytest.approx(len(np.unique(drawn)), rel=0.01)


def test_more_commits_write_rows_more_often_and_a_row_at_most_once_an_event() -> None:
    often = FLOW._replace(commits=dict.fromkeys(EVEN, 400.0))
    assert 1.5 * rows_written(FLOW)["interests"] < rows_written(often)["interests"] <= FLOW.events


def test_rows_fill_up_with_views_and_minutes() -> None:
    def each(flow: Flow, table: str, what: str) -> float:
        counts = written(flow)[table]
        return counts[what] / counts["row"]

    longer = FLOW._replace(events=2_000_000, span_min=30.0)
    assert 0.1 < each(FLOW, "interests", "filled") < each(longer, "interests", "filled") < 1
    assert 1 < each(FLOW, "trends", "pane") < each(longer, "trends", "pane") < 30
    assert each(PER_SECOND, "interests", "filled") == 1
    assert 300 < each(PER_SECOND, "trends", "pane") <= 120 + 336


def test_cells_are_at_most_one_a_minute_and_row() -> None:
    found = held(FLOW)
    assert found.counter_rows < found.cells < 3 * found.counter_rows
    assert held(FLOW._replace(workers=2)).facts == 2 * FLOW.facts


def test_charts_are_published_with_a_commit_once_in_five_seconds_at_most() -> None:
    published = written(FLOW)["charts"]["entry"] / chart_entries(FLOW)
    assert published == pytest.approx(2)  # 5 s: at the start and at the end
    assert written(PER_SECOND)["charts"]["entry"] / chart_entries(PER_SECOND) == pytest.approx(1 / 5)
    assert chart_entries(FLOW._replace(partitions=4)) < 4 * chart_entries(FLOW)


def test_each_commit_writes_to_as_many_destinations_as_it_reaches() -> None:
    assert written_partitions(8, 1e6) == pytest.approx(8 + 16)
    assert written_partitions(256, 1) == pytest.approx(8 + 2)
    assert written_partitions(256, 1e6) == pytest.approx(8 + 512)
