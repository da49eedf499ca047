# ruff: noqa: E501 - one metric a line: the registry is read as a table
"""Every metric of the project: name, kind, unit, labels, who exposes it, what it means, who acts on it."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "streams_"
AT_MOST = {
    "topic": 64,
    "partition": 1_024,
    "reason": 64,
    "table": 16,
    "route": 64,
    "status": 32,
    "stage": 8,
    "outcome": 8,
    "until": 4,
    "version": 4,
    "compiled": 4,
}
"""Labels that exist and how many values each may take: none is ever a user, a video or a tag."""

Kind = Literal["counter", "gauge", "histogram"]
Role = Literal["worker", "reader", "broker", "audit"]
FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FRESH_S = (
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.25,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    4.0,
    5.0,
    7.5,
    10.0,
    30.0,
    60.0,
    300.0,
    1_800.0,
)
SLOW_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)
SIZES = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7)
BYTES = (1e3, 1e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)


@dataclass(frozen=True, slots=True)
class Metric:
    """Declaration of one metric. `name` has no prefix and, for counters, no `_total`."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    exposed_by: tuple[Role, ...]
    meaning: str
    acted_on_by: str
    buckets: tuple[float, ...] | None = None

    @property
    def exposed_name(self) -> str:
        """The name a scraper sees (a histogram's series add `_bucket`, `_sum` and `_count`)."""
        return PREFIX + self.name + ("_total" if self.kind == "counter" else "")


OPERATOR = "operator"
DEVELOPER = "developer"
PRODUCER = "team that writes the topic"
FACTS = "team that writes `videos`"
WORKER: tuple[Role, ...] = ("worker",)
READER: tuple[Role, ...] = ("reader",)
BROKER: tuple[Role, ...] = ("broker",)
AUDIT: tuple[Role, ...] = ("audit",)
SERVICES: tuple[Role, ...] = ("worker", "reader")
ALL: tuple[Role, ...] = ("worker", "reader", "broker", "audit")

