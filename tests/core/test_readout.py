"""Arithmetic of readers against closed forms."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.params import HOUR_MS, MINUTE_MS
from streams.core.readout import HALF_LIVES_MS, cut, decayed, score, velocity, window
from streams.core.rows import CounterRow

HOUR = 483_000
NOW_MS = HOUR * HOUR_MS + 10 * MINUTE_MS
MINUTE = NOW_MS // MINUTE_MS


def steady(views_per_minute: int) -> CounterRow:
    """The same number every minute for 14 days up to NOW_MS."""
    minutes = {MINUTE - age: (views_per_minute, 0, 0) for age in range(1, 120)}
    hours = {HOUR - age: (60 * views_per_minute, 0, 0) for age in range(1, 336)}
    hours[HOUR] = (10 * views_per_minute, 0, 0)
    return CounterRow((0, 0, 0), MINUTE - 1, HOUR, minutes, hours)


@pytest.mark.parametrize("name", ["15m", "2h", "1d"])
def test_a_constant_rate_gives_rate_times_half_life_over_ln_2(name: str) -> None:
    half_life_ms = HALF_LIVES_MS[name]
    expected = 6 * half_life_ms / MINUTE_MS / log(2)
    assert decayed(steady(6), half_life_ms, NOW_MS)[0] == pytest.approx(expected, rel=1e-3)


def test_seven_days_see_the_fourteen_days_that_are_kept() -> None:
    expected = 6 * HALF_LIVES_MS["7d"] / MINUTE_MS / log(2) * (1 - 2 ** -(335 / 168))
    assert decayed(steady(6), HALF_LIVES_MS["7d"], NOW_MS)[0] == pytest.approx(expected, rel=2e-3)


@given(st.sampled_from(sorted(HALF_LIVES_MS.values())), st.integers(0, 100), st.integers(1, 9))
def test_a_pane_halves_every_half_life(half_life_ms: int, age: int, likes: int) -> None:
    row = CounterRow((0, 0, 0), MINUTE, HOUR, {}, {HOUR - 3 - age: (0, likes, 0)})
    now = decayed(row, half_life_ms, NOW_MS)[1]
    later = decayed(row, half_life_ms, NOW_MS + half_life_ms)[1]
    kept = age + 3 + half_life_ms / HOUR_MS < 335
    assert later == pytest.approx(now / 2 if kept else 0, rel=1e-9, abs=1e-12 if not kept else 0)


def test_no_event_counts_twice_or_more_than_once() -> None:
    row = steady(1)
    pieces = decayed(row, 10**15, NOW_MS)
    assert pieces[0] == pytest.approx(335 * 60 + 10, rel=1e-6)


def test_velocity_is_one_for_a_steady_rate_and_eight_for_a_start() -> None:
    assert velocity(steady(5), NOW_MS) == pytest.approx(1, rel=0.01)
    fresh = CounterRow((9, 0, 0), MINUTE, HOUR, {MINUTE: (9, 0, 0)}, {HOUR: (9, 0, 0)})
    assert velocity(fresh, NOW_MS) == pytest.approx(8, rel=0.01)
    assert velocity(CounterRow(), NOW_MS) == 0


def test_windows_end_with_the_watermarks_pane() -> None:
    row = steady(2)
    assert window(row, "1h", NOW_MS) == (2 * 59, 0, 0)
    assert window(row, "24h", NOW_MS) == (2 * (23 * 60 + 10), 0, 0)
    assert window(CounterRow(), "1h", NOW_MS) == (0, 0, 0)


def test_a_cut_drops_what_is_behind_the_watermark() -> None:
    row = steady(1)
    later = cut(row, NOW_MS + HOUR_MS)
    assert (min(later.minutes), max(later.minutes)) == (MINUTE + 60 - 119, MINUTE - 1)
    assert min(later.hours) == HOUR + 1 - 335
    assert cut(row, NOW_MS) == row
    assert (later.totals, later.top_minute, later.top_hour) == (row.totals, row.top_minute, row.top_hour)


def test_score_weighs_views_likes_and_shares() -> None:
    assert score((1, 10, 100)) == 531
