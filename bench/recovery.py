"""`python -m bench recovery`: how long state takes to come back; the last line on stdout is JSON."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
from rich.console import Console

from bench.errors import BenchError
from bench.recovery_run import Plan, run
from streams.settings import load_settings
from streams.tools.broker import BrokerError


@click.command("recovery")
@click.option("--events", default=500_000, show_default=True, type=click.IntRange(min=1), help="Folded beforehand.")
@click.option("--partitions", default=8, show_default=True, type=click.IntRange(1, 1024), help="Of every topic.")
@click.option("--rate", default=1_000, show_default=True, type=click.IntRange(min=1), help="Events a second meanwhile.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep (logs, topics).")
def command(events: int, partitions: int, rate: int, keep: Path | None) -> None:
    """Measure restores from an empty disk, warm restarts, the loss of a worker, and a rolling restart."""
    console = Console(stderr=True)
    cache = load_settings().state_dir
    try:
        with TemporaryDirectory(prefix="bench-") as temporary:
            result = run(Plan(events, partitions, rate, keep or Path(temporary), cache), console)
    except (BenchError, BrokerError) as error:
        console.print(f"bench: {error}", style="red", highlight=False)
        sys.exit(1)
    print(msgspec.json.encode(result).decode())
