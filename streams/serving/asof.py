"""How true an answer is (design, section 6): from commits, and from looks at the ends of the sources."""

from collections.abc import Iterable, Sequence

from streams.serving.looks import Looks
from streams.serving.standing import Known, Standing, Standings, least, of_sources
from streams.serving.types import AsOf, ChartPart, Origin, TrendingAsOf


class Truth:
    """Answers how true rows are, at one instant. Cheap: make one for each request."""

    def __init__(self, standings: Standings, looks: Looks, partitions: int, now_ms: int) -> None:
        self._standings, self._looks, self._partitions, self._now_ms = standings, looks, partitions, now_ms

    def of_user(self, partition: int) -> AsOf:
        """For rows of `interests` in this partition."""
        standing = self._standings.of("interests", partition)
        return self._as_of(standing, self._lag_s(standing.own), [])

    def of_video(self, partition: int) -> AsOf:
        """For rows of `videos-table` in this partition: how much of each partition of the users is in them."""
        return self._with_origins(self._standings.of("videos-table", partition))

    def of_entity(self, partition: int) -> AsOf:
        """For rows of `trends` in this partition: through the videos back to the users."""
        return self._with_origins(self._standings.of("trends", partition))

    def of_charts(self, charts: list[ChartPart]) -> TrendingAsOf:
        """For a chart merged of all partitions: the least of each partition of the users."""
        standings = self._standings
        parts = [standings.of("trends", partition).commits for partition in range(self._partitions)]
        origins = self._origins(standings.known(least(parts)))
        watermark = min((chart.watermark_ms for chart in charts), default=None)
        return TrendingAsOf(watermark_ms=watermark, lag_s=_worst(origins), origins=origins, charts=charts)

    def watermark_ms(self, as_of: AsOf, at_least_ms: int) -> int:
        """The instant at which counters are read: the newest watermark behind them."""
        seen = [o.watermark_ms for o in (as_of, *as_of.origins) if o.watermark_ms is not None]
        return max([at_least_ms, *seen])

    def _with_origins(self, standing: Standing) -> AsOf:
        origins = self._origins(standing.origins)
        return self._as_of(standing, _worst(origins), origins)

    def _as_of(self, standing: Standing, lag_s: float | None, origins: list[Origin]) -> AsOf:
        partition, commit, _ = standing.own
        if commit is None:
            return AsOf(partition=partition, origins=origins)
        behind = self._looks.behind(partition, commit.positions)
        return AsOf(
            partition=partition, flush=commit.flush, positions=commit.positions, watermark_ms=commit.watermark_ms,
            lag_s=lag_s, behind=of_sources(commit) if behind is None else behind, origins=origins,
        )  # fmt: skip

    def _origins(self, known: Iterable[Known]) -> list[Origin]:
        return [self._origin(one) for one in known]

    def _origin(self, known: Known) -> Origin:
        commit = known.commit
        if commit is None:
            return Origin(partition=known.partition)
        return Origin(
            partition=known.partition, flush=commit.flush, positions=commit.positions,
            watermark_ms=commit.watermark_ms, lag_s=self._lag_s(known),
        )  # fmt: skip

    def _lag_s(self, known: Known) -> float | None:
        return None if known.since_ms is None else round(max(self._now_ms - known.since_ms, 0) / 1000, 3)


def _worst(origins: Sequence[Origin]) -> float | None:
    lags = [origin.lag_s for origin in origins]
    known = [lag for lag in lags if lag is not None]
    return max(known) if known and len(known) == len(lags) else None
