"""Panes of event time and the codes by which tallies name them."""

import numpy as np
from numpy.typing import NDArray

from streams.core.params import HOUR_MS, LATEST_AHEAD_MS, MINUTE_MS, OLDEST_MS

# A cell of a tally says what it touches: level << 30 | pane number.
LEVEL_ALL = 0  # a minute: its minute pane, the hour pane around it and the totals
LEVEL_MINUTE = 1  # the minute pane only      (1-3: contributions that move when facts change)
LEVEL_HOUR = 2  # the hour pane only
LEVEL_TOTAL = 3  # the totals only, pane 0    (also: events older than 24 h at arrival)
LEVEL_SHIFT = 30
PANE_MASK = (1 << LEVEL_SHIFT) - 1
TOTAL_ONLY = LEVEL_TOTAL << LEVEL_SHIFT


def clamp(at_ms: int, arrival_ms: int) -> tuple[int, bool]:
    """Event time inside [arrival - 24 h, arrival + 2 s], and whether it was older than that (late)."""
    oldest = arrival_ms - OLDEST_MS
    if at_ms < oldest:
        return oldest, True
    return min(at_ms, arrival_ms + LATEST_AHEAD_MS), False


def clamp_many(at_ms: NDArray[np.int64], arrival_ms: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """`clamp` of columns."""
    oldest = arrival_ms - OLDEST_MS
    late = at_ms < oldest
    return np.where(late, oldest, np.minimum(at_ms, arrival_ms + LATEST_AHEAD_MS)), late


def minute_code(at_ms: int, *, late: bool) -> int:
    """Code of the cell an event falls in."""
    return TOTAL_ONLY if late else at_ms // MINUTE_MS


def minute_of(at_ms: int) -> int:
    """Number of the minute pane."""
    return at_ms // MINUTE_MS


def hour_of(at_ms: int) -> int:
    """Number of the hour pane."""
    return at_ms // HOUR_MS
