"""`python -m bench capacity`: what a load needs, by the measured constants; the last line is JSON."""

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console

from bench.capacity_fit import compare, fit, left_out, usable
from bench.capacity_model import Constants, Load, need
from bench.capacity_show import checked, show_checked, show_need
from bench.report import WholeJob
from bench.speed import ReferenceWork

CONSTANTS = Path(__file__).with_name("capacity_constants.json")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Job(msgspec.Struct):
    whole_job: WholeJob


def constants(path: Path = CONSTANTS) -> Constants:
    """Those in use."""
    return msgspec.json.decode(path.read_bytes(), type=Constants)


def job_in(path: Path) -> WholeJob:
    """Result of `python -m bench job`: its last line. ValueError if it is none."""
    lines = path.read_text("utf-8").strip().splitlines()
    try:
        return msgspec.json.decode(lines[-1] if lines else "", type=_Job).whole_job
    except msgspec.DecodeError as error:
        raise ValueError(f"not a result of `bench job`: {error}; name a file with its output") from error


@click.command("capacity")
@click.argument("results", nargs=-1, type=FILE)
@click.option("--check", "checking", is_flag=True, help="Compare the formulas with RESULTS; exit 1 if one is off.")
@click.option("--fit", "fitting", is_flag=True, help="Print constants from RESULTS (those of `bench growth`).")
@click.option("--save", is_flag=True, help="With --fit: also put them in use (bench/capacity_constants.json).")
@click.option("--events-per-s", default=50_000.0, show_default=True, type=click.FloatRange(min=1), help="At the peak.")
@click.option("--users", default=1_000_000, show_default=True, type=click.IntRange(min=1), help="With a row.")
@click.option("--videos", default=500_000, show_default=True, type=click.IntRange(min=1), help="With facts.")
@click.option("--hot", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Share of a single video.")
@click.option("--partitions", default=64, show_default=True, type=click.IntRange(1, 1024), help="Of every topic.")
@click.option("--reads-per-s", default=1_000.0, show_default=True, type=click.FloatRange(min=0), help="Single reads.")
@click.option("--active-share", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="Active in a day.")
@click.option("--row-budget", default=2_000_000, show_default=True, type=click.IntRange(min=1), help="Of a worker.")
@click.option("--flush-s", default=1.0, show_default=True, type=click.FloatRange(min=0.01), help="Between commits.")
@click.option("--replication", default=3, show_default=True, type=click.IntRange(1, 9), help="Of every topic.")
@click.option(
    "--reference-ns", type=click.FloatRange(min=1),
    help="CPU of the reference work on the machine planned for, idle (whole_job.machine.idle_ns of a run there); "
    "measured here for a second if not given.",
)  # fmt: skip
def command(
    results: tuple[Path, ...], checking: bool, fitting: bool, save: bool, events_per_s: float, users: int, videos: int,
    hot: float, partitions: int, reads_per_s: float, active_share: float, row_budget: int, flush_s: float,
    replication: int, reference_ns: float | None,
) -> None:  # fmt: skip
    """Say what a load needs; with --check whether the formulas fit RESULTS; with --fit the constants of RESULTS."""
    console = Console(stderr=True)
    _together(results, checking=checking, fitting=fitting, save=save)
    try:
        if fitting:
            _fit(results, console, save=save)
            return
        if checking:
            sys.exit(_check(results, console))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    load = Load(
        events_per_s=events_per_s, users=users, videos=videos, hot_share=hot, partitions=partitions,
        reads_per_s=reads_per_s, active_share=active_share, row_budget=row_budget, flush_s=flush_s,
        replication=replication,
    )  # fmt: skip
    known = constants()
    here_ns = reference_ns or ReferenceWork().alone_ns()
    found = need(known, load, here_ns / known.idle_ns)
    show_need(found, here_ns, known.idle_ns, console)
    print(msgspec.json.encode(found).decode())


def _together(results: tuple[Path, ...], *, checking: bool, fitting: bool, save: bool) -> None:
    if checking and fitting:
        raise click.UsageError("--check and --fit at once: give one of them")
    if (checking or fitting) != bool(results):
        wrong = "without RESULTS: name" if checking or fitting else f"nor --fit for {results[0]}: give one to use"
        raise click.UsageError(f"{'--check or --fit' if checking or fitting else 'neither --check'} {wrong} results")
    if save and not fitting:
        raise click.UsageError("--save without --fit: it saves what --fit finds; add --fit")


def _jobs(results: tuple[Path, ...]) -> dict[str, WholeJob]:
    """By file. ValueError names the one that cannot be used."""
    found = {}
    for path in results:
        try:
            found[str(path)] = usable(job_in(path))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return found


def _fit(results: tuple[Path, ...], console: Console, *, save: bool) -> None:
    jobs, before = _jobs(results), constants()
    found = fit(list(jobs.values()), before)
    show_checked(
        "constants from all of them", checked({name: compare(found, job) for name, job in jobs.items()}), console
    )
    others = left_out(jobs, before)
    show_checked("each run, by constants from the others", checked(others), console)
    for name in jobs.keys() - others.keys():
        console.print(f"{name} cannot be left out: only it tells some of the costs apart", highlight=False)
    text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    if save:
        CONSTANTS.write_text(text, "utf-8")
    print(text, end="")


def _check(results: tuple[Path, ...], console: Console) -> int:
    known = constants()
    found = checked({name: compare(known, job) for name, job in _jobs(results).items()})
    show_checked("formulas against runs", found, console)
    print(msgspec.json.encode(found).decode())
    return 0 if found.within == found.of else 1
