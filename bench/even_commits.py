"""How evenly a run's work was spread over its commits: what decides how often a row was written."""

from collections import defaultdict
from dataclasses import dataclass, field

from streams.core.published import Commit
from streams.tools.run.progress import EVENTS, Folding

FACTS = "videos"
TABLES = ("interests", "videos-table", "trends")
"""What the three hops write, in their order."""


@dataclass
class Spread(Folding):
    """`Folding` that also notes how large each commit was: events in the first hop, rows in the others."""

    sizes: defaultdict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    """By table and partition."""
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """Offset at which the next commit's rows begin, by table and partition."""

    def take(self, commit: Commit, time_ms: int) -> None:
        """As `Folding.take`."""
        super().take(commit, time_ms)
        sizes = {table: self._rows(commit, table) for table in TABLES}
        sizes["interests"] = sum(_arrived(commit, topic) for topic in EVENTS)
        sizes["videos-table"] -= _arrived(commit, FACTS)
        for table, size in sizes.items():
            self.sizes[table, commit.partition].append(max(size, 0))

    def _rows(self, commit: Commit, table: str) -> int:
        """Written by this commit. A commit names the tables that it wrote; each takes one more offset, the marker."""
        if table not in commit.tables:
            return 0
        place = table, commit.partition
        begin, self.ends[place] = self.ends.get(place, 0), commit.tables[table] + 1
        return commit.tables[table] - begin

    def even_commits(self) -> dict[str, float]:
        """Of an average partition, by table: as many commits of equal size would write rows about as often.

        (sum of sizes) squared / sum of squares: 3 for three equal ones, 1 for a large one among tiny ones.
        """
        return {table: self._mean(table) for table in TABLES}

    def _mean(self, table: str) -> float:
        each = [even(sizes) for (of, _), sizes in self.sizes.items() if of == table and any(sizes)]
        return round(sum(each) / len(each), 3) if each else 1.0


def even(sizes: list[int]) -> float:
    """As many equal ones."""
    return sum(sizes) ** 2 / sum(size * size for size in sizes)


def _arrived(commit: Commit, topic: str) -> int:
    return commit.arrived[topic][2] if topic in commit.arrived else 0
