"""How true an answer is (design, section 6): from commits, and from looks at the ends of the sources.

How old an answer may be, `lag_s`: the time since the newest instant of which we know that all that had arrived by
then is in the answer. Such instants are: a look at the ends of the sources that the positions of the answer reach; the
commit itself, if the worker said that nothing was left to fold. If neither is known (a backlog older than the kept
looks) it is the watermark of the commit: the arrival of the newest record folded.
"""

from collections.abc import Iterable

from streams.core.published import Commit
from streams.serving.commits import Kept
from streams.serving.looks import SOURCES, Looks
from streams.serving.state import ReaderState
from streams.serving.types import AsOf, ChartPart, Origin, TrendingAsOf

VIDEO_TALLIES = "video-tallies"
TREND_TALLIES = "trend-tallies"

Commits = dict[int, Kept | None]
"""Partition -> its newest commit that is in the answer; None: it cannot be told."""


class Truth:
    """Answers how true rows are, at one instant. Cheap: make one for each request."""

    def __init__(self, state: ReaderState, looks: Looks, now_ms: int) -> None:
        self._state, self._looks, self._now_ms = state, looks, now_ms

    def of_user(self, partition: int) -> AsOf:
        """For rows of `interests` in this partition."""
        kept = self._covered("interests", partition)
        return self._as_of(partition, kept, self._lag_s(partition, kept), [])

    def of_video(self, partition: int) -> AsOf:
        """For rows of `videos-table` in this partition: how much of each partition of the users is in them."""
        kept = self._covered("videos-table", partition)
        origins = self._origins(self._folded(kept, VIDEO_TALLIES, partition))
        return self._as_of(partition, kept, _worst(origins), origins)

    def of_entity(self, partition: int) -> AsOf:
        """For rows of `trends` in this partition: through the videos back to the users."""
        kept = self._covered("trends", partition)
        origins = self._origins(self._through_videos(kept, partition))
        return self._as_of(partition, kept, _worst(origins), origins)

    def of_charts(self, charts: list[ChartPart]) -> TrendingAsOf:
        """For a chart merged of all partitions: the least of each partition of the users."""
        parts = [self._through_videos(self._covered("trends", p), p) for p in range(self._state.partitions)]
        origins = self._origins(_least(parts))
        watermark = min((chart.watermark_ms for chart in charts), default=None)
        return TrendingAsOf(watermark_ms=watermark, lag_s=_worst(origins), origins=origins, charts=charts)

    def watermark_ms(self, as_of: AsOf, at_least_ms: int) -> int:
        """The instant at which counters are read: the newest watermark behind them."""
        seen = [o.watermark_ms for o in (as_of, *as_of.origins) if o.watermark_ms is not None]
        return max([at_least_ms, *seen])

    def _covered(self, table: str, partition: int) -> Kept | None:
        return self._state.commits[partition].covered(table, self._state.position(table, partition))

    def _as_of(self, partition: int, kept: Kept | None, lag_s: float | None, origins: list[Origin]) -> AsOf:
        if kept is None:
            return AsOf(partition=partition, origins=origins)
        commit = kept.commit
        behind = self._looks.behind(partition, commit.positions)
        return AsOf(
            partition=partition, flush=commit.flush, positions=commit.positions, watermark_ms=commit.watermark_ms,
            lag_s=lag_s, behind=_of_sources(commit) if behind is None else behind, origins=origins,
        )  # fmt: skip

    def _folded(self, kept: Kept | None, topic: str, partition: int) -> Commits:
        """The newest commit of each origin of which all tallies for this partition are folded in."""
        folded = kept.commit.folded.get(topic, {}) if kept else {}
        return {int(origin): self._within(int(origin), flush, topic, partition) for origin, flush in folded.items()}

    def _within(self, origin: int, flush: int, topic: str, partition: int) -> Kept | None:
        known = 0 <= origin < self._state.partitions
        return self._state.commits[origin].within(flush, topic, partition) if known else None

    def _through_videos(self, kept: Kept | None, partition: int) -> Commits:
        videos = self._folded(kept, TREND_TALLIES, partition)
        return _least(None if at is None else self._folded(at, VIDEO_TALLIES, video) for video, at in videos.items())

    def _origins(self, commits: Commits) -> list[Origin]:
        return [self._origin(partition, kept) for partition, kept in sorted(commits.items())]

    def _origin(self, partition: int, kept: Kept | None) -> Origin:
        if kept is None:
            return Origin(partition=partition)
        commit = kept.commit
        return Origin(
            partition=partition, flush=commit.flush, positions=commit.positions,
            watermark_ms=commit.watermark_ms, lag_s=self._lag_s(partition, kept),
        )  # fmt: skip

    def _lag_s(self, partition: int, kept: Kept | None) -> float | None:
        if kept is None:
            return None
        commit, folded_all = kept.commit, not any(_of_sources(kept.commit).values())
        known_ms = kept.time_ms if folded_all else min(commit.watermark_ms, kept.time_ms)
        reached_ms = self._looks.newest_reached(partition, commit.positions)
        if reached_ms is not None:
            known_ms = max(known_ms, reached_ms) if folded_all else reached_ms
        return round(max(self._now_ms - known_ms, 0) / 1000, 3)


def _of_sources(commit: Commit) -> dict[str, int]:
    return {topic: count for topic, count in commit.behind.items() if topic in SOURCES}


def _least(parts: Iterable[Commits | None]) -> Commits:
    """The oldest commit of each origin. A part that cannot be told (None) makes every origin untold."""
    least: Commits = {}
    untold = False
    for part in parts:
        untold = untold or part is None
        for origin, kept in (part or {}).items():
            known = least.get(origin, kept)
            oldest = known is not None and kept is not None and kept.commit.flush < known.commit.flush
            least[origin] = kept if kept is None or oldest else known
    return dict.fromkeys(least) if untold else least


def _worst(origins: list[Origin]) -> float | None:
    lags = [origin.lag_s for origin in origins]
    known = [lag for lag in lags if lag is not None]
    return max(known) if known and len(known) == len(lags) else None
