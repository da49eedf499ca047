"""The engine's measurements in the metrics registry, and what the stages have counted, by topic and outcome."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from streams.core.reasons import Reason
from streams.engine.api import Stage
from streams.engine.meter import Flushed, Taken
from streams.ops.metrics import METRICS, Spread

USER_TOPICS = ("views", "likes", "shares")
UNTIL = ("folded", "committed")
OUTCOMES = ("folded", "late", "repeat", "rejected")
WINDOW_S = 60.0
SAMPLE_MOST, SAMPLE_LEAST = 20_000, 100
"""A window of `HotKeys` ends early with so many keys, and says nothing with fewer."""


class HotKeys:
    """Share of the most frequent key of each topic, from the sample of about a minute. Keys never leave this object."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._seen: dict[str, Counter[bytes | None]] = {topic: Counter() for topic in topics}
        self._since = time.monotonic()

    def add(self, taken: Taken) -> None:
        if taken.keys and taken.topic in self._seen:
            self._seen[taken.topic].update(taken.keys)

    def roll(self, now: float) -> dict[str, float]:
        """At the end of a window: the share by topic (0 if too few were sampled), and a new window; else empty."""
        if now - self._since < WINDOW_S and all(seen.total() < SAMPLE_MOST for seen in self._seen.values()):
            return {}
        self._since = now
        shares = {topic: _largest_share(seen) for topic, seen in self._seen.items()}
        for seen in self._seen.values():
            seen.clear()
        return shares


def _largest_share(seen: Counter[bytes | None]) -> float:
    total = seen.total()
    return max(seen.values()) / total if total >= SAMPLE_LEAST else 0.0


class PrometheusMeter:
    """A name is the attribute of METRICS."""

    def __init__(self) -> None:
        self.hot_keys = HotKeys(USER_TOPICS)
        self._stage_of: dict[str, str] = {}
        self._told = {
            "rows_woken": METRICS.rows_woken,
            "parked": METRICS.shares_parked,
            "resolved": METRICS.shares_resolved,
            "given_up": METRICS.shares_given_up,
        }
        self._fresh: dict[str, list[Spread]] = {}

    def begin(self, stages: Iterable[Stage]) -> None:
        """Counters whose labels are known begin at 0, so that rates exist before the first event of their kind."""
        for stage in stages:
            self._stage_of.update(dict.fromkeys(stage.topics, stage.name))
            METRICS.evictions.labels(stage=stage.name)
            self._fresh[stage.name] = [METRICS.freshness_seconds.of(stage.name, until) for until in UNTIL]
            for table in stage.tables:
                for counter in (METRICS.rows_written, METRICS.row_bytes_written, METRICS.restore_rows):
                    counter.labels(table=table)
            for topic in stage.topics:
                self._begin_topic(topic)
        for topic in USER_TOPICS:
            METRICS.hottest_key_ratio.labels(topic=topic)
            METRICS.events_clamped.labels(topic=topic)

    def _begin_topic(self, topic: str) -> None:
        for outcome in OUTCOMES if topic in USER_TOPICS else ("folded", "rejected"):
            METRICS.events.labels(topic=topic, outcome=outcome)
        for reason in Reason:
            METRICS.events_rejected.labels(topic=topic, reason=str(reason))
        for why in ("hole", "repeat"):
            METRICS.batches_dropped.labels(topic=topic, reason=why)

    def _child(self, name: str, labels: dict[str, str]) -> Any:
        metric = getattr(METRICS, name)
        return metric.labels(**labels) if labels else metric

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._child(name, labels).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._child(name, labels).set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        self._child(name, labels).observe(value)

    def committed(self, number: int, flushed: Flushed, seconds: float) -> None:
        events = flushed.events
        METRICS.transaction_seconds.observe(seconds)
        METRICS.transaction_events.observe(events)
        METRICS.transaction_bytes.observe(flushed.message_bytes + sum(flushed.row_bytes.values()))
        METRICS.partition_events.of(number).inc(events)
        for table, rows in flushed.rows.items():
            METRICS.rows_written.of(table).inc(rows)
            METRICS.row_bytes_written.of(table).inc(flushed.row_bytes[table])
        for (topic, reason), records in flushed.rejected.items():
            METRICS.events_rejected.of(topic, reason).inc(records)
        self._outcomes(flushed)
        self._freshness(flushed.taken)
        for taken in flushed.taken:
            self.hot_keys.add(taken)

    def _outcomes(self, flushed: Flushed) -> None:
        more, taken = Counter(flushed.told), Counter[str]()
        for part in flushed.taken:
            taken[part.topic] += part.records
        rejected: Counter[str] = Counter()
        for (topic, _), records in flushed.rejected.items():
            rejected[topic] += records
        for topic, records in taken.items():
            late, repeats = more[f"late_{topic}"], more["repeats"] if topic == "views" else 0
            folded = records - rejected[topic] - late - repeats
            for outcome, count in zip(OUTCOMES, (folded, late, repeats, rejected[topic]), strict=True):
                if count > 0:
                    METRICS.events.of(topic, outcome).inc(count)
            if clamped := more[f"clamped_{topic}"]:
                METRICS.events_clamped.of(topic).inc(clamped)
        for name, counter in self._told.items():
            if name in more:
                counter.inc(more[name])

    def _freshness(self, flushed: Iterable[Taken]) -> None:
        now_ms = time.time_ns() // 1_000_000
        by_stage: dict[str, tuple[list[int], list[int]]] = {}
        for topic, records, folded_ms, times_ms, _ in flushed:
            folded, committed = by_stage.setdefault(self._stage_of[topic], ([], []))
            # Each of the sampled stands for as many as fall to it; most often all arrived together.
            done = 0
            for number, at_ms in enumerate(times_ms, 1):
                until = number * records // len(times_ms)
                folded += (max(folded_ms - at_ms, 0), until - done)
                committed += (max(now_ms - at_ms, 0), until - done)
                done = until
        for stage, ages in by_stage.items():
            for spread, found in zip(self._fresh[stage], ages, strict=True):
                spread.observe_ms(found[::2], found[1::2])
