"""Counts of views, likes and shares by pane, as one Python number: sums of sums need no loops over three."""

from dataclasses import dataclass, field

from streams.core.panes import LEVEL_ALL, LEVEL_HOUR, LEVEL_MINUTE, LEVEL_SHIFT, LEVEL_TOTAL, PANE_MASK
from streams.core.params import HOUR_MS, HOUR_PANES, MINUTE_MS, MINUTE_PANES
from streams.core.rows import CounterRow, Counts

_SHIFT = 40
_MASK, _HALF = (1 << _SHIFT) - 1, 1 << _SHIFT - 1
VIEW, LIKE, SHARE = 1, 1 << _SHIFT, 1 << 2 * _SHIFT
"""One view, like or share; n of them is n times it, and a minus takes away."""


def join(counts: Counts) -> int:
    """The number that stands for (views, likes, shares); each may be negative."""
    return counts[0] * VIEW + counts[1] * LIKE + counts[2] * SHARE


def split(number: int) -> Counts:
    """(views, likes, shares) of a number, each with its sign."""
    views = ((number + _HALF) & _MASK) - _HALF
    number = (number - views) >> _SHIFT
    likes = ((number + _HALF) & _MASK) - _HALF
    return views, likes, (number - likes) >> _SHIFT


@dataclass(slots=True)
class Tallied:
    """Totals and panes without a horizon of their own: they are cut at the watermark of the whole log."""

    totals: int = 0
    minutes: dict[int, int] = field(default_factory=dict)
    hours: dict[int, int] = field(default_factory=dict)

    def add(self, code: int, number: int, watermark_ms: int = 0) -> None:
        """One cell of a tally. What is behind the watermark's panes cannot be compared any more and is left out."""
        level, pane = code >> LEVEL_SHIFT, code & PANE_MASK
        if level in (LEVEL_ALL, LEVEL_TOTAL):
            self.totals += number
        if level in (LEVEL_ALL, LEVEL_MINUTE) and pane > oldest_minute(watermark_ms):
            self.minutes[pane] = self.minutes.get(pane, 0) + number
        hour = pane // 60 if level == LEVEL_ALL else pane
        if level in (LEVEL_ALL, LEVEL_HOUR) and hour > oldest_hour(watermark_ms):
            self.hours[hour] = self.hours.get(hour, 0) + number

    def plus(self, other: "Tallied") -> None:
        """Add all of another one."""
        self.totals += other.totals
        for mine, theirs in ((self.minutes, other.minutes), (self.hours, other.hours)):
            for pane, number in theirs.items():
                mine[pane] = mine.get(pane, 0) + number

    def cut(self, watermark_ms: int) -> None:
        """Forget panes behind the watermark and panes of zeros."""
        minute, hour = oldest_minute(watermark_ms), oldest_hour(watermark_ms)
        if self.minutes:
            self.minutes = {pane: n for pane, n in self.minutes.items() if n and pane > minute}
        self.hours = {pane: n for pane, n in self.hours.items() if n and pane > hour}

    def is_zero(self) -> bool:
        """Whether a row of this is equal to none (call `cut` first)."""
        return not (self.totals or self.minutes or self.hours)


def of_row(row: CounterRow, watermark_ms: int) -> Tallied:
    """What a row of a table says, cut at the watermark."""
    found = Tallied(
        join(row.totals),
        {pane: join(counts) for pane, counts in row.minutes.items()},
        {pane: join(counts) for pane, counts in row.hours.items()},
    )
    found.cut(watermark_ms)
    return found


def oldest_minute(watermark_ms: int) -> int:
    """The newest minute pane that is not compared."""
    return watermark_ms // MINUTE_MS - MINUTE_PANES


def oldest_hour(watermark_ms: int) -> int:
    """The newest hour pane that is not compared."""
    return watermark_ms // HOUR_MS - HOUR_PANES
