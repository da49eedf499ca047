"""Charts against a full sort of the rows expected, at each chart's own watermark."""

from collections import defaultdict

import msgspec

from streams.core.keys import KIND_OF_LETTER
from streams.core.params import MINUTE_MS, WINDOW_MINUTES
from streams.core.published import Chart, ChartEntry
from streams.testing.oracle.counts import Tallied, oldest_minute
from streams.testing.oracle.trends import Scopes, top, window_counts
from streams.tools.audit.rows import Images, decoded
from streams.tools.audit.verdict import Difference, Verdict, differing

WINDOWS = ("1h", "24h")
_decode = msgspec.json.Decoder(Chart).decode


class Charts:
    """Collects the rows of one partition's entities, then judges its charts."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[tuple[str, Tallied]]] = defaultdict(list)

    def add(self, name: str, rows: Scopes) -> None:
        """One entity with all its scopes."""
        kind, entity_id = KIND_OF_LETTER[name[0]].value, name[1:]
        for scope, row in rows.items():
            if row.minutes or row.hours:
                self._rows[kind, scope].append((entity_id, row))

    def compare(self, verdict: Verdict, partition: int, images: Images, *, watermark_ms: int, cut_ms: int) -> None:
        """`watermark_ms`: the greatest this partition was told; `cut_ms`: panes older than its are not known here."""
        for kind, scope in self._rows:
            for window in WINDOWS:
                key = f"{kind}|{scope}|{window}|{partition}".encode()
                if key not in images and self._expected(kind, scope, window, watermark_ms):
                    verdict.row("charts", key, [Difference("chart", "present", "missing")])
        for key, value in images.items():
            chart = decoded(verdict, "charts", key, value, _decode)
            if chart is not None:
                differences = _names(key, chart, partition)
                differences += self._entries(verdict, chart, watermark_ms, cut_ms)
                if chart.watermark_ms > max(watermark_ms, cut_ms):
                    differences.append(Difference("watermark_ms", f"at most {watermark_ms}", chart.watermark_ms))
                verdict.row("charts", key, differences)

    def _entries(self, verdict: Verdict, chart: Chart, watermark_ms: int, cut_ms: int) -> list[Difference]:
        """A chart is published when it changes: it must be right now, or at its own watermark if that is recent."""
        now = self._expected(chart.kind, chart.scope, chart.window, watermark_ms)
        if now == chart.entries:
            return []
        if chart.window == "1h" and chart.watermark_ms // MINUTE_MS - WINDOW_MINUTES < oldest_minute(cut_ms):
            verdict.excuse("old-chart")
            return []
        then = self._expected(chart.kind, chart.scope, chart.window, chart.watermark_ms)
        return differing([("entries", then, chart.entries)])

    def _expected(self, kind: str, scope: str, window: str, watermark_ms: int) -> list[ChartEntry]:
        rows = self._rows.get((kind, scope), ())
        return top((entity_id, window_counts(row, window, watermark_ms)) for entity_id, row in rows)


def _names(key: bytes, chart: Chart, partition: int) -> list[Difference]:
    name = f"{chart.kind}|{chart.scope}|{chart.window}|{chart.partition}"
    differences = differing([("key", key.decode(errors="replace"), name), ("partition", partition, chart.partition)])
    return differences if chart.window in WINDOWS else [*differences, Difference("window", WINDOWS, chart.window)]
