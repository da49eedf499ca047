"""Naive twins of the stages of videos and trends: one cell at a time, in dictionaries, for comparison in tests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from streams.core.events import VideoFacts, is_live
from streams.core.keys import KIND_OF_LETTER, Entity, Kind, entity_key
from streams.core.panes import LEVEL_HOUR, LEVEL_MINUTE, LEVEL_SHIFT, LEVEL_TOTAL, PANE_MASK, TOTAL_ONLY
from streams.core.params import HOUR_MS, HOUR_PANES, MINUTE_MS, MINUTE_PANES, SCORE_WEIGHTS
from streams.core.published import ChartEntry
from streams.core.rows import CounterRow, Counts

Cell = tuple[int, Counts]
"""(pane code, counts)"""


def _plus(old: Counts, new: Counts) -> Counts:
    total = (old[0] + new[0], old[1] + new[1], old[2] + new[2])
    if min(total) < 0:
        raise ValueError(f"{old} plus {new} falls below zero")
    return total


def negated(counts: Counts) -> Counts:
    """The counts with the other sign."""
    return (-counts[0], -counts[1], -counts[2])


class NaiveCounter:
    """One counter row."""

    def __init__(self) -> None:
        self.row = CounterRow()

    def add(self, code: int, counts: Counts) -> None:
        level, pane = code >> LEVEL_SHIFT, code & PANE_MASK
        if level not in (LEVEL_MINUTE, LEVEL_HOUR):
            self.row.totals = _plus(self.row.totals, counts)
        if level not in (LEVEL_TOTAL, LEVEL_HOUR):
            self.row.top_minute = max(self.row.top_minute, pane)
            _add_pane(self.row.minutes, pane, self.row.top_minute - MINUTE_PANES, counts)
        if level not in (LEVEL_TOTAL, LEVEL_MINUTE):
            hour = pane if level == LEVEL_HOUR else pane // 60
            self.row.top_hour = max(self.row.top_hour, hour)
            _add_pane(self.row.hours, hour, self.row.top_hour - HOUR_PANES, counts)

    def cells(self) -> list[Cell]:
        """What a video takes along when its facts change; the newest panes even if zero."""
        row = self.row
        minutes = {row.top_minute: (0, 0, 0), **row.minutes} if row.top_minute else row.minutes
        hours = {row.top_hour: (0, 0, 0), **row.hours} if row.top_hour else row.hours
        return [
            (TOTAL_ONLY, row.totals),
            *((pane | LEVEL_MINUTE << LEVEL_SHIFT, counts) for pane, counts in minutes.items()),
            *((pane | LEVEL_HOUR << LEVEL_SHIFT, counts) for pane, counts in hours.items()),
        ]


def _add_pane(panes: dict[int, Counts], pane: int, floor: int, counts: Counts) -> None:
    if pane > floor:
        panes[pane] = _plus(panes.get(pane, (0, 0, 0)), counts)
    for gone in [p for p, held in panes.items() if p <= floor or held == (0, 0, 0)]:
        del panes[gone]


@dataclass
class NaiveVideos:
    """All videos of all partitions."""

    rows: dict[tuple[str, str], NaiveCounter] = field(default_factory=dict)
    facts: dict[str, VideoFacts | None] = field(default_factory=dict)
    sent: list[tuple[Entity, int, Counts]] = field(default_factory=list)
    """What goes to the stage of trends; the test empties it."""

    def add(self, video: str, region: str, code: int, counts: Counts) -> None:
        self.rows.setdefault((video, region), NaiveCounter()).add(code, counts)
        self.sent += [(entity, code, counts) for entity in self.entities(video, region)]

    def change(self, video: str, facts: VideoFacts | None) -> None:
        """Apply a record of `videos`."""
        regions = [region for name, region in self.rows if name == video]
        before = {region: self.entities(video, region) for region in regions}
        self.facts[video] = facts
        for region in regions:
            after = self.entities(video, region)
            for code, counts in self.rows[video, region].cells():
                self.sent += [(e, code, negated(counts)) for e in before[region] if e not in after]
                self.sent += [(e, code, counts) for e in after if e not in before[region]]

    def entities(self, video: str, region: str) -> list[Entity]:
        facts = self.facts.get(video)
        if facts is None or not is_live(facts):
            return []
        named = [(Kind.VIDEO, video), (Kind.CREATOR, facts.creator), (Kind.SOUND, facts.sound)]
        named += [(Kind.CATEGORY, facts.category), (Kind.REGION, region), *((Kind.TAG, tag) for tag in facts.tags)]
        return [Entity(kind, name, region) for kind, name in named]


@dataclass
class NaiveTrends:
    """All entities of all partitions."""

    rows: dict[bytes, NaiveCounter] = field(default_factory=dict)

    def add(self, sent: Iterable[tuple[Entity, int, Counts]]) -> None:
        for (kind, name, region), code, counts in sent:
            for scope in ("*",) if kind is Kind.REGION else (region, "*"):
                self.rows.setdefault(entity_key(kind, name, scope), NaiveCounter()).add(code, counts)

    def charts(self, watermark_ms: int) -> Iterator[tuple[Kind, str, str, list[tuple[bytes, ChartEntry]]]]:
        """(kind, scope, window, all entries in order) of every chart; the caller picks a partition."""
        groups: dict[tuple[Kind, str], list[tuple[bytes, CounterRow]]] = {}
        for key, counter in self.rows.items():
            name, scope = key.decode().split("\x00")
            groups.setdefault((KIND_OF_LETTER[name[0]], scope), []).append((key, counter.row))
        for (kind, scope), rows in groups.items():
            for window, width, pane_ms in (("1h", 60, MINUTE_MS), ("24h", 24, HOUR_MS)):
                end = watermark_ms // pane_ms
                found = [
                    (key, _entry(key, row.minutes if window == "1h" else row.hours, end - width, end))
                    for key, row in rows
                ]
                listed = [(key, entry) for key, entry in found if entry.score > 0]
                yield kind, scope, window, sorted(listed, key=lambda pair: (-pair[1].score, pair[1].id))


def _entry(key: bytes, panes: dict[int, Counts], after: int, end: int) -> ChartEntry:
    inside = [counts for pane, counts in panes.items() if after < pane <= end]
    views, likes, shares = (sum(counts[i] for counts in inside) for i in range(3))
    score = SCORE_WEIGHTS[0] * views + SCORE_WEIGHTS[1] * likes + SCORE_WEIGHTS[2] * shares
    return ChartEntry(key.decode().split("\x00")[0][1:], score, views, likes, shares)
