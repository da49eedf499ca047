"""Videos and entities: an entity's counts are the sum of the counts of its live, public videos."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from streams.core.events import VideoFacts
from streams.core.keys import Kind, entity_name, partition_of
from streams.core.params import CHART_SIZE, HOUR_MS, MINUTE_MS, SCORE_WEIGHTS, WINDOW_HOURS, WINDOW_MINUTES
from streams.core.published import ChartEntry
from streams.core.rows import FactsRow
from streams.core.types import ALL_REGIONS
from streams.testing.oracle.counts import Tallied, split

Scopes = dict[str, Tallied]
"""Rows of one entity by scope."""


@dataclass(slots=True)
class Videos:
    """Rows of `videos-table` by video and region."""

    rows: dict[str, dict[str, Tallied]] = field(default_factory=dict)

    def add(self, video: str, region: str, code: int, number: int, watermark_ms: int) -> None:
        """One cell; panes behind the watermark are left out."""
        regions = self.rows.setdefault(video, {})
        row = regions.get(region)
        if row is None:
            row = regions[region] = Tallied()
        row.add(code, number, watermark_ms)

    def cut(self, watermark_ms: int) -> None:
        """Forget panes behind the watermark."""
        for regions in self.rows.values():
            for row in regions.values():
                row.cut(watermark_ms)


def entities_of(video: str, facts: VideoFacts) -> list[tuple[Kind, str]]:
    """What a video's counts also count for, but regions."""
    return [
        (Kind.VIDEO, video), (Kind.CREATOR, facts.creator), (Kind.SOUND, facts.sound),
        *((Kind.TAG, tag) for tag in facts.tags), (Kind.CATEGORY, facts.category),
    ]  # fmt: skip


def members(videos: Videos, facts: dict[str, FactsRow], partition: int, partitions: int) -> dict[str, list[str]]:
    """Names of the entities of one partition (regions left out) -> their live videos that have rows."""
    found: dict[str, list[str]] = {}
    for video in videos.rows:
        row = facts.get(video)
        if row is None or not row.live or row.facts is None:
            continue
        for kind, entity_id in entities_of(video, row.facts):
            name = entity_name(kind, entity_id)
            if partition_of(name.encode(), partitions) == partition:
                found.setdefault(name, []).append(video)
    return found


def entity_rows(videos: Videos, listed: Iterable[str]) -> Scopes:
    """The rows of an entity that has these videos, the scope `*` among them."""
    rows: Scopes = {ALL_REGIONS: Tallied()}
    for video in listed:
        for region, row in videos.rows[video].items():
            rows.setdefault(region, Tallied()).plus(row)
            rows[ALL_REGIONS].plus(row)
    return rows


def region_rows(videos: Videos, facts: dict[str, FactsRow]) -> dict[str, Tallied]:
    """Rows of the entities of kind region (scope `*`), by region."""
    rows: dict[str, Tallied] = {}
    for video, regions in videos.rows.items():
        if (found := facts.get(video)) is not None and found.live:
            for region, row in regions.items():
                rows.setdefault(region, Tallied()).plus(row)
    return rows


def entity_tables(
    videos: Videos, facts: dict[str, FactsRow], partition: int, partitions: int
) -> Iterator[tuple[str, Scopes]]:
    """(entity name, rows by scope) of all entities of a partition of `trends`."""
    for name, listed in members(videos, facts, partition, partitions).items():
        yield name, entity_rows(videos, listed)
    for region, row in region_rows(videos, facts).items():
        name = entity_name(Kind.REGION, region)
        if partition_of(name.encode(), partitions) == partition:
            yield name, {ALL_REGIONS: row}


def window_counts(row: Tallied, window: str, watermark_ms: int) -> int:
    """Sum of the panes of a window that ends with the watermark's pane."""
    if window == "1h":
        panes, last, size = row.minutes, watermark_ms // MINUTE_MS, WINDOW_MINUTES
    else:
        panes, last, size = row.hours, watermark_ms // HOUR_MS, WINDOW_HOURS
    return sum(number for pane, number in panes.items() if last - size < pane <= last)


def top(found: Iterable[tuple[str, int]]) -> list[ChartEntry]:
    """The chart of (id, number of counts): a full sort."""
    entries = []
    for entity_id, number in found:
        counts = split(number)
        score = sum(weight * n for weight, n in zip(SCORE_WEIGHTS, counts, strict=True))
        if score > 0:
            entries.append(ChartEntry(entity_id, score, *counts))
    entries.sort(key=lambda entry: (-entry.score, entry.id))
    return entries[:CHART_SIZE]
