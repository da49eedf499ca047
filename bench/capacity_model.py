"""From measured costs to what a load needs. Pure arithmetic; docs/capacity.md says the same in words."""

from math import ceil

import msgspec
import numpy as np

DAY_S = 86_400
OWN_TOPICS = 8
"""Partitions that every commit writes: tables and charts (6), commit record, offsets."""
ROLES = ("worker", "broker")


class Constants(msgspec.Struct, kw_only=True, frozen=True):
    """What was measured, each with the command in `measured_by`. MB are 10^6 bytes.

    `ns_per_event`: CPU of all three hops, by role. `us_per_fact`: CPU, by role, of the facts of one video.
    `us_per_written_partition`: CPU, by role, of one partition that one transaction writes to.
    `bytes_per_event`, `bytes_per_fact`: written by the worker, by topic. `row_bytes`: of one row as written.
    """

    ns_per_event: dict[str, float]
    us_per_fact: dict[str, float]
    us_per_written_partition: dict[str, float]
    bytes_per_event: dict[str, float]
    bytes_per_fact: dict[str, float]
    source_bytes_per_event: float
    marker_bytes: float
    row_bytes: dict[str, float]
    rows_per_user: dict[str, float]
    rows_per_video: dict[str, float]
    worker_mb: float
    worker_bytes_per_user: float
    worker_bytes_per_video: float
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


def written_partitions(partitions: int, events_per_transaction: float) -> float:
    """Partitions that one commit writes: its own, and one of each tally topic for each destination it has cells for.

    A commit of few events reaches few destinations: n balls into P boxes.
    """
    reached = partitions * (1 - (1 - 1 / partitions) ** events_per_transaction) if partitions > 1 else 1.0
    return OWN_TOPICS + 2 * reached


def cpu_s(
    constants: Constants, role: str, events: float, partitions: int, transactions: float, facts: float = 0.0
) -> float:
    """CPU seconds of a role ("worker", "broker") for so many events and facts of videos in so many commits."""
    written = transactions * written_partitions(partitions, events / max(transactions, 1))
    us = facts * constants.us_per_fact[role] + written * constants.us_per_written_partition[role]
    return events * constants.ns_per_event[role] / 1e9 + us / 1e6


def bytes_written(constants: Constants, events: float, facts: float = 0.0) -> float:
    """By the worker, to all topics, for so many events and facts of videos."""
    return events * sum(constants.bytes_per_event.values()) + facts * sum(constants.bytes_per_fact.values())


def memory_mb(constants: Constants, users: float, videos: float, workers: int = 1) -> float:
    """Of all workers together: rows are shared among them; each knows the facts of all videos."""
    rows = users * constants.worker_bytes_per_user + workers * videos * constants.worker_bytes_per_video
    return workers * constants.worker_mb + rows / 1e6


def distinct(events: int, among: int, exponent: float) -> float:
    """Different ones that so many Zipf-distributed events are about."""
    mass = np.arange(1, among + 1, dtype=np.float64) ** -exponent
    return float(-np.expm1(-events * mass / mass.sum()).sum())


def table_rows(constants: Constants, load: Load) -> dict[str, float]:
    """Rows of each table."""
    tables = {*constants.rows_per_user, *constants.rows_per_video}
    return {
        table: load.users * constants.rows_per_user.get(table, 0) + load.videos * constants.rows_per_video.get(table, 0)
        for table in sorted(tables)
    }


def need(constants: Constants, load: Load) -> Need:
    """What the load takes. O(tables)."""
    transactions = load.partitions / load.flush_s
    per_transaction = load.events_per_s / transactions
    written = transactions * written_partitions(load.partitions, per_transaction)
    cores = {role: cpu_s(constants, role, load.events_per_s, load.partitions, transactions) for role in ROLES}
    events_cores = load.events_per_s * constants.ns_per_event["worker"] / 1e9
    workers = max(ceil(cores["worker"] / load.busy), 1)
    rows = table_rows(constants, load)
    table_bytes = sum(count * constants.row_bytes[table] for table, count in rows.items())
    derived = bytes_written(constants, load.events_per_s) + written * constants.marker_bytes
    tables = load.events_per_s * sum(constants.bytes_per_event.get(table, 0) for table in rows)
    source = load.events_per_s * constants.source_bytes_per_event
    kept = load.events_per_s * sum(b for t, b in constants.bytes_per_event.items() if t not in rows)
    disk = load.replication * ((source + kept + written * constants.marker_bytes) * load.retention_days * DAY_S)
    served = sum(count for table, count in rows.items() if table not in {"pairs", "parked"})
    all_rows = sum(rows.values())
    readers = max(ceil(load.reads_per_s / (constants.reads_per_cpu_s * load.busy)), 2)
    return Need(
        workers=workers, worker_cores=cores["worker"],
        worker_mb=memory_mb(constants, load.users * load.active_share, load.videos * load.active_share, workers)
        / workers,
        readers=readers, reader_mb=constants.reader_mb + served * constants.reader_bytes_per_row / 1e6,
        broker_cores=cores["broker"] * load.replication ** 0.5, transactions_per_s=transactions,
        written_partitions_per_s=written, changelog_mb_per_s=tables / 1e6,
        network_mb_per_s=((source + derived) * (load.replication + 1) + tables * (load.standbys + readers)) / 1e6,
        disk_gb=(disk + 2 * load.replication * table_bytes) / 1e9, table_gb=table_bytes / 1e9,
        worker_disk_gb=2 * (1 + load.standbys) * table_bytes / workers / 1e9,
        restore_partition_s=2 * all_rows / load.partitions / constants.restore_rows_per_s,
        restore_worker_s=2 * all_rows / workers / constants.restore_rows_per_s,
        reader_start_s=2 * served / constants.reader_records_per_s,
        share_of_cpu_for_transactions=1 - events_cores / cores["worker"],
        limits=limits(load, workers, served * constants.reader_bytes_per_row / 1e9, written),
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
