"""How far the reader is behind and how fresh its answers are, for the metrics registry. Looks only, changes nothing."""

from collections.abc import Iterable, Iterator
from typing import Any

from streams.ops.metrics import METRICS
from streams.serving.commits import TABLES, CommitLog, SentCommit
from streams.serving.looks import Look
from streams.serving.service import Service

FED_BY = {
    "interests": ("views", "likes", "shares", "feedback", "accounts"),
    "videos-table": ("videos", "video-tallies"),
    "trends": ("trend-tallies",),
}
"""Source topics whose records change a table."""
ORIGINS_AT_ONCE = 64
"""Partitions are looked at in turn, so that one look costs the same however many there are."""
STEPS = 8


class Measures:
    """One per reader. `poll` after every change of the state, `look` after every look at the ends of the topics."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seen: dict[tuple[str, int], int] = {}
        self._ages: dict[str, dict[int, float]] = {table: {} for table in TABLES}
        self._next = 0
        self._applied = 0
        for table in TABLES:
            METRICS.readable_seconds.labels(table=table)

    def poll(self) -> None:
        """Observe the commits that can be read since the last time, once the copy is complete."""
        state = self._service.state
        METRICS.reader_records.inc(max(state.applied - self._applied, 0))
        self._applied = state.applied
        for partition, log in enumerate(state.commits):
            for table in TABLES:
                self._readable(log, table, partition, state.position(table, partition))

    def look(self, look: Look) -> None:
        """Set the gauges from the ends of the tailed topics."""
        state = self._service.state
        for (topic, partition), end in look.ends.items():
            METRICS.reader_lag_records.of(topic, partition).set(max(end - state.position(topic, partition), 0))
        for table, rows in state.rows.items():
            METRICS.reader_rows.labels(table=table).set(len(rows))
        self._answer_ages()

    def _readable(self, log: CommitLog, table: str, partition: int, position: int) -> None:
        kept = log.covered(table, position)
        before = self._seen.get((table, partition), 0)
        if kept is None or kept.commit.flush == before:
            return
        self._seen[table, partition] = kept.commit.flush
        # What a copy reads while it is made was readable elsewhere, long ago.
        if before > kept.commit.flush or not self._service.opened:
            return
        spread = METRICS.readable_seconds.labels(table=table)
        for commit in log.since(before):
            if commit.flush <= kept.commit.flush:
                self._observe(spread, commit, FED_BY[table])

    def _observe(self, spread: Any, commit: SentCommit, topics: Iterable[str]) -> None:
        now_ms = self._service.now_ms()
        for oldest_ms, newest_ms, records in (commit.arrived[topic] for topic in topics if topic in commit.arrived):
            for at_ms, count in _evenly(oldest_ms, newest_ms, records):
                spread.observe_many(max(now_ms - at_ms, 0.0) / 1000, count)

    def _answer_ages(self) -> None:
        partitions = self._service.state.partitions
        truth = self._service.truth()
        ages = {"interests": truth.of_user, "videos-table": truth.of_video, "trends": truth.of_entity}
        for _ in range(max(1, ORIGINS_AT_ONCE // partitions)):
            partition = self._next = (self._next + 1) % partitions
            for table, of in ages.items():
                lag_s = of(partition).lag_s
                if lag_s is None:
                    self._ages[table].pop(partition, None)
                else:
                    self._ages[table][partition] = lag_s
        for table, known in self._ages.items():
            METRICS.answer_age_seconds.labels(table=table).set(max(known.values(), default=0.0))


def _evenly(oldest_ms: int, newest_ms: int, records: int) -> Iterator[tuple[float, int]]:
    """Times from oldest to newest and how many records each stands for: all of `records`."""
    steps = min(STEPS, records) if newest_ms > oldest_ms else 1
    for step in range(steps):
        at_ms = oldest_ms + (newest_ms - oldest_ms) * step / max(steps - 1, 1)
        yield at_ms, records * (step + 1) // steps - records * step // steps
