"""`python -m bench job`: one worker drains a backlog of the job; the last line on stdout is JSON."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
from rich.console import Console

from bench.errors import BenchError
from bench.report import show
from bench.run import Plan, run
from streams.settings import load_settings
from streams.tools.broker import BrokerError
from streams.tools.simulate.job import STANDARD, Shape


@click.command("job")
@click.option("--events", default=500_000, show_default=True, type=click.IntRange(min=1), help="Interactions.")
@click.option("--partitions", default=8, show_default=True, type=click.IntRange(1, 1024), help="Of every topic.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep (logs, topics).")
@click.option("--profile", type=click.Path(dir_okay=False, path_type=Path), help="Write the worker's stacks (py-spy).")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 8), help="Worker processes.")
@click.option("--users", default=STANDARD.users, show_default=True, type=click.IntRange(min=1), help="Different users.")
@click.option("--videos", default=STANDARD.videos, show_default=True, type=click.IntRange(min=1), help="And videos.")
@click.option("--hot", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Share of a single video.")
@click.option("--row-budget", type=click.IntRange(min=1), help="Rows in memory (STREAMS_ROW_BUDGET).")
@click.option("--steps/--no-steps", default=True, help="Measure the single steps and the limits too.")
def command(
    events: int,
    partitions: int,
    keep: Path | None,
    profile: Path | None,
    workers: int,
    users: int,
    videos: int,
    hot: float,
    row_budget: int | None,
    steps: bool,
) -> None:
    """Measure the whole job: three hops, exactly once, a broker of its own."""
    console = Console(stderr=True)
    cache = load_settings().state_dir
    try:
        with TemporaryDirectory(prefix="bench-") as temporary:
            shape = Shape(users, videos, hot)
            folder = keep or Path(temporary)
            plan = Plan(events, partitions, folder, cache, profile, shape, workers, steps, row_budget)
            result = run(plan, console)
    except (BenchError, BrokerError) as error:
        console.print(f"bench: {error}", style="red", highlight=False)
        sys.exit(1)
    show(result, console)
    print(msgspec.json.encode(result).decode())
