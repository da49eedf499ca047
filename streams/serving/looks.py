"""Looks at the ends of the source topics: they tell since when an answer may be missing something."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

SOURCES = ("views", "likes", "shares", "feedback", "videos", "accounts")
OPTIONAL = ("feedback",)
"""Sources that count only if the unit says how far it read them."""
KEPT_LOOKS = 600
KEPT_ANSWERS = 10_000

Ends = Mapping[tuple[str, int], int]


class Look(NamedTuple):
    """Ends of the sources by (topic, partition), asked for at `at_ms`: what arrived before that lies before them."""

    at_ms: int
    ends: Ends


class Looks:
    """The last looks, oldest first."""

    def __init__(self) -> None:
        self.count = 0
        """How many there were."""
        self._looks: list[Look] = []
        self._found: dict[tuple[int, int], tuple[Mapping[str, int], int | None]] = {}
        """What `newest_reached` answered since the last look. Positions are kept: no others get their id."""

    def add(self, look: Look) -> None:
        self.count += 1
        self._found.clear()
        self._looks.append(look)
        if len(self._looks) >= 2 * KEPT_LOOKS:
            del self._looks[:-KEPT_LOOKS]

    def newest_reached(self, partition: int, positions: Mapping[str, int]) -> int | None:
        """Time of the newest look whose ends all lie within `positions`; None if no kept look is that old.

        Answers between two commits ask for the same positions again and again: those (which may not change) are O(1).
        """
        place = partition, id(positions)
        if place not in self._found:
            if len(self._found) >= KEPT_ANSWERS:
                self._found.clear()
            self._found[place] = positions, self._find(partition, positions)
        return self._found[place][1]

    def _find(self, partition: int, positions: Mapping[str, int]) -> int | None:
        # Ends only grow, so the looks that are reached come first.
        index = bisect_left(self._looks, 1, key=lambda look: not _reached(look.ends, partition, positions))
        return self._looks[index - 1].at_ms if index else None

    def behind(self, partition: int, positions: Mapping[str, int]) -> dict[str, int] | None:
        """Records between `positions` and the last look, by source; None before the first look."""
        if not self._looks:
            return None
        ends = self._looks[-1].ends
        counts = {t: ends.get((t, partition), 0) - positions.get(t, 0) for t in _watched(positions)}
        return {topic: max(count, 0) for topic, count in counts.items()}


def _reached(ends: Ends, partition: int, positions: Mapping[str, int]) -> bool:
    return all(positions.get(topic, 0) >= ends.get((topic, partition), 0) for topic in _watched(positions))


def _watched(positions: Mapping[str, int]) -> list[str]:
    return [topic for topic in SOURCES if topic in positions or topic not in OPTIONAL]
