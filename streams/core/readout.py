"""What readers compute from a counter row: cuts, windows, decayed counts, velocity. Pure arithmetic."""

from collections.abc import Iterator
from math import expm1, log

from streams.core.panes import hour_of, minute_of
from streams.core.params import (
    DAY_MS,
    HOUR_MS,
    HOUR_PANES,
    MINUTE_MS,
    MINUTE_PANES,
    SCORE_WEIGHTS,
    WINDOW_HOURS,
    WINDOW_MINUTES,
)
from streams.core.rows import CounterRow, Counts
from streams.core.types import Window

HALF_LIVES_MS = {"15m": 15 * MINUTE_MS, "2h": 2 * HOUR_MS, "1d": DAY_MS, "7d": 7 * DAY_MS}
Decayed = tuple[float, float, float]
"""Decayed (views, likes, shares)."""


def cut(row: CounterRow, watermark_ms: int) -> CounterRow:
    """The row without the panes that lie behind the watermark's horizon. Rows cut alike can be compared and added."""
    minute, hour = minute_of(watermark_ms) - MINUTE_PANES, hour_of(watermark_ms) - HOUR_PANES
    return CounterRow(
        row.totals, row.top_minute, row.top_hour,
        {pane: counts for pane, counts in row.minutes.items() if pane > minute},
        {pane: counts for pane, counts in row.hours.items() if pane > hour},
    )  # fmt: skip


def window(row: CounterRow, name: Window, watermark_ms: int) -> Counts:
    """Sums of the window that ends with the watermark's pane: 60 minutes (`1h`) or 24 hours (`24h`)."""
    if name == "1h":
        panes, end, width = row.minutes, minute_of(watermark_ms), WINDOW_MINUTES
    else:
        panes, end, width = row.hours, hour_of(watermark_ms), WINDOW_HOURS
    inside = [counts for pane, counts in panes.items() if end - width < pane <= end]
    views, likes, shares = (sum(column) for column in zip(*inside, strict=True)) if inside else (0, 0, 0)
    return views, likes, shares


def score(counts: Counts | Decayed) -> float:
    """Weighted sum of views, likes and shares, as in charts."""
    return sum(weight * count for weight, count in zip(SCORE_WEIGHTS, counts, strict=True))


def decayed(row: CounterRow, half_life_ms: int, watermark_ms: int) -> Decayed:
    """Counts that halve every `half_life_ms`, seen at the watermark.

    Inside a pane events count as evenly spread, so a constant rate r gives r * half-life / ln 2. The last two hours
    are taken by minute, older ones by hour up to 14 days.
    """
    views = likes = shares = 0.0
    for start_ms, end_ms, counts in _pieces(row, watermark_ms):
        weight = _mean_weight(watermark_ms - start_ms, watermark_ms - end_ms, half_life_ms)
        views, likes, shares = views + weight * counts[0], likes + weight * counts[1], shares + weight * counts[2]
    return views, likes, shares


def velocity(row: CounterRow, watermark_ms: int) -> float:
    """Decayed score of 15 minutes over that of 2 hours, per time: 1 is steady, 8 just begun, 0 nothing."""
    recent = score(decayed(row, HALF_LIVES_MS["15m"], watermark_ms))
    longer = score(decayed(row, HALF_LIVES_MS["2h"], watermark_ms))
    return recent / (longer / 8) if longer > 0 else 0.0


def _pieces(row: CounterRow, watermark_ms: int) -> Iterator[tuple[int, int, Counts]]:
    """Spans of time [start, end) that do not overlap, with their counts."""
    last_minute, last_hour = minute_of(watermark_ms), hour_of(watermark_ms)
    # The first hour whose minutes are all there; one to spare, as a row may be seconds ahead of the watermark.
    first_by_minute = -((last_minute - MINUTE_PANES + 2) // -60)
    for pane, counts in row.minutes.items():
        if pane // 60 >= first_by_minute:
            yield pane * MINUTE_MS, (pane + 1) * MINUTE_MS, counts
    for pane, counts in row.hours.items():
        if last_hour - HOUR_PANES < pane < first_by_minute:
            yield pane * HOUR_MS, (pane + 1) * HOUR_MS, counts


def _mean_weight(oldest_ms: int, youngest_ms: int, half_life_ms: int) -> float:
    """Mean of 2 ** (-age / half-life) over ages [youngest, oldest]; no age is below 0."""
    young, old = max(youngest_ms, 0), max(oldest_ms, 0)
    width = (old - young) / half_life_ms * log(2)
    return float(2 ** (-young / half_life_ms)) * (-expm1(-width) / width if width > 0 else 1.0)
