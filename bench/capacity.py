"""`python -m bench capacity`: what a load needs, by the measured constants; the last line is JSON."""

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from bench.capacity_fit import TOLERANCE, compare, fit
from bench.capacity_model import Constants, Load, need
from bench.report import WholeJob

CONSTANTS = Path(__file__).with_name("capacity_constants.json")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Job(msgspec.Struct):
    whole_job: WholeJob


def constants(path: Path = CONSTANTS) -> Constants:
    """Those in use."""
    return msgspec.json.decode(path.read_bytes(), type=Constants)


def job_in(path: Path) -> WholeJob:
    """Result of `python -m bench job`: its last line."""
    return msgspec.json.decode(path.read_text("utf-8").strip().splitlines()[-1], type=_Job).whole_job


@click.command("capacity")
@click.option("--events-per-s", default=50_000.0, show_default=True, type=click.FloatRange(min=1), help="At the peak.")
@click.option("--users", default=1_000_000, show_default=True, type=click.IntRange(min=1), help="With a row.")
@click.option("--videos", default=500_000, show_default=True, type=click.IntRange(min=1), help="With facts.")
@click.option("--partitions", default=64, show_default=True, type=click.IntRange(1, 1024), help="Of every topic.")
@click.option("--reads-per-s", default=1_000.0, show_default=True, type=click.FloatRange(min=0), help="Single reads.")
@click.option("--active-share", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="Rows in memory.")
@click.option("--flush-s", default=1.0, show_default=True, type=click.FloatRange(min=0.01), help="Between commits.")
@click.option("--replication", default=3, show_default=True, type=click.IntRange(1, 9), help="Of every topic.")
@click.option("--check", "checked", type=FILE, help="Compare the formulas with a result of `bench job`; exit 1 if off.")
@click.option("--fit", "fitted", multiple=True, type=FILE, help="Results of `bench job`: print constants from them.")
def command(
    checked: Path | None, fitted: tuple[Path, ...], events_per_s: float, users: int, videos: int, partitions: int,
    reads_per_s: float, active_share: float, flush_s: float, replication: int,
) -> None:  # fmt: skip
    """Say what a load needs; with --check whether the formulas fit a run; with --fit the constants of runs."""
    console, known = Console(stderr=True), constants()
    if checked is not None:
        sys.exit(_check(known, job_in(checked), console))
    if fitted:
        try:
            found = fit([job_in(path) for path in fitted], known)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    load = Load(
        events_per_s=events_per_s, users=users, videos=videos, partitions=partitions, reads_per_s=reads_per_s,
        active_share=active_share, flush_s=flush_s, replication=replication,
    )  # fmt: skip
    found_need = need(known, load)
    table = Table("what", "how much")
    for name, value in msgspec.structs.asdict(found_need).items():
        table.add_row(name, "; ".join(value) if isinstance(value, list) else f"{value:,.1f}")
    console.print(table)
    print(msgspec.json.encode(found_need).decode())


def _check(known: Constants, job: WholeJob, console: Console) -> int:
    compared = compare(known, job)
    table = Table("figure", "formula", "measured", "off", title=f"within {TOLERANCE:.0%}?")
    for one in compared:
        table.add_row(one.figure, f"{one.formula:,.2f}", f"{one.measured:,.2f}", f"{one.off:+.0%}")
    console.print(table)
    print(msgspec.json.encode(compared).decode())
    return int(any(abs(one.off) > TOLERANCE for one in compared))
