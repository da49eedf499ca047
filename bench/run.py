"""One run: broker, backlog, worker, drain; then the limits and the steps on the same records."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import limits, steps
from bench.backlog import EVENT_TOPICS, FACTS_TOPIC, fill
from bench.drain import Drained, drain
from bench.errors import BenchError
from bench.even_commits import Spread
from bench.profiler import costliest, profiled
from bench.report import ConsumeLimit, Part, Result, WholeJob
from bench.speed import Machine, ReferenceWork, Speed
from bench.usage import LogSizes, Sampler, Usage
from bench.worker import Worker, mean_s
from streams.settings import Settings, variable
from streams.tools.broker import Broker
from streams.tools.broker.probe import free_port
from streams.tools.run.watch import Watch
from streams.tools.simulate.job import STANDARD, Shape

STEP_EVENTS = 400_000
"""Events on which the steps are measured, at most: they are kept in memory."""
NOT_BY_WORKER = {*EVENT_TOPICS, FACTS_TOPIC, "__cluster_metadata"}


class Plan(NamedTuple):
    """What to run. `cache`: where a broker's jars may lie; `profile`: where stacks go, None: no profiling."""

    events: int
    partitions: int
    folder: Path
    cache: Path
    profile: Path | None = None
    shape: Shape = STANDARD
    workers: int = 1
    steps: bool = True
    row_budget: int | None = None


class Drive(NamedTuple):
    """What was seen of one worker."""

    ready_s: float
    drained: Drained
    worker: Usage
    broker: Usage
    sizes: dict[str, int]
    commit_mean_s: float
    even_commits: dict[str, float]
    machine: Machine


def run(plan: Plan, console: Console) -> Result:
    """Measure. BenchError and BrokerError say what went wrong."""
    if (plan.folder / "kafka").exists():
        raise BenchError(f"{plan.folder} holds another run: its events would be folded too; name an empty folder")
    settings = Settings(partitions=plan.partitions, time_mode="history", state_dir=plan.folder / "state")
    work = ReferenceWork()
    idle_ns = work.alone_ns()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns, console=console))
        broker = stack.enter_context(Broker(plan.folder / "kafka", state_dir=plan.cache))
        writing = progress.add_task("Writing the backlog", total=plan.events)
        facts = asyncio.run(
            fill(
                broker.bootstrap,
                settings,
                plan.events,
                lambda done: progress.update(writing, completed=done),
                plan.shape,
            )
        )
        folding = progress.add_task("Folding, three hops", total=plan.events)
        speed = Speed(work)
        drive = asyncio.run(
            _drive(plan, settings, broker, speed, idle_ns, lambda done: progress.update(folding, completed=done))
        )
        job = _whole_job(plan, facts, drive)
        if not plan.steps:
            return Result(job, {}, {}, ConsumeLimit(0, 0, 0, 0))
        measuring = progress.add_task("Limits and steps", total=3)
        found = _limits(broker, plan, job, lambda: progress.advance(measuring))
        measured = asyncio.run(_steps(broker, plan, job, settings))
        progress.advance(measuring)
    if plan.profile is not None:
        for line in costliest(plan.profile.read_text("utf-8")):
            console.print(line, highlight=False)
    return Result(job, _budget(measured.all, found, job), measured.warm, found)


async def _drive(
    plan: Plan, settings: Settings, broker: Broker, speed: Speed, idle_ns: float, on_progress: Callable[[int], None]
) -> Drive:
    base = {
        variable("broker_url"): broker.bootstrap,
        variable("time_mode"): settings.time_mode,
        variable("partitions"): str(plan.partitions),
        variable("state_dir"): str(settings.state_dir),
        variable("log_format"): "json",
    }
    if plan.row_budget is not None:
        base[variable("row_budget")] = str(plan.row_budget)
    ports = [free_port() for _ in range(plan.workers)]
    envs = [
        {**base, variable("metrics_port"): str(port), variable("worker_id"): f"worker-{number}"}
        for number, port in enumerate(ports)
    ]
    sizes = LogSizes(broker.data_dir / "logs")
    async with AsyncExitStack() as stack:
        # Before the worker: what was committed earlier than the first look would not count as this run's.
        watch = await stack.enter_async_context(Watch(broker.bootstrap, partitions=plan.partitions))
        watch.folding = spread = Spread(commits=watch.folding.commits)
        names = ["worker.log", *(f"worker-{number}.log" for number in range(1, plan.workers))]
        workers = [stack.enter_context(Worker(env, plan.folder / name)) for env, name in zip(envs, names, strict=True)]
        usages = Usage(*(worker.pid for worker in workers)), Usage(broker.pid)
        stack.enter_context(Sampler(usages, sizes))
        stack.enter_context(speed)
        ready_s = max([await asyncio.to_thread(worker.await_ready) for worker in workers])
        if plan.profile is not None:
            stack.enter_context(profiled(workers[0].pid, plan.profile))

        def check() -> None:
            for worker in workers:
                worker.check()

        drained = await drain(watch, plan.events, check, on_progress)
        commit_mean_s = await asyncio.to_thread(mean_s, ports[0], "transaction_seconds")
    machine = Machine(speed.mean_ns(ready_s, drained.last_s), idle_ns)
    return Drive(ready_s, drained, *usages, sizes.by_topic(), commit_mean_s, spread.even_commits(), machine)


