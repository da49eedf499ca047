"""`python -m streams.testing.chaos`: does any fault change a number?"""

from pathlib import Path

import click

from streams.testing.chaos.evidence_folder import carry_out
from streams.testing.chaos.run import Wanted, run


@click.command(name="chaos")
@click.option("--seconds", type=click.FloatRange(min=30), default=180.0, show_default=True, help="Time under faults.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=7, show_default=True, help="The same seed, the same faults."
)
@click.option("--rate", type=click.FloatRange(min=10), default=2_000.0, show_default=True, help="Records a second.")
@click.option("--workers", type=click.IntRange(1, 4), default=2, show_default=True, help="One more comes and goes.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep everything there.  [default: kept on failure]")
def command(seconds: float, seed: int, rate: float, workers: int, folder: Path | None) -> None:
    """Kill, freeze and damage workers and broker under load, then audit every row.

    Starts a Kafka and workers of its own. The last line is one JSON object. Exits 1 on any wrong row, if the pipeline
    does not catch up in the end, or if a partition or worker is idle then; seed and folder are told and kept.
    """
    wanted = Wanted(seconds, seed, rate, workers)
    carry_out("chaos", seed, folder, lambda place, say: run(wanted, place, say))


if __name__ == "__main__":
    command()
