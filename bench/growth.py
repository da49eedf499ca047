"""`python -m bench growth`: the cost as users, videos, skew, partitions and workers grow; the last line is JSON."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
from rich.console import Console
from rich.table import Table

from bench.growth_kept import kept_job
from bench.growth_page import as_markdown
from bench.growth_point import Point
from bench.report import WholeJob
from bench.run import Plan, run
from streams.settings import load_settings
from streams.tools.simulate.job import Shape

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def plans(events: int, folder: Path, cache: Path) -> Iterator[tuple[str, float, Plan]]:
    """The runs: one thing is changed at a time."""
    base = Plan(events, 8, folder, cache, steps=False)
    # What a process costs once, and what grows with event time, shows only in longer runs.
    for longer in (2 * events, events * 10 // 3):
        yield "events", longer, base._replace(events=longer)
    for users in (10_000, 1_000_000, 5_000_000):
        yield "users", users, base._replace(shape=Shape(users=users))
    for videos in (10_000, 300_000, 1_000_000):
        yield "videos", videos, base._replace(shape=Shape(videos=videos))
    for share in (0.0, 0.1, 0.5):
        yield "hot share", share, base._replace(shape=Shape(hot_share=share))
    for partitions in (16, 32, 64):
        yield "partitions", partitions, base._replace(partitions=partitions)
    yield "workers", 2, base._replace(workers=2)


@click.command("growth")
@click.option("--events", default=600_000, show_default=True, type=click.IntRange(min=1), help="Of each run.")
@click.option("--series", multiple=True, help="Only these (events, users, videos, hot share, partitions, workers).")
@click.option(
    "--results",
    type=FOLDER,
    help="Keep each run's result, as `bench job` prints it, in this folder; what is there already is not run again.",
)
@click.option("--page", type=FILE, help="Write tables and charts as Markdown.")
def command(events: int, series: tuple[str, ...], results: Path | None, page: Path | None) -> None:
    """Run the job again and again, each time with one thing changed."""
    console = Console(stderr=True)
    cache = load_settings().state_dir
    points = []
    if results is not None:
        results.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="bench-") as temporary:
        for name, value, plan in plans(events, Path(temporary) / "run", cache):
            if series and name not in series:
                continue
            console.rule(f"{name} {value:,g}")
            kept = None if results is None else results / f"{name.replace(' ', '-')}-{value:g}.json"
            points.append(_point(name, value, plan, run_once(plan, kept, console)))
    _show(points, console)
    if page is not None:
        page.write_text(as_markdown(points), "utf-8")
    print(msgspec.json.encode(points).decode())


def run_once(plan: Plan, kept: Path | None, console: Console) -> WholeJob:
    """The run's result: the one kept, if there is one."""
    if kept is not None and kept.exists():
        console.print(f"{kept} is there already", highlight=False)
        return kept_job(plan, kept)
    result = run(plan, console)
    shutil.rmtree(plan.folder)
    if kept is not None:
        unfinished = kept.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.encode(result))
        unfinished.replace(kept)
    return result.whole_job


def _point(name: str, value: float, plan: Plan, job: WholeJob) -> Point:
    shape = plan.shape
    return Point(
        name, value, job.events, shape.users, shape.videos, shape.hot_share, plan.partitions, plan.workers,
        job.events_per_cpu_s, job.events_per_s, job.rss_mb, job.transactions, job.commit_mean_s,
    )  # fmt: skip


def _show(points: list[Point], console: Console) -> None:
    table = Table("series", "value", "events per CPU-second", "events per second", "MB", "transactions")
    for point in points:
        figures = (point.events_per_cpu_s, point.events_per_s, point.rss_mb, point.transactions)
        table.add_row(point.series, f"{point.value:,g}", *(f"{figure:,.0f}" for figure in figures))
    console.print(table)
