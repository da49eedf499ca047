"""Third hop, key = entity: totals, panes and charts of every video, tag, sound, creator, category and region."""

import time
from functools import partial
from typing import Any

from faust.types import StreamT

from streams.core.ports import Output
from streams.core.trends import TrendStage
from streams.core.upgrades import reading_old
from streams.engine.api import RowReader, Stage
from streams.engine.app import App

TOPICS = ("trend-tallies",)
CHARTS_EVERY_S = 5.0
RESTORED_AT_ONCE, RESTORED_WITH_A_FLUSH = 1_024, 8_192
"""Rows: a few milliseconds whenever there is nothing else to do, some tens of them with a flush."""
RESTORED_AFTER_S = 2.0
"""What waited while nobody had the partition comes first."""


class PacedTrendStage(TrendStage):
    """Publishes charts once in every 5 s at most. The clock decides only when that is, not what they say."""

    def __init__(self, partition: int, partitions: int, rows: RowReader, watermark_ms: int = 0) -> None:
        super().__init__(partition, partitions, rows, watermark_ms)
        # Periods of the partitions begin one after another, so that their charts are not all due at once.
        self._ahead_s = CHARTS_EVERY_S * partition / partitions
        self._published = -1
        self._restores_at_s = time.monotonic() + RESTORED_AFTER_S

    def has_work(self) -> bool:
        self.charts_due = self._restored(RESTORED_AT_ONCE) and self._period() != self._published
        return super().has_work()

    def collect(self, flush: int) -> Output:
        period = self._period()
        self.charts_due = self._restored(RESTORED_WITH_A_FLUSH) and period != self._published
        if self.charts_due:
            self._published = period
        return super().collect(flush)

    def _restored(self, rows: int) -> bool:
        return time.monotonic() >= self._restores_at_s and self.restore(rows)

    def _period(self) -> int:
        return int((time.monotonic() + self._ahead_s) // CHARTS_EVERY_S)


def make(partitions: int, number: int, rows: RowReader, watermark_ms: int) -> TrendStage:
    """State of this stage for one partition number."""
    return PacedTrendStage(number, partitions, reading_old(rows), watermark_ms)


def register(app: App) -> Any:
    """Declare the stage and the agent `trends`."""
    app.engine.add(
        Stage(
            name="trends",
            topics=TOPICS,
            tables=("trends",),
            make=partial(make, app.options.partitions),
            internal=frozenset(TOPICS),
            outputs=frozenset({"charts"}),
        )
    )

    @app.agent(app.batch_topic(*TOPICS), name="trends")
    async def trends(polls: StreamT[Any]) -> None:
        async for polled in polls:
            await app.engine.take(polled)

    return trends
