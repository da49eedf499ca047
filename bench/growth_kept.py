"""Results of `bench growth` that are there already: a measurement that was broken off goes on where it was."""

from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from bench.capacity_fit import usable
from bench.report import Result, WholeJob
from bench.run import Plan


class Kept(NamedTuple):
    """What tells one run from another."""

    events: int
    partitions: int
    workers: int
    users: int
    videos: int
    hot_share: float


def kept_job(plan: Plan, path: Path) -> WholeJob:
    """Its result as kept. UsageError if it is another run's, or an earlier version's."""
    try:
        job = usable(msgspec.json.decode(path.read_bytes(), type=Result).whole_job)
    except ValueError as error:
        raise click.UsageError(f"{path}: {error}, or name another folder") from error
    wanted = Kept(plan.events, plan.partitions, plan.workers, plan.shape.users, plan.shape.videos, plan.shape.hot_share)
    found = Kept(job.events, job.partitions, job.workers, job.users, job.videos, job.hot_share)
    for field, want, have in zip(Kept._fields, wanted, found, strict=True):
        if want != have:
            raise click.UsageError(
                f"{path}: {field} is {have:g}, not {want:g}: give the same --events, or another folder"
            )
    return job
