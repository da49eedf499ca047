"""The live view: a snapshot of the run as panels for a terminal, or as one plain line. Pure."""

from dataclasses import dataclass, field

from rich.bar import Bar
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.tools.run.reads import Ranking


@dataclass(frozen=True)
class Snapshot:
    """What is shown. Rates are a second; `phase` is what the run is doing in a few words."""

    phase: str
    elapsed_s: float
    written: int
    written_rate: float
    folded: int
    folded_rate: float
    lag: int
    dead_letters: int
    restarts: int = 0
    tags: Ranking = field(default_factory=list)
    videos: Ranking = field(default_factory=list)
    user: str = ""
    topics: int = 0
    interests: Ranking = field(default_factory=list)
    urls: tuple[tuple[str, str], ...] = ()


def line(shot: Snapshot) -> str:
    """The snapshot as one line for logs and pipes."""
    parts = [
        f"{shot.elapsed_s:6.0f} s {shot.phase}:",
        f"in {shot.written:,} ({shot.written_rate:,.0f}/s),",
        f"folded {shot.folded:,} ({shot.folded_rate:,.0f}/s),",
        f"lag {shot.lag:,}, dead letters {shot.dead_letters:,}",
    ]
    if shot.restarts:
        parts.append(f"restarts {shot.restarts}")
    if shot.tags:
        parts.append("top tags " + ", ".join(name for name, _ in shot.tags[:3]))
    return " ".join(parts)


def panels(shot: Snapshot) -> RenderableType:
    """The snapshot for a terminal."""
    charts = Columns(
        [
            Panel(_ranking(shot.tags), title="top tags, last 24 h", width=42),
            Panel(_ranking(shot.videos), title="top videos, last 24 h", width=42),
            Panel(_ranking(shot.interests), title=_user_title(shot), width=42),
        ]
    )
    return Group(Panel(_figures(shot), title=f"interaction streams: {shot.phase}"), charts, _urls(shot))


def _figures(shot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_row("events in", f"{shot.written:,}", f"{shot.written_rate:,.0f}/s", "lag", f"{shot.lag:,}")
    table.add_row("folded", f"{shot.folded:,}", f"{shot.folded_rate:,.0f}/s", "dead letters", f"{shot.dead_letters:,}")
    table.add_row("running", f"{shot.elapsed_s:,.0f} s", "", "restarts", f"{shot.restarts}")
    return table


def _ranking(ranking: Ranking) -> RenderableType:
    if not ranking:
        return Text("nothing yet", style="dim")
    greatest = max([score for _, score in ranking] + [1e-9])
    table = Table.grid(padding=(0, 1))
    for name, score in ranking:
        table.add_row(Text(name[:23]), f"{score:,.1f}".removesuffix(".0"), Bar(greatest, 0, max(score, 0.0), width=8))
    return table


def _user_title(shot: Snapshot) -> str:
    return f"interests of {shot.user} ({shot.topics})" if shot.user else "interests"


def _urls(shot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 2))
    for what, url in shot.urls:
        table.add_row(Text(what, style="dim"), url)
    table.add_row(Text("stop", style="dim"), "Ctrl-C")
    return table
