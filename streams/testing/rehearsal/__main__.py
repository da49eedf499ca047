"""`python -m streams.testing.rehearsal`: does a rolling restart under load lose a number or a read?"""

from pathlib import Path

import click

from streams.testing.chaos.evidence_folder import carry_out
from streams.testing.rehearsal.run import Wanted, run

RULES = Path("deploy/prometheus")


@click.command(name="rehearsal")
@click.option("--seconds", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Load at least so long.")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="The same seed, the same input.")
@click.option("--rate", type=click.FloatRange(min=10), default=2_000.0, show_default=True, help="Records a second.")
@click.option("--reads", type=click.FloatRange(min=1), default=50.0, show_default=True, help="Reads a second.")
@click.option("--workers", type=click.IntRange(2, 8), default=3, show_default=True)
@click.option("--readers", type=click.IntRange(2, 4), default=2, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep everything there.  [default: kept on failure]")
def command(  # noqa: PLR0913, PLR0917  # one parameter for each option
    seconds: float, seed: int, rate: float, reads: float, workers: int, readers: int, folder: Path | None
) -> None:
    """Run the topology of deploy/ on this machine and restart every process of it in turn, under load.

    Starts a Kafka, workers, read services and (where it is installed) Prometheus of its own. The last line is one JSON
    object. Exits 1 on any wrong row, any read without an answer, or a process that does not end or come back in order.
    """
    wanted = Wanted(seconds, seed, rate, reads, workers, readers, sorted(RULES.glob("*.rules.yml")))
    carry_out("rehearsal", seed, folder, lambda place, say: run(wanted, place, say))


if __name__ == "__main__":
    command()
