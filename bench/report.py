"""The result: the shape of the JSON line, and the same as tables for people."""

import msgspec
from rich.console import Console
from rich.table import Table

from bench.speed import Machine


class Part(msgspec.Struct):
    """The same figures for the part of the run after the first commit with events: rows and caches are warm."""

    events: int
    events_per_s: float
    events_per_cpu_s: float
    cpu_s: float
    wall_s: float


class WholeJob(msgspec.Struct, kw_only=True):
    """From the instant the worker was ready until the last hop was committed; facts are folded in that time too.

    `cpu_s` is of the worker's whole process tree, its start (`startup_cpu_s`) left out; `broker_cpu_s` is the
    broker's in the same time. `bytes_per_event`: written by the worker, by topic. `commit_mean_s`: from begin to
    committed. `row_budget`: None is the usual one. `even_commits`: of a partition, by table, as if all were equal
    (`bench.even_commits`). `machine`: how fast it was. Results of earlier versions lack these two.
    """

    events: int
    events_per_s: float
    events_per_cpu_s: float
    cpu_s: float
    wall_s: float
    partitions: int
    workers: int = 1
    facts: int
    users: int = 100_000
    videos: int = 50_000
    hot_share: float = 0.0
    row_budget: int | None = None
    rss_mb: float
    bytes_per_event: dict[str, float]
    transactions: int
    dead_letters: int
    commit_mean_s: float
    startup_cpu_s: float
    broker_cpu_s: float
    after_first_commit: Part
    even_commits: dict[str, float] = {}
    machine: Machine | None = None


class ConsumeLimit(msgspec.Struct):
    """CPU of merely reading the events; `columns_ns`: as the worker does.

    `ratio`: of the whole job's speed to that of aiokafka's `getmany`.
    """

    aiokafka_ns: float
    columns_ns: float
    librdkafka_ns: float
    ratio: float


class Result(msgspec.Struct):
    """What the last line says. `warm`: the steps measured on the second half of the events, off the whole run."""

    whole_job: WholeJob
    ns_per_event: dict[str, float]
    ns_per_event_warm: dict[str, float]
    consume_limit: ConsumeLimit


def show(result: Result, console: Console) -> None:
    """Tables on the console."""
    job, limit = result.whole_job, result.consume_limit
    table = Table("step", "ns an event", "second half", title="Budget (CPU)")
    for step, ns in result.ns_per_event.items():
        warm = result.ns_per_event_warm.get(step)
        table.add_row(step, f"{ns:,.0f}", "" if warm is None else f"{warm:,.0f}")
    console.print(table)
    speed = "" if job.machine is None else f"\nreference work: {job.machine.reference_ns / 1e6:,.2f} ms of CPU"
    console.print(
        f"{job.events:,} events, {job.partitions} partitions, {job.workers} worker(s): "
        f"{job.events_per_cpu_s:,.0f} per CPU-second, {job.events_per_s:,.0f} per second, "
        f"{job.rss_mb:,.0f} MB, {job.transactions:,} transactions, "
        f"{sum(job.bytes_per_event.values()):,.0f} bytes written per event\n"
        f"after the first commit: {job.after_first_commit.events_per_cpu_s:,.0f} per CPU-second\n"
        f"reading alone: aiokafka {limit.aiokafka_ns:,.0f} ns, as columns {limit.columns_ns:,.0f} ns, "
        f"librdkafka {limit.librdkafka_ns:,.0f} ns; "
        f"the whole job runs at {limit.ratio:.3f} of aiokafka's speed{speed}",
        highlight=False,
    )
