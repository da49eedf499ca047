"""Results of `bench growth` as Markdown: a table and a chart (Mermaid) for each series."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.growth_point import Point

HEAD = ("events per CPU-second", "events per second", "MB", "transactions", "mean commit")
SHORT = ((1_000_000, "M"), (1_000, "k"))


def as_markdown(points: Sequence[Point]) -> str:
    """One section for each series, in the order of the runs."""
    return "\n".join(line for name, group in groupby(points, lambda p: p.series) for line in _section(name, [*group]))


def _section(name: str, points: Sequence[Point]) -> Iterator[str]:
    yield f"| {name} | {' | '.join(HEAD)} |"
    yield "|---" * (len(HEAD) + 1) + "|"
    for point in points:
        figures = (point.events_per_cpu_s, point.events_per_s, point.rss_mb, point.transactions)
        shown = " | ".join(f"{figure:,.0f}" for figure in figures)
        yield f"| {_short(point.value)} | {shown} | {point.commit_mean_s:.3f} s |"
    yield from ("", "```mermaid", "xychart-beta", f'    title "Events per CPU-second by {name}"')
    yield f"    x-axis [{', '.join(_short(point.value) for point in points)}]"
    top = max(point.events_per_cpu_s for point in points)
    yield f'    y-axis "events per CPU-second" 0 --> {_above(top)}'
    yield f"    bar [{', '.join(f'{point.events_per_cpu_s:.0f}' for point in points)}]"
    yield from ("```", "")


def _short(value: float) -> str:
    for size, letter in SHORT:
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _above(value: float) -> int:
    """The next multiple of 20,000."""
    return (int(value) // 20_000 + 1) * 20_000
