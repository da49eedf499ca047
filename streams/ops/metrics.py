"""The metrics of this process: typed, labels bounded. streams/ops/metric_list.py declares them.

from streams.ops.metrics import METRICS
METRICS.events.labels(topic="views", outcome="folded").inc(200)
METRICS.commit_age_seconds.set(0.4)
"""

import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import Generic, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from streams.ops.metric_list import AT_MOST, DECLARED, FAST_S, PREFIX, Metric, Role

OTHER = "other"
"""Label value that stands for all that come after the `AT_MOST` first ones."""

# Birth times would double the series of every counter and histogram.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Spread(Histogram):
    """A histogram that takes many equal observations at once."""

    def observe_many(self, value: float, times: int) -> None:
        """The same as `times` calls of `observe`."""
        self.observe_ms([value * 1000], [times])

    def observe_ms(self, values: Sequence[float], times: Sequence[int]) -> None:
        """Each of `values` (milliseconds, of a histogram in seconds) so many `times`. Each bucket is locked once."""
        counts: dict[int, int] = {}
        total = 0.0
        for value, count in zip(values, times, strict=True):
            at = bisect_left(self._upper_bounds, value / 1000)
            counts[at] = counts.get(at, 0) + count
            total += value * count
        self._sum.inc(total / 1000)
        for at, count in counts.items():
            self._buckets[at].inc(count)


M = TypeVar("M", Counter, Gauge, Spread)


class Family(Generic[M]):
    """A metric with labels. `labels()` is a dictionary look-up; a label value too many becomes `other`."""

    def __init__(self, metric: M, labels: tuple[str, ...]) -> None:
        self.metric: M = metric
        self._names = labels
        self._children: dict[tuple[object, ...], M] = {}
        self._values: dict[str, set[str]] = {label: set() for label in labels}
        self._lock = threading.Lock()

    def labels(self, **values: object) -> M:
        """The child of these label values. ValueError if the labels are not those declared."""
        if len(values) != len(self._names) or not all(name in values for name in self._names):
            raise ValueError(f"labels {sorted(values)}, declared are {sorted(self._names)}")
        return self.of(*(values[name] for name in self._names))

    def of(self, *key: object) -> M:
        """The child of these label values, in the order in which the labels were declared."""
        child = self._children.get(key)
        if child is None:
            with self._lock:
                bounded = [self._bounded(name, str(value)) for name, value in zip(self._names, key, strict=True)]
                child = self.metric.labels(*bounded)
                if OTHER not in bounded:
                    self._children[key] = child
        return child

    def _bounded(self, name: str, value: str) -> str:
        known = self._values[name]
        if value not in known and len(known) >= AT_MOST[name]:
            return OTHER
        known.add(value)
        return value

    def forget(self, *key: object) -> None:
        """Expose this child no longer (a partition that went to another worker)."""
        with self._lock:
            if self._children.pop(key, None) is not None:
                self.metric.remove(*map(str, key))


class Metrics:
    """All declared metrics as attributes; a test holds the annotations equal to `DECLARED`."""

    build_info: Family[Gauge]
    ready: Gauge
    event_loop_lag_seconds: Spread
    disk_free_bytes: Gauge
    disk_size_bytes: Gauge
    freshness_seconds: Family[Spread]
    consumer_lag_records: Family[Gauge]
    consumer_lag_seconds: Family[Gauge]
    watermark_lag_seconds: Family[Gauge]
    commit_age_seconds: Gauge
    events: Family[Counter]
    events_rejected: Family[Counter]
    events_clamped: Family[Counter]
    partition_events: Family[Counter]
    hottest_key_ratio: Family[Gauge]
    batches_dropped: Family[Counter]
    folding_seconds: Counter
    shares_parked: Counter
    shares_resolved: Counter
    shares_given_up: Counter
    catalogue_videos: Gauge
    transaction_seconds: Spread
    transaction_events: Spread
    transaction_bytes: Spread
    transaction_failures: Family[Counter]
    rows_written: Family[Counter]
    row_bytes_written: Family[Counter]
    rows_resident: Family[Gauge]
    evictions: Family[Counter]
    rows_dormant: Gauge
    rows_woken: Counter
    rows_swept: Counter
    sweep_seconds: Spread
    units_owned: Gauge
    rebalance_seconds: Spread
    fence_seconds: Spread
    restore_seconds: Spread
    restore_rows: Family[Counter]
    restore_target_rows: Gauge
    restore_remaining_rows: Gauge
    standby_lag_records: Family[Gauge]
    exits: Family[Counter]
    answer_age_seconds: Family[Gauge]
    readable_seconds: Family[Spread]
    reader_lag_records: Family[Gauge]
    reader_rows: Family[Gauge]
    reader_records: Counter
    http_seconds: Family[Spread]
    broker_up: Gauge
    broker_starts: Counter
    broker_topics: Gauge
    broker_partitions: Gauge
    broker_under_replicated_partitions: Gauge
    broker_log_bytes: Gauge
    broker_resident_bytes: Gauge
    audit_runs: Counter
    audit_rows_checked: Counter
    audit_drift_rows: Gauge

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._hidden: set[str] = set()
        for declared in DECLARED:
            setattr(self, declared.name, _build(declared, registry))

    def expose_only(self, role: Role) -> None:
        """Hide what another kind of process measures: a reader's commits are not 0, it has none. Once, at the start."""
        for declared in DECLARED:
            if role not in declared.exposed_by and declared.name not in self._hidden:
                self._hidden.add(declared.name)
                made = getattr(self, declared.name)
                self._registry.unregister(made.metric if isinstance(made, Family) else made)


def _build(declared: Metric, registry: CollectorRegistry) -> object:
    name, labels = PREFIX + declared.name, declared.labels
    if declared.kind == "counter":
        counter = Counter(name, declared.meaning, labels, registry=registry)
        return Family(counter, labels) if labels else counter
    if declared.kind == "gauge":
        gauge = Gauge(name, declared.meaning, labels, registry=registry)
        return Family(gauge, labels) if labels else gauge
    spread = Spread(name, declared.meaning, labels, registry=registry, buckets=declared.buckets or FAST_S)
    return Family(spread, labels) if labels else spread


METRICS = Metrics(REGISTRY)
"""The metrics of this process."""


def docs_table() -> str:
    """The registry as a Markdown table, for docs/metrics.md."""
    head = "| metric | kind | unit | labels | exposed by | meaning | acted on by |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{m.exposed_name}` | {m.kind} | {m.unit} | {', '.join(m.labels) or '-'} | {', '.join(m.exposed_by)} "
        f"| {m.meaning} | {m.acted_on_by} |\n"
        for m in DECLARED
    )
