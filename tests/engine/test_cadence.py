"""How long a unit waits between two commits."""

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.api import Options
from streams.engine.cadence import EASY_SHARE, FULL_SHARE, LAGGING, Cadence, Demand

SOON_S, SELDOM_S = 0.25, 1.0


def cadence(load: float = 0.0) -> Cadence:
    made = Cadence(Options("", "", 8, Path(), flush_s=SOON_S, flush_under_load_s=SELDOM_S))
    made.load = load
    return made


@pytest.mark.parametrize(
    ("load", "spacing_s"),
    [
        (0.0, SOON_S),
        (EASY_SHARE, SOON_S),
        ((EASY_SHARE + FULL_SHARE) / 2, 0.625),
        (FULL_SHARE, SELDOM_S),
        (2, SELDOM_S),
    ],
)
def test_without_a_backlog_the_load_decides(load: float, spacing_s: float) -> None:
    assert cadence(load).spacing_s(LAGGING, LAGGING, fresh=True) == pytest.approx(spacing_s)


@pytest.mark.parametrize(("behind", "spacing_s"), [(1, 2.0), (1.5, 3.0), (2.5, 5.0), (1_000, 5.0)])
def test_the_longer_a_backlog_the_rarer_the_commits(behind: float, spacing_s: float) -> None:
    records = int(behind * LAGGING) + 1
    assert cadence().spacing_s(records, records, fresh=True) == pytest.approx(spacing_s, rel=0.001)


def test_units_without_one_wait_for_what_those_with_one_pass_on() -> None:
    assert cadence().spacing_s(0, 9 * LAGGING, fresh=False) == 5.0
    assert cadence().spacing_s(0, 9 * LAGGING, fresh=True) == pytest.approx(2.0, rel=0.001)


@given(st.floats(0, 2), st.lists(st.integers(0, 10**9), min_size=3, max_size=3).map(sorted), st.booleans())
def test_more_to_do_never_means_sooner(load: float, records: list[int], fresh: bool) -> None:
    less, more, most = records
    made = cadence(load)
    spacing_s = made.spacing_s(less, most, fresh=fresh)
    assert SOON_S <= spacing_s <= 5.0
    assert made.spacing_s(less, more, fresh=fresh) <= spacing_s
    assert made.spacing_s(less, most, fresh=True) <= made.spacing_s(more, most, fresh=True)


def test_waiting_for_a_core_counts_as_load(tmp_path: Path) -> None:
    path = tmp_path / "schedstat"
    path.write_text("1000000000 500000000 3\n")
    demand = Demand(path)
    assert demand.seconds() == 1.5
    path.write_text("1000000000 2500000000 4\n")
    assert demand.seconds() == 3.5


@pytest.mark.parametrize("path", [Path("/proc/thread-self/schedstat"), Path("/nowhere")])
def test_demand_is_of_the_thread_that_made_it(path: Path) -> None:
    demand, found = Demand(path), []

    def other() -> None:
        found.append(Demand(path).seconds())

    began = demand.seconds()
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass
    assert demand.seconds() - began >= 0.09
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found[0] < demand.seconds()
