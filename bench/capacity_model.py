"""From measured costs to what a load needs. Pure arithmetic; docs/capacity.md says the same in words."""

from math import ceil, isinf

import msgspec

from bench.capacity_flow import Flow, held, rows_written, written, written_partitions
from bench.even_commits import TABLES
from streams.tools.simulate.job import Shape

DAY_S = 86_400
ROLES = ("worker", "broker")


class Constants(msgspec.Struct, kw_only=True, frozen=True):
    """What was measured, each with the command in `measured_by`. MB are 10^6 bytes.

    `cpu`: CPU in us, by role and by what it goes with (`work`). `bytes_per`: written by the worker, by topic and by
    what it goes with (`bench.capacity_flow.written`). `row_bytes`: of one row as written.
    `reference_ns`, `idle_ns`: CPU of the reference work (`bench.speed`) on the machine to which CPU figures apply,
    beside a run and without one.
    """

    cpu: dict[str, dict[str, float]]
    bytes_per: dict[str, dict[str, float]]
    reference_ns: float
    idle_ns: float
    source_bytes_per_event: float
    marker_bytes: float
    row_bytes: dict[str, float]
    rows_per_user: dict[str, float]
    rows_per_video: dict[str, float]
    worker_mb: float
    worker_bytes_per_user: float
    worker_bytes_per_fact: float
    worker_bytes_per_counter_row: float
    worker_bytes_per_cell: float
    reader_mb: float
    reader_bytes_per_row: float
    restore_rows_per_s: float
    reader_records_per_s: float
    reads_per_cpu_s: float
    measured_by: dict[str, str]


class Load(msgspec.Struct, kw_only=True, frozen=True):
    """What has to be carried: `users` and `videos` are those with a row, `active_share` those in memory at once."""

    events_per_s: float
    users: int
    videos: int
    partitions: int
    active_share: float = 1.0
    reads_per_s: float = 0.0
    flush_s: float = 1.0
    row_budget: int = 2_000_000
    """Rows that a worker holds in memory at most, about: STREAMS_ROW_BUDGET."""
    hot_share: float = 0.0
    """Of all events, about one single video."""
    standbys: int = 1
    replication: int = 3
    retention_days: float = 14.0
    busy: float = 0.7
    """Share of a core that a process may use, so that it catches up after a stop."""


class Need(msgspec.Struct, kw_only=True, frozen=True):
    """What it takes. Per second unless the name says otherwise; disk and network of all brokers together."""

    workers: int
    worker_cores: float
    worker_mb: float
    readers: int
    reader_mb: float
    broker_cores: float
    transactions_per_s: float
    written_partitions_per_s: float
    changelog_mb_per_s: float
    network_mb_per_s: float
    disk_gb: float
    table_gb: float
    worker_disk_gb: float
    restore_partition_s: float
    restore_worker_s: float
    reader_start_s: float
    share_of_cpu_for_transactions: float
    limits: list[str]


def cpu_s(constants: Constants, role: str, flow: Flow) -> float:
    """CPU seconds of a role ("worker", "broker") to fold this, at the speed at which the constants were measured."""
    return sum(count * constants.cpu[role][what] for what, count in work(role, flow).items()) / 1e6


def work(role: str, flow: Flow) -> dict[str, float]:
    """What CPU goes with, and how much of it there is. A start counts where something starts: in a single run."""
    per_transaction = flow.events / max(flow.transactions, 1e-9)
    starts = flow.workers if role == "worker" else 1
    return {
        "start": 0.0 if isinf(flow.span_min) else float(starts),
        "event": flow.events,
        "row": sum(rows_written(flow).values()),
        "fact": flow.facts * flow.workers,
        "written_partition": flow.transactions * written_partitions(flow.partitions, per_transaction),
    }


def bytes_written(constants: Constants, flow: Flow) -> dict[str, float]:
    """By the worker, by topic."""
    return {
        topic: sum(count * constants.bytes_per[topic][what] for what, count in counts.items())
        for topic, counts in written(flow).items()
    }


def memory_mb(constants: Constants, flow: Flow) -> float:
    """Of all workers together: rows are shared among them; each knows the facts of all videos."""
    found = held(flow)
    parts = (
        found.users * constants.worker_bytes_per_user + found.facts * constants.worker_bytes_per_fact
        + found.counter_rows * constants.worker_bytes_per_counter_row + found.cells * constants.worker_bytes_per_cell
    )  # fmt: skip
    return flow.workers * constants.worker_mb + parts / 1e6


