"""Constants from runs, by least squares; and how far the formulas are off for a run."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import fmean

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.capacity_flow import Flow, held, written
from bench.capacity_model import ROLES, Constants, bytes_written, cpu_s, memory_mb, work
from bench.even_commits import TABLES
from bench.report import WholeJob
from bench.speed import Machine
from streams.tools.simulate.job import Shape

TOLERANCE = 0.3
EVENTS_PER_MIN = 60_000
"""Of event time, in the bench's load (`job_events`)."""
BY_LAYOUT = {"pane"}
"""Bytes that follow from how rows are laid out, and are not fitted: the runs are too short to have many panes."""
HELD = {
    "users": "worker_bytes_per_user", "facts": "worker_bytes_per_fact",
    "counter_rows": "worker_bytes_per_counter_row", "cells": "worker_bytes_per_cell",
}  # fmt: skip
FITTED = (
    "cpu, bytes_per, reference_ns, idle_ns, worker_mb, worker_bytes_per_user, worker_bytes_per_fact, "
    "worker_bytes_per_counter_row, worker_bytes_per_cell"
)
FITTED_BY = (
    "python -m bench growth --results FOLDER, then python -m bench capacity --fit --save FOLDER/*.json; `pane` by the "
    "layout of counter rows (core.rows.CounterRow): a byte or two for the age, one or two for each count"
)
Vector = NDArray[np.float64]


class Compared(msgspec.Struct):
    """One figure of a run: what the formula says, what was measured, and their ratio less one."""

    figure: str
    formula: float
    measured: float
    off: float


def machine(job: WholeJob) -> Machine:
    """How fast it was in a run. ValueError if nobody looked."""
    if job.machine is None:
        raise ValueError("no whole_job.machine (made by an earlier version): run `bench job` or `bench growth` anew")
    return job.machine


def flow_of(job: WholeJob) -> Flow:
    """What a run folded. ValueError if it does not say how evenly."""
    absent = sorted(set(TABLES) - job.even_commits.keys())
    if absent:
        raise ValueError(
            f"no whole_job.even_commits of {', '.join(absent)} (made by an earlier version): "
            "run `bench job` or `bench growth` anew"
        )
    return Flow(
        job.events, job.facts, job.partitions, job.transactions, job.even_commits, job.after_first_commit.wall_s,
        job.workers, Shape(job.users, job.videos, job.hot_share), job.events / EVENTS_PER_MIN,
    )  # fmt: skip


def usable(job: WholeJob) -> WholeJob:
    """The run, if it says all that the formulas need. ValueError otherwise."""
    machine(job)
    flow_of(job)
    if job.row_budget is not None:
        raise ValueError(
            f"whole_job.row_budget is {job.row_budget}: the formulas are of rows that stay in memory; "
            "take a run without --row-budget"
        )
    return job


def fit(jobs: Sequence[WholeJob], before: Constants) -> Constants:
    """Least squares over the runs, none below 0. ValueError unless they differ enough.

    They have to differ in events, users, videos, partitions and workers, as those of `bench growth` do. CPU is brought
    to the speed of an average run. What `BY_LAYOUT` names, and everything else, is taken from `before`.
    """
    flows = [flow_of(job) for job in jobs]
    usual = Machine(fmean(machine(job).reference_ns for job in jobs), fmean(machine(job).idle_ns for job in jobs))
    speeds = [usual.reference_ns / machine(job).reference_ns for job in jobs]
    cpu = {}
    for role in ROLES:
        seconds = [_cpu(job, role) * speed for job, speed in zip(jobs, speeds, strict=True)]
        found = _solve([work(role, flow) for flow in flows], seconds, seconds, f"the {role}'s CPU")
        cpu[role] = {what: round(value * 1e6, 3) for what, value in found.items()}
    memory = [{"worker": float(flow.workers), **held(flow)._asdict()} for flow in flows]
    rss = [job.rss_mb for job in jobs]
    per = _solve(memory, rss, rss, "the memory")
    return msgspec.structs.replace(
        before, cpu=cpu, bytes_per=_bytes(jobs, flows, before), worker_mb=round(per["worker"], 1),
        **{name: round(per[what] * 1e6, 1) for what, name in HELD.items()},
        reference_ns=round(usual.reference_ns), idle_ns=round(usual.idle_ns),
        measured_by={**before.measured_by, FITTED: FITTED_BY},
    )  # fmt: skip


