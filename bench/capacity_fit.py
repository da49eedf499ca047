"""Constants from results of `bench job`, and the comparison of the formulas with such a result."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.capacity_model import ROLES, Constants, bytes_written, cpu_s, distinct, memory_mb, written_partitions
from bench.report import WholeJob
from streams.tools.simulate.job import USER_EXPONENT

TOLERANCE = 0.3
Vector = NDArray[np.float64]


class Compared(msgspec.Struct):
    """One figure of a run: what the formula says, what was measured, and their ratio less one."""

    figure: str
    formula: float
    measured: float
    off: float


def met(job: WholeJob) -> tuple[float, float]:
    """Different users, and videos whose facts are known, in a run."""
    return distinct(job.events, job.users, USER_EXPONENT), float(job.facts)


def _cpu(job: WholeJob, role: str) -> float:
    return job.cpu_s if role == "worker" else job.broker_cpu_s


def fit(jobs: Sequence[WholeJob], before: Constants) -> Constants:
    """Least squares over the runs, none below 0. ValueError unless they differ enough.

    CPU needs runs with different numbers of partitions and videos, memory needs different users and videos. Bytes are
    those of the first run, which should be a usual one. Everything else is taken from `before`.
    """
    per_event, per_fact, per_partition = {}, {}, {}
    for role in ROLES:
        rows = [[job.events / 1e9, job.facts / 1e6, job.transactions * _written(job) / 1e6] for job in jobs]
        solved = _solve(rows, [_cpu(job, role) for job in jobs], "partitions and videos")
        per_event[role], per_fact[role], per_partition[role] = solved
    rows = [[float(job.workers), met(job)[0] / 1e6, job.workers * met(job)[1] / 1e6] for job in jobs]
    base, per_user, per_video = _solve(rows, [job.rss_mb for job in jobs], "users and videos")
    events_bytes, facts_bytes = _bytes(jobs)
    return msgspec.structs.replace(
        before, ns_per_event=per_event, us_per_fact=per_fact, us_per_written_partition=per_partition,
        bytes_per_event=events_bytes, bytes_per_fact=facts_bytes, worker_mb=base, worker_bytes_per_user=per_user,
        worker_bytes_per_video=per_video,
    )  # fmt: skip


def _bytes(jobs: Sequence[WholeJob]) -> tuple[dict[str, float], dict[str, float]]:
    """By topic: bytes of an event, as in the first run; of a fact, as the run with the most facts wrote more."""
    usual, more = jobs[0], max(jobs, key=lambda job: job.facts)
    facts = more.facts - usual.facts * more.events / usual.events
    if facts <= 0:
        raise ValueError("the first run should not be the one with the most facts of videos")
    per_event, per_fact = {}, {}
    for topic, of_event in usual.bytes_per_event.items():
        fact = max((more.bytes_per_event.get(topic, 0.0) - of_event) * more.events / facts, 0.0)
        per_fact[topic] = round(fact, 1)
        per_event[topic] = round(of_event - fact * usual.facts / usual.events, 1)
    return per_event, per_fact


def _written(job: WholeJob) -> float:
    return written_partitions(job.partitions, job.events / max(job.transactions, 1))


def _solve(rows: list[list[float]], measured: list[float], differ: str) -> list[float]:
    matrix = np.array(rows)
    if np.linalg.matrix_rank(matrix / matrix.max(axis=0)) < matrix.shape[1]:
        raise ValueError(f"not enough runs that differ in {differ}")
    weights = 1 / np.array(measured)
    scale = matrix.max(axis=0)
    found: Vector = np.linalg.lstsq(matrix / scale * weights[:, None], np.ones(len(rows)), rcond=None)[0]
    return [round(max(float(value), 0.0), 3) for value in found / scale]


def compare(constants: Constants, job: WholeJob) -> list[Compared]:
    """The figures of a run that the formulas give."""
    users, videos = met(job)
    load = job.events, job.partitions, job.transactions, job.facts
    figures: dict[str, tuple[Callable[[], float], float]] = {
        "worker_cpu_s": (lambda: cpu_s(constants, "worker", *load), job.cpu_s),
        "broker_cpu_s": (lambda: cpu_s(constants, "broker", *load), job.broker_cpu_s),
        "rss_mb": (lambda: memory_mb(constants, users, videos, job.workers), job.rss_mb),
        "bytes_per_event": (
            lambda: bytes_written(constants, job.events, job.facts) / job.events,
            sum(job.bytes_per_event.values()),
        ),
    }
    found = []
    for figure, (formula, measured) in figures.items():
        said = formula()
        found.append(Compared(figure, round(said, 3), measured, round(said / measured - 1, 3) if measured else 0.0))
    return found