def table_rows(constants: Constants, load: Load) -> dict[str, float]:
    """Rows of each table."""
    tables = {*constants.rows_per_user, *constants.rows_per_video}
    return {
        table: load.users * constants.rows_per_user.get(table, 0) + load.videos * constants.rows_per_video.get(table, 0)
        for table in sorted(tables)
    }


def need(constants: Constants, load: Load, slower: float = 1.0) -> Need:
    """What the load takes on a machine that needs `slower` times the CPU. O(tables and groups of like rows)."""
    flow = _second(load)
    per_transaction = flow.events / flow.transactions
    touched = flow.transactions * written_partitions(load.partitions, per_transaction)
    cores = {role: cpu_s(constants, role, flow) * slower for role in ROLES}
    workers = max(ceil(cores["worker"] / load.busy), 1)
    rows = table_rows(constants, load)
    table_bytes = sum(count * constants.row_bytes[table] for table, count in rows.items())
    by_topic = bytes_written(constants, flow)
    tables = sum(size for topic, size in by_topic.items() if topic in rows)
    markers = touched * constants.marker_bytes
    source = load.events_per_s * constants.source_bytes_per_event
    kept = source + sum(by_topic.values()) - tables + markers
    disk = load.replication * kept * load.retention_days * DAY_S
    served = sum(count for table, count in rows.items() if table not in {"pairs", "parked"})
    all_rows = sum(rows.values())
    readers = max(ceil(load.reads_per_s / (constants.reads_per_cpu_s / slower * load.busy)), 2)
    return Need(
        workers=workers, worker_cores=cores["worker"], worker_mb=worker_mb(constants, load, workers),
        readers=readers, reader_mb=constants.reader_mb + served * constants.reader_bytes_per_row / 1e6,
        broker_cores=cores["broker"] * load.replication ** 0.5, transactions_per_s=flow.transactions,
        written_partitions_per_s=touched, changelog_mb_per_s=tables / 1e6,
        network_mb_per_s=((kept + tables) * (load.replication + 1) + tables * (load.standbys + readers)) / 1e6,
        disk_gb=(disk + 2 * load.replication * table_bytes) / 1e9, table_gb=table_bytes / 1e9,
        worker_disk_gb=2 * (1 + load.standbys) * table_bytes / workers / 1e9,
        restore_partition_s=2 * all_rows / load.partitions / constants.restore_rows_per_s * slower,
        restore_worker_s=2 * all_rows / workers / constants.restore_rows_per_s * slower,
        reader_start_s=2 * served / constants.reader_records_per_s * slower,
        share_of_cpu_for_transactions=touched * constants.cpu["worker"]["written_partition"] / 1e6 * slower
        / cores["worker"],
        limits=limits(load, workers, served * constants.reader_bytes_per_row / 1e9, touched),
    )  # fmt: skip


def worker_mb(constants: Constants, load: Load, workers: int) -> float:
    """Of one of so many workers: what is active, as far as the row budget lets it stay in memory."""
    users, videos = (max(int(count * load.active_share), 1) for count in (load.users, load.videos))
    flow = _second(load)._replace(workers=workers, facts=videos, shape=Shape(users, videos, load.hot_share))
    bare = memory_mb(constants, flow._replace(events=0.0))
    found = held(flow)
    in_memory = min(load.row_budget * workers / max(found.users + found.counter_rows, 1), 1.0)
    return (bare + (memory_mb(constants, flow) - bare) * in_memory) / workers


def _second(load: Load) -> Flow:
    """One second of it, after it has gone on for ever; all commits alike."""
    return Flow(
        load.events_per_s, 0.0, load.partitions, load.partitions / load.flush_s,
        dict.fromkeys(TABLES, 1 / load.flush_s), 1.0, 1, Shape(load.users, load.videos, load.hot_share),
    )  # fmt: skip


MOST_READER_GB, MOST_WRITTEN_PER_S = 64.0, 100_000.0


def limits(load: Load, workers: int, reader_gb: float, written: float) -> list[str]:
    """What breaks, in words; empty if nothing does."""
    found = []
    if workers > load.partitions:
        found.append(f"{workers} workers are needed and {load.partitions} partitions allow no more: more partitions")
    if reader_gb > MOST_READER_GB:
        found.append(
            f"a reader holds all rows, {reader_gb:,.0f} GB: it needs rows on disk or a share of the partitions"
        )
    if written > MOST_WRITTEN_PER_S:
        found.append(
            f"{written:,.0f} partitions are written to by transactions each second, and as many markers: "
            "longer flush_ms, or fewer partitions"
        )
    return found