def _cpu(job: WholeJob, role: str) -> float:
    return job.cpu_s if role == "worker" else job.broker_cpu_s


def _bytes(jobs: Sequence[WholeJob], flows: Sequence[Flow], before: Constants) -> dict[str, dict[str, float]]:
    """Errors count by the share of all bytes of their run that they are."""
    counts = [written(flow) for flow in flows]
    totals = [sum(job.bytes_per_event.values()) * job.events for job in jobs]
    found = {}
    for topic in counts[0]:
        known = {what: value for what, value in before.bytes_per[topic].items() if what in BY_LAYOUT}
        rest = [
            job.bytes_per_event.get(topic, 0.0) * job.events - _total(known, of[topic])
            for job, of in zip(jobs, counts, strict=True)
        ]
        open_ = [{what: count for what, count in of[topic].items() if what not in known} for of in counts]
        solved = _solve(open_, rest, totals, f"the bytes of {topic}")
        found[topic] = {**{what: round(value, 3) for what, value in solved.items()}, **known}
    return found


def _total(per: Mapping[str, float], counts: Mapping[str, float]) -> float:
    return sum(value * counts[what] for what, value in per.items())


def _solve(
    counts: Sequence[Mapping[str, float]], measured: Sequence[float], weigh: Sequence[float], what: str
) -> dict[str, float]:
    """Cost of one of each. Errors are taken in parts of `weigh`. None is below 0: the best subset without.

    ValueError if the runs cannot tell the costs apart.
    """
    names, weights = list(counts[0]), 1 / np.array(weigh, np.float64)
    matrix = np.array([[of[name] for name in names] for of in counts]) * weights[:, None]
    scale = np.maximum(matrix.max(axis=0), 1e-300)
    if np.linalg.matrix_rank(matrix / scale) < len(names):
        raise ValueError(f"not enough runs that differ, for {what} by {', '.join(names)}: fit all of `bench growth`")
    costs = _not_negative(matrix / scale, np.array(measured) * weights) / scale
    return dict(zip(names, costs.tolist(), strict=True))


def _not_negative(matrix: Vector, wanted: Vector) -> Vector:
    size = matrix.shape[1]
    best, least = np.zeros(size), float(wanted @ wanted)
    for count in range(1, size + 1):
        for chosen in map(list, combinations(range(size), count)):
            found = np.linalg.lstsq(matrix[:, chosen], wanted, rcond=None)[0]
            off = float(((matrix[:, chosen] @ found - wanted) ** 2).sum())
            if found.min() >= 0 and off < least:
                best, least = np.zeros(size), off
                best[chosen] = found
    return best


def compare(constants: Constants, job: WholeJob) -> list[Compared]:
    """The figures of a run that the formulas give; CPU at the speed that the machine had in it."""
    flow, slower = flow_of(job), machine(job).reference_ns / constants.reference_ns
    figures: dict[str, tuple[Callable[[], float], float]] = {
        "worker_cpu_s": (lambda: cpu_s(constants, "worker", flow) * slower, job.cpu_s),
        "broker_cpu_s": (lambda: cpu_s(constants, "broker", flow) * slower, job.broker_cpu_s),
        "rss_mb": (lambda: memory_mb(constants, flow), job.rss_mb),
        "bytes_per_event": (
            lambda: sum(bytes_written(constants, flow).values()) / job.events,
            sum(job.bytes_per_event.values()),
        ),
    }
    found = []
    for figure, (formula, measured) in figures.items():
        said = formula()
        found.append(Compared(figure, round(said, 3), measured, round(said / measured - 1, 3) if measured else 0.0))
    return found


def left_out(jobs: Mapping[str, WholeJob], before: Constants) -> dict[str, list[Compared]]:
    """Each run compared with constants from all the others; without those that the others cannot stand for."""
    found = {}
    for name, job in jobs.items():
        try:
            constants = fit([other for key, other in jobs.items() if key != name], before)
        except ValueError:
            continue
        found[name] = compare(constants, job)
    return found
