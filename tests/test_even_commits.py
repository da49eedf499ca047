"""How evenly work is spread over commits, from the commit records of a run."""

import pytest

from bench.even_commits import Spread, even
from streams.core.published import Commit


def commit(flush: int, *, partition: int = 0, views: int = 0, facts: int = 0, **ends: int) -> Commit:
    arrived = {"views": (1, 2, views)} if views else {}
    if facts:
        arrived["videos"] = (1, 2, facts)
    return Commit(
        partition=partition, flush=flush, positions={"views": flush}, folded={}, watermark_ms=0, behind={},
        tables={name.replace("_", "-"): end for name, end in ends.items()}, arrived=arrived,
    )  # fmt: skip


def test_equal_commits_count_in_full_and_tiny_ones_hardly() -> None:
    assert even([5, 5, 5]) == 3
    assert even([1_000, 1, 1, 1]) == pytest.approx(1.006, abs=0.001)


def test_events_of_the_first_hop_and_rows_of_the_others() -> None:
    spread = Spread()
    spread.take(commit(1, views=100, interests=80, trends=40), 1)
    # Ends count the marker of the commit before: 41 to 71 are 30 rows.
    spread.take(commit(2, views=100, interests=90, trends=71), 2)
    spread.take(commit(3, trends=102), 3)
    found = spread.even_commits()
    assert found["interests"] == pytest.approx(2)
    assert found["trends"] == pytest.approx(even([40, 30, 30]), abs=0.001)
    assert spread.events == 3  # still a `Folding`


def test_rows_of_facts_are_not_of_the_second_hop() -> None:
    spread = Spread()
    spread.take(commit(1, facts=6_000, videos_table=6_000), 1)
    spread.take(commit(2, views=10, videos_table=6_101), 2)
    spread.take(commit(3, views=10), 3)
    spread.take(commit(4, views=10, videos_table=6_202), 4)
    assert spread.even_commits()["videos-table"] == pytest.approx(2)


def test_a_mean_over_the_partitions_that_did_something() -> None:
    spread = Spread()
    for flush in (1, 2):
        spread.take(commit(flush, partition=0, views=10), flush)
    spread.take(commit(1, partition=1, views=10), 3)
    spread.take(commit(1, partition=2), 4)
    assert spread.even_commits() == {"interests": 1.5, "videos-table": 1.0, "trends": 1.0}
