"""What `bench capacity` shows: tables on the console, and how many figures are within the tolerance."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.capacity_fit import TOLERANCE, Compared
from bench.capacity_model import Need


class Checked(msgspec.Struct):
    """`within` of `of` figures are off by no more than `tolerance`; `runs`: all figures, by file."""

    within: int
    of: int
    tolerance: float
    runs: dict[str, list[Compared]]


def checked(runs: Mapping[str, Sequence[Compared]]) -> Checked:
    """Count them."""
    every = [one for compared in runs.values() for one in compared]
    within = sum(abs(one.off) <= TOLERANCE for one in every)
    return Checked(within, len(every), TOLERANCE, {name: list(compared) for name, compared in runs.items()})


def show_checked(title: str, found: Checked, console: Console) -> None:
    """One line for each run."""
    figures = [one.figure for one in next(iter(found.runs.values()), [])]
    table = Table("run", *figures, title=f"{title}: {found.within} of {found.of} within {TOLERANCE:.0%}")
    for name, compared in found.runs.items():
        table.add_row(Path(name).stem, *map(_shown, compared))
    console.print(table)


def _shown(one: Compared) -> str:
    text = f"{one.formula:,.4g} for {one.measured:,.4g}, {one.off:+.0%}"
    return text if abs(one.off) <= TOLERANCE else f"[red]{text}[/red]"


def show_need(need: Need, here_ns: float, measured_ns: float, console: Console) -> None:
    """What it takes, and for which machine."""
    table = Table("what", "how much")
    for name, value in msgspec.structs.asdict(need).items():
        table.add_row(name, "; ".join(value) if isinstance(value, list) else f"{value:,.1f}")
    console.print(table)
    console.print(
        f"CPU and speeds are for a machine whose reference work takes {here_ns / 1e6:,.2f} ms idle: "
        f"{here_ns / measured_ns:.2f} times that of the constants. For another one: --reference-ns",
        highlight=False,
    )
