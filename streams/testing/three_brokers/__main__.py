"""`python -m streams.testing.three_brokers`: does a change of leaders change a number?"""

from pathlib import Path

import click

from streams.testing.chaos.evidence_folder import carry_out
from streams.testing.three_brokers.run import Wanted, run


@click.command(name="three-brokers")
@click.option(
    "--seconds", type=click.FloatRange(min=10), default=90.0, show_default=True, help="No fault begins later."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=7, show_default=True, help="The same seed, the same faults."
)
@click.option("--rate", type=click.FloatRange(min=10), default=1_000.0, show_default=True, help="Records a second.")
@click.option("--workers", type=click.IntRange(1, 4), default=2, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep everything there.  [default: kept on failure]")
def command(seconds: float, seed: int, rate: float, workers: int, folder: Path | None) -> None:
    """Kill -9 and freeze one of three brokers after the other, restart all in turns, then audit every row.

    Starts brokers, workers and a read service of its own; the load goes on to the end of the rolling restart. The last
    line is one JSON object. Exits 1 on any wrong row, a worker or reader that gives up, or replicas that do not return.
    """
    wanted = Wanted(seconds, seed, rate, workers)
    carry_out("three-brokers", seed, folder, lambda place, say: run(wanted, place, say))


if __name__ == "__main__":
    command()