def _whole_job(plan: Plan, facts: int, drive: Drive) -> WholeJob:
    drained = drive.drained
    part = _part(plan.events, drive.worker, drive.ready_s, drained.last_s)
    written = {topic: size for topic, size in drive.sizes.items() if topic not in NOT_BY_WORKER and size}
    return WholeJob(
        events=part.events, events_per_s=part.events_per_s, events_per_cpu_s=part.events_per_cpu_s,
        cpu_s=part.cpu_s, wall_s=part.wall_s, partitions=plan.partitions, workers=plan.workers, facts=facts,
        users=plan.shape.users, videos=plan.shape.videos, hot_share=plan.shape.hot_share,
        row_budget=plan.row_budget,
        rss_mb=round(drive.worker.peak_mb), transactions=drained.transactions, dead_letters=drained.dead_letters,
        commit_mean_s=round(drive.commit_mean_s, 3),
        bytes_per_event={topic: round(size / plan.events, 1) for topic, size in sorted(written.items())},
        startup_cpu_s=round(drive.worker.cpu_at(drive.ready_s), 2),
        broker_cpu_s=round(drive.broker.cpu_at(drained.last_s) - drive.broker.cpu_at(drive.ready_s), 2),
        after_first_commit=_part(plan.events - drained.first_events, drive.worker, drained.first_s, drained.last_s),
        even_commits=drive.even_commits, machine=drive.machine,
    )  # fmt: skip


def _part(events: int, worker: Usage, first_s: float, last_s: float) -> Part:
    cpu_s, wall_s = worker.cpu_at(last_s) - worker.cpu_at(first_s), last_s - first_s
    # A backlog of one commit leaves nothing after it.
    return Part(
        events, round(events / wall_s) if wall_s > 0 else 0, round(events / cpu_s) if cpu_s > 0 else 0,
        round(cpu_s, 2), round(wall_s, 2),
    )  # fmt: skip


def _limits(broker: Broker, plan: Plan, job: WholeJob, done: Callable[[], None]) -> ConsumeLimit:
    aiokafka_ns = asyncio.run(limits.aiokafka_ns(broker.bootstrap, EVENT_TOPICS, plan.partitions))
    done()
    librdkafka_ns = limits.librdkafka_ns(broker.bootstrap, EVENT_TOPICS, plan.partitions)
    columns_ns = asyncio.run(limits.columns_ns(broker.bootstrap, EVENT_TOPICS, plan.partitions))
    done()
    return ConsumeLimit(
        round(aiokafka_ns), round(columns_ns), round(librdkafka_ns), round(job.events_per_cpu_s * aiokafka_ns / 1e9, 4)
    )


async def _steps(broker: Broker, plan: Plan, job: WholeJob, settings: Settings) -> steps.Steps:
    logs = await limits.read(broker.bootstrap, EVENT_TOPICS, plan.partitions, STEP_EVENTS)
    facts = await limits.read(broker.bootstrap, (FACTS_TOPIC,), plan.partitions, job.facts)
    per_commit = plan.events / max(job.transactions, 1)
    return await steps.measure(logs, facts, plan.partitions, steps.Pace(job.events_per_s, per_commit, settings.sweep_s))


def _budget(ns: dict[str, float], limit: ConsumeLimit, job: WholeJob) -> dict[str, float]:
    """The steps between what reading costs and what is left of the whole: Faust, transactions, sockets, the rest."""
    whole = 1e9 / job.events_per_cpu_s if job.events_per_cpu_s else 0.0
    known = {"fetch": limit.columns_ns, **ns}
    return {**known, "engine_and_rest": round(whole - sum(known.values()), 1), "whole_job": round(whole, 1)}