# fmt: off
DECLARED: tuple[Metric, ...] = (
    # What every process says.
    Metric("build_info", "gauge", "1", ("version", "compiled"), ALL, "Always 1; the labels say what runs. `compiled`: yes if the kernels were built.", OPERATOR),
    Metric("ready", "gauge", "0 or 1", (), SERVICES, "1 while /readyz answers 200.", OPERATOR),
    Metric("event_loop_lag_seconds", "histogram", "seconds", (), SERVICES, "How late the event loop ran a timer, twice a second.", "operator and watchdog: above 5", FAST_S),
    Metric("disk_free_bytes", "gauge", "bytes", (), ("worker", "broker"), "Free space where this process keeps its data.", "operator: below a tenth"),
    Metric("disk_size_bytes", "gauge", "bytes", (), ("worker", "broker"), "Size of that file system.", OPERATOR),
    # How fresh, how far behind.
    Metric("freshness_seconds", "histogram", "seconds", ("stage", "until"), WORKER, "From a record's append to the source topics of the stage until it was folded, until it was committed; every record counts. In history mode the source topics carry the writer's times.", OPERATOR, FRESH_S),
    Metric("consumer_lag_records", "gauge", "records", ("topic", "partition"), WORKER, "Records appended and not yet folded.", "operator: add workers"),
    Metric("consumer_lag_seconds", "gauge", "seconds", ("topic", "partition"), WORKER, "Age of the last record folded while more wait; 0 if none waits.", "operator: add workers"),
    Metric("watermark_lag_seconds", "gauge", "seconds", ("stage",), WORKER, "How far event time is behind the clock, in the partition furthest behind of those with records waiting; 0 if none waits.", OPERATOR),
    Metric("commit_age_seconds", "gauge", "seconds", (), WORKER, "Age of the oldest record folded and not yet committed; 0 if there is none.", "operator and watchdog: above 60"),
    # What came of the records.
    Metric("events", "counter", "records", ("topic", "outcome"), WORKER, "Records of committed transactions, each once: `folded`, `late` (older than 24 h at arrival: lifetime totals only), `repeat` (a view sent twice: dropped), `rejected` (in dead-letters).", "operator: rate 0 while lag grows"),
    Metric("events_rejected", "counter", "records", ("topic", "reason"), WORKER, "Records set aside in dead-letters.", PRODUCER),
    Metric("events_clamped", "counter", "records", ("topic",), WORKER, "Records whose time lay over 2 s after their arrival: taken as 2 s after it.", PRODUCER),
    Metric("partition_events", "counter", "records", ("partition",), WORKER, "Records of committed transactions by partition number: skew is the largest rate over the mean.", OPERATOR),
    Metric("hottest_key_ratio", "gauge", "0 to 1", ("topic",), WORKER, "Share of the most frequent key in a sample (1 of 64) of the last minute; 0 if under 100 were sampled.", OPERATOR),
    Metric("batches_dropped", "counter", "batches", ("topic", "reason"), WORKER, "Batches that did not continue where their unit stands: `hole` (sent back, read again), `repeat` (already folded).", "developer: should stay rare"),
    Metric("folding_seconds", "counter", "seconds", (), WORKER, "Time spent folding: its rate is the share of a core.", "operator: above 0.7 add workers"),
    Metric("shares_parked", "counter", "shares", (), WORKER, "Interest shares that began to wait for a video's facts.", FACTS),
    Metric("shares_resolved", "counter", "shares", (), WORKER, "Parked interest shares folded when the facts came.", "nobody: compare with shares_parked"),
    Metric("shares_given_up", "counter", "shares", (), WORKER, "Parked shares dropped: too many of one user, or after 24 h.", FACTS),
    Metric("catalogue_videos", "gauge", "videos", (), WORKER, "Videos whose facts this worker knows.", OPERATOR),
    # Transactions and tables.
    Metric("transaction_seconds", "histogram", "seconds", (), WORKER, "From begin to committed; the count is the number of commits.", "operator: a slow broker", FAST_S),
    Metric("transaction_events", "histogram", "records", (), WORKER, "Records folded by one commit.", "developer: coalescing", SIZES),
    Metric("transaction_bytes", "histogram", "bytes", (), WORKER, "Record batches of one commit, before compression.", DEVELOPER, BYTES),
    Metric("transaction_failures", "counter", "transactions", ("reason",), WORKER, "Commits that failed and ended the worker, over its restarts: `fenced` (a newer owner), `timeout`, `failed`.", OPERATOR),
    Metric("rows_written", "counter", "rows", ("table",), WORKER, "Rows of committed transactions.", DEVELOPER),
    Metric("row_bytes_written", "counter", "bytes", ("table",), WORKER, "Record batches of these rows, before compression.", "operator: disk and network of Kafka"),
    Metric("rows_resident", "gauge", "rows", ("stage",), WORKER, "Rows held in memory.", "operator: the row budget"),
    Metric("evictions", "counter", "rows", ("stage",), WORKER, "Rows dropped from memory to keep the budget.", "operator: the row budget"),
    Metric("rows_dormant", "gauge", "rows", (), WORKER, "Rows of trends dropped though active, of which a residue is held (about 40 bytes) so that charts stay exact; some may be back in memory.", OPERATOR),
    Metric("rows_woken", "counter", "rows", (), WORKER, "Dormant rows read back because a chart might have missed them.", "operator: the row budget"),
    Metric("rows_swept", "counter", "rows", (), WORKER, "Rows written to the local copy.", DEVELOPER),
    Metric("sweep_seconds", "histogram", "seconds", (), WORKER, "Time of one sweep into the local copy.", "operator: a slow disk", FAST_S),
    # Ownership.
    Metric("units_owned", "gauge", "units", (), WORKER, "Partition numbers this worker folds.", OPERATOR),
    Metric("rebalance_seconds", "histogram", "seconds", (), WORKER, "Pause of one rebalance: from revocation (at the start: from assignment) until folding goes on.", "operator: workers that flap", SLOW_S),
    Metric("fence_seconds", "histogram", "seconds", (), WORKER, "Locking out the former owners of the partition numbers taken over in one rebalance.", OPERATOR, FAST_S),
    Metric("restore_seconds", "histogram", "seconds", (), WORKER, "Restoring the tables taken over in one rebalance.", OPERATOR, SLOW_S),
    Metric("restore_rows", "counter", "rows", ("table",), WORKER, "Rows read from changelogs, for restores and standbys: its rate is the speed.", DEVELOPER),
    Metric("restore_target_rows", "gauge", "rows", (), WORKER, "Changelog offsets that the restore under way began with; 0 if none is.", OPERATOR),
    Metric("restore_remaining_rows", "gauge", "rows", (), WORKER, "Of these, still to do.", "operator: stands still"),
    Metric("standby_lag_records", "gauge", "records", ("partition",), WORKER, "Changelog records that the standby copy of a partition has not applied.", OPERATOR),
    Metric("exits", "counter", "exits", ("reason",), WORKER, "Times the worker ended itself, by the event it logged, over its restarts (kept in the state folder).", OPERATOR),
    # Reading.
    Metric("answer_age_seconds", "gauge", "seconds", ("table",), READER, "How old answers from a table may be (`lag_s` of the worst partition), through all hops back to the users' events.", OPERATOR),
    Metric("readable_seconds", "histogram", "seconds", ("table",), READER, "From a record's append to the source topics of the table until its effect can be read here; every record counts. In history mode `interests` carries the writer's times.", OPERATOR, FRESH_S),
    Metric("reader_lag_records", "gauge", "records", ("topic", "partition"), READER, "Records that the reader has not applied.", "operator: add readers"),
    Metric("reader_rows", "gauge", "rows", ("table",), READER, "Rows the reader holds.", OPERATOR),
    Metric("reader_records", "counter", "records", (), READER, "Records applied.", OPERATOR),
    Metric("http_seconds", "histogram", "seconds", ("route", "status"), READER, "Time to answer by route pattern and status.", OPERATOR, FAST_S),
    # The broker wrapper (`streams broker`).
    Metric("broker_up", "gauge", "0 or 1", (), BROKER, "1 while Kafka answers.", OPERATOR),
    Metric("broker_starts", "counter", "starts", (), BROKER, "Starts of Kafka in this data folder, over all its lives.", OPERATOR),
    Metric("broker_topics", "gauge", "topics", (), BROKER, "Topics, Kafka's own included.", OPERATOR),
    Metric("broker_partitions", "gauge", "partitions", (), BROKER, "Partitions of these topics.", OPERATOR),
    Metric("broker_under_replicated_partitions", "gauge", "partitions", (), BROKER, "Partitions with fewer replicas in sync than they should have.", OPERATOR),
    Metric("broker_log_bytes", "gauge", "bytes", (), BROKER, "Size of all log segments on disk.", OPERATOR),
    Metric("broker_resident_bytes", "gauge", "bytes", (), BROKER, "Memory of the Kafka process.", OPERATOR),
    # The continuous audit (`streams audit --continuous`).
    Metric("audit_runs", "counter", "runs", (), AUDIT, "Recounts made.", OPERATOR),
    Metric("audit_rows_checked", "counter", "rows", (), AUDIT, "Rows compared with the recount.", OPERATOR),
    Metric("audit_drift_rows", "gauge", "rows", (), AUDIT, "Rows that the last recount found wrong.", "developer: at once, above 0"),
)
# fmt: on
