"""Counts against the recount: videos-table, trends and what the tallies say. Charts are in compare_charts.

That an entity's counts are the sum of those of its live, public videos follows: both tables equal one recount.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from streams.core import tallies
from streams.core.keys import KIND_OF_LETTER, Kind, entity_key, parse_entity_key, partition_of, split_key, video_row_key
from streams.core.rows import CounterRow, FactsRow
from streams.core.types import ALL_REGIONS
from streams.testing.oracle.counts import Tallied, join, of_row, split
from streams.testing.oracle.replay import Cells
from streams.testing.oracle.trends import Scopes
from streams.tools.audit.rows import Images, decoded
from streams.tools.audit.verdict import Difference, Verdict, differing

NOTHING = Tallied()
UNKNOWN = FactsRow(-1, live=False, facts=None)
"""The facts row of a video that has counts and no facts yet."""


def compare_videos(
    verdict: Verdict, videos: Mapping[str, Mapping[str, Tallied]], facts: Mapping[str, FactsRow], images: Images,
    watermark_ms: int,
) -> None:  # fmt: skip
    """Rows of one partition: `videos` and `facts` hold its videos only."""
    for video in facts.keys() | videos.keys():
        key = video_row_key(video, "")
        value = images.pop(key, None)
        if value is None:
            verdict.row("videos-table", key, [Difference("row", "present", "missing")])
            continue
        row = decoded(verdict, "videos-table", key, value, FactsRow.decode)
        if row is not None:
            right = facts.get(video, UNKNOWN)
            regions_of = sorted(videos.get(video, ()))
            fields = [(name, getattr(right, name), getattr(row, name)) for name in ("offset", "live", "facts")]
            verdict.row("videos-table", key, differing([*fields, ("regions", regions_of, row.regions)]))
    for video, regions in videos.items():
        for region, expected in regions.items():
            key = video_row_key(video, region)
            _compare_counter(verdict, "videos-table", key, expected, images.pop(key, None), watermark_ms)
    for key, value in images.items():
        if split_key(key)[1] == "":
            verdict.row("videos-table", key, [Difference("row", "missing", "present")])
        else:
            _compare_counter(verdict, "videos-table", key, NOTHING, value, watermark_ms)


def compare_trends(verdict: Verdict, name: str, rows: Scopes, images: Images, watermark_ms: int) -> None:
    """All scopes of one entity; takes them out of `images`."""
    kind, entity_id = KIND_OF_LETTER[name[0]], name[1:]
    for scope, expected in rows.items():
        key = entity_key(kind, entity_id, scope)
        _compare_counter(verdict, "trends", key, expected, images.pop(key, None), watermark_ms)


def compare_left_over(verdict: Verdict, images: Images, watermark_ms: int) -> None:
    """Rows of `trends` that nobody expects must say nothing."""
    for key, value in images.items():
        _compare_counter(verdict, "trends", key, NOTHING, value, watermark_ms)


def _compare_counter(
    verdict: Verdict, table: str, key: bytes, expected: Tallied, value: bytes | None, watermark_ms: int
) -> None:
    found = NOTHING
    if value is not None:
        row = decoded(verdict, table, key, value, CounterRow.decode)
        if row is None:
            return
        found = of_row(row, watermark_ms)
    elif expected.is_zero():
        return
    verdict.row(table, key, differences_of(expected, found))


def differences_of(expected: Tallied, found: Tallied) -> list[Difference]:
    """Totals, then the panes that differ (both are cut and hold no zeros)."""
    differences = []
    if expected.totals != found.totals:
        differences.append(Difference("totals", split(expected.totals), split(found.totals)))
    for level, right, left in (("minute", expected.minutes, found.minutes), ("hour", expected.hours, found.hours)):
        if right != left:
            for pane in sorted(right.keys() | left.keys()):
                a, b = right.get(pane, 0), left.get(pane, 0)
                if a != b:
                    differences.append(Difference(f"{level} {pane}", split(a), split(b)))
    return differences


class Flush(NamedTuple):
    """One commit of one origin partition."""

    origin: int
    number: int


def compare_flush(
    verdict: Verdict, flush: Flush, cells: Cells, sent: Iterable[tuple[int, tallies.Tally]], partitions: int
) -> None:
    """The video tallies of one commit, (destination, tally) each, against the cells of its events."""
    found: Cells = {}
    differences = []
    for destination, tally in sent:
        for name, codes, numbers in by_name(tally):
            video, region = split_key(name)
            right = partition_of(video.encode(), partitions)
            if right != destination:
                differences.append(Difference(f"destination of {video}", right, destination))
            for code, number in zip(codes, numbers, strict=True):
                found[video, region, code] = found.get((video, region, code), 0) + number
    for cell in cells.keys() | found.keys():
        a, b = cells.get(cell, 0), found.get(cell, 0)
        if a != b:
            differences.append(Difference(f"cell {cell}", split(a), split(b)))
    if cells or found or differences:
        verdict.row("video-tallies", f"{flush.origin}:{flush.number}", differences)


def _regions_only(name: str, rows: Scopes) -> Scopes:
    """Without the sum `*` of those that have regions: tallies do not name it."""
    return {scope: row for scope, row in rows.items() if scope != ALL_REGIONS or name[0] == Kind.REGION.letter}


def by_name(tally: tallies.Tally) -> Iterable[tuple[bytes, list[int], list[int]]]:
    """(name, codes, numbers of counts) of each name of a tally."""
    codes, at = tally.codes.tolist(), 0
    numbers = [join((v, k, s)) for v, k, s in tally.counts.tolist()]
    for name, size in zip(tally.names, tally.per_name.tolist(), strict=True):
        yield name, codes[at : at + size], numbers[at : at + size]
        at += size


class TrendTallies:
    """Sums of all trend tallies that one partition was sent, by entity and region."""

    def __init__(self, watermark_ms: int, before: Mapping[str, Scopes]) -> None:
        """`before`: rows by entity name that what was sent before came to."""
        self._watermark_ms = watermark_ms
        self._rows: dict[str, Scopes] = {name: _regions_only(name, rows) for name, rows in before.items()}

    def add(self, tally: tallies.Tally) -> None:
        """Take one message."""
        for name, codes, numbers in by_name(tally):
            kind, entity_id, region = parse_entity_key(name)
            scope = ALL_REGIONS if kind == Kind.REGION else region
            row = self._rows.setdefault(kind.letter + entity_id, {}).setdefault(scope, Tallied())
            for code, number in zip(codes, numbers, strict=True):
                row.add(code, number, self._watermark_ms)

    def compare(self, verdict: Verdict, name: str, rows: Scopes) -> None:
        """One entity; every scope but the sum `*` (which regions have)."""
        sent = self._rows.pop(name, {})
        for scope, expected in rows.items():
            if scope != ALL_REGIONS or name[0] == Kind.REGION.letter:
                self._compare(verdict, name, scope, expected, sent.pop(scope, Tallied()))
        for scope, found in sent.items():
            self._compare(verdict, name, scope, NOTHING, found)

    def compare_left_over(self, verdict: Verdict) -> None:
        """What nobody expects must come to nothing."""
        for name, sent in self._rows.items():
            for scope, found in sent.items():
                self._compare(verdict, name, scope, NOTHING, found)

    def _compare(self, verdict: Verdict, name: str, scope: str, expected: Tallied, found: Tallied) -> None:
        found.cut(self._watermark_ms)
        if not (expected.is_zero() and found.is_zero()):
            verdict.row("trend-tallies", f"{name}|{scope}", differences_of(expected, found))
