"""Which commits are in the rows of a table's partition, and since when nothing that had arrived is missing from them.

How old an answer may be, `lag_s`: the time since the newest instant of which we know that all that had arrived by
then is in the answer. Such instants are: a look at the ends of the sources that the positions of the answer reach; the
commit itself, if the worker said that nothing was left to fold. If neither is known (a backlog older than the kept
looks) it is the watermark of the commit: the arrival of the newest record folded.
"""

from collections.abc import Iterable
from typing import NamedTuple

from streams.core.published import Commit
from streams.serving.commits import Kept
from streams.serving.looks import SOURCES, Looks
from streams.serving.state import ReaderState

VIDEO_TALLIES = "video-tallies"
TREND_TALLIES = "trend-tallies"

Commits = dict[int, Kept | None]
"""Partition of the users -> its newest commit that is in the rows; None: it cannot be told."""


class Known(NamedTuple):
    """A commit of a partition, and the instant up to which all that had arrived is in it; both None: untold."""

    partition: int
    commit: Commit | None
    since_ms: int | None


class Standing(NamedTuple):
    """Of one partition of a table: its own commit, and those of the users behind it by partition."""

    own: Known
    commits: Commits
    origins: list[Known]


class Standings:
    """Asked for at every answer, they are worked out anew when the reader has read on or looked at the sources."""

    def __init__(self, state: ReaderState, looks: Looks) -> None:
        self._state, self._looks = state, looks
        self._found: dict[tuple[str, int], Standing] = {}
        self._as_of = -1, -1

    def of(self, table: str, partition: int) -> Standing:
        """O(1) if it was asked for since; else O(partitions) commits are looked up, squared for `trends`."""
        as_of = self._state.changes, self._looks.count
        if as_of != self._as_of:
            self._found.clear()
            self._as_of = as_of
        place = table, partition
        found = self._found.get(place)
        if found is None:
            found = self._found[place] = self._make(table, partition)
        return found

    def _make(self, table: str, partition: int) -> Standing:
        kept = self._state.commits[partition].covered(table, self._state.position(table, partition))
        if table == "interests":
            commits: Commits = {}
        elif table == "videos-table":
            commits = self._folded(kept, VIDEO_TALLIES, partition)
        else:
            commits = self._through_videos(kept, partition)
        return Standing(self._known(partition, kept), commits, self.known(commits))

    def known(self, commits: Commits) -> list[Known]:
        """By partition."""
        return [self._known(partition, kept) for partition, kept in sorted(commits.items())]

    def _known(self, partition: int, kept: Kept | None) -> Known:
        if kept is None:
            return Known(partition, None, None)
        return Known(partition, kept.commit, self._since_ms(partition, kept))

    def _folded(self, kept: Kept | None, topic: str, partition: int) -> Commits:
        """The newest commit of each origin of which all tallies for this partition are folded in."""
        folded = kept.commit.folded.get(topic, {}) if kept else {}
        return {int(origin): self._within(int(origin), flush, topic, partition) for origin, flush in folded.items()}

    def _within(self, origin: int, flush: int, topic: str, partition: int) -> Kept | None:
        known = 0 <= origin < self._state.partitions
        return self._state.commits[origin].within(flush, topic, partition) if known else None

    def _through_videos(self, kept: Kept | None, partition: int) -> Commits:
        videos = self._folded(kept, TREND_TALLIES, partition)
        return least(None if at is None else self._folded(at, VIDEO_TALLIES, video) for video, at in videos.items())

    def _since_ms(self, partition: int, kept: Kept) -> int:
        commit, folded_all = kept.commit, not any(of_sources(kept.commit).values())
        known_ms = kept.time_ms if folded_all else min(commit.watermark_ms, kept.time_ms)
        reached_ms = self._looks.newest_reached(partition, commit.positions)
        if reached_ms is not None:
            known_ms = max(known_ms, reached_ms) if folded_all else reached_ms
        return known_ms


def of_sources(commit: Commit) -> dict[str, int]:
    """Records of the sources that the unit had before it."""
    return {topic: count for topic, count in commit.behind.items() if topic in SOURCES}


def least(parts: Iterable[Commits | None]) -> Commits:
    """The oldest commit of each origin. A part that cannot be told (None) makes every origin untold."""
    found: Commits = {}
    untold = False
    for part in parts:
        untold = untold or part is None
        for origin, kept in (part or {}).items():
            known = found.get(origin, kept)
            oldest = known is not None and kept is not None and kept.commit.flush < known.commit.flush
            found[origin] = kept if kept is None or oldest else known
    return dict.fromkeys(found) if untold else found
