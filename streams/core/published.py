"""JSON that is published beside the tables: charts and commits."""

import msgspec


class Chart(msgspec.Struct, kw_only=True):
    """Topic `charts`, key `kind|scope|window|partition`: the exact top entities of one partition.

    Window `1h` = the 60 minute panes ending with the watermark's minute, `24h` = the 24 hour panes ending with its
    hour. Entries sorted by (-score, id); only scores above 0.
    """

    v: int = 1
    kind: str
    scope: str
    window: str
    partition: int
    watermark_ms: int
    entries: list["ChartEntry"]


class ChartEntry(msgspec.Struct):
    """One entity of a chart: its counts in the window and their score."""

    id: str
    score: int
    views: int
    likes: int
    shares: int


class Commit(msgspec.Struct, kw_only=True):
    """Topic `commits`, key = partition: what one commit of a unit stands for.

    `positions`: next offset by source topic. `tables`: next changelog offset by table topic.
    `folded`: tally topic -> origin partition -> last flush folded in. `sent`: tally topic -> destination partition ->
    last flush that sent something there. `behind`: records not yet folded, by topic. `arrived`: of those folded since
    the commit before, by topic: arrival of the oldest and newest in milliseconds, and how many.
    Within one commit, records of `accounts` come before all others.
    """

    v: int = 1
    partition: int
    flush: int
    positions: dict[str, int]
    tables: dict[str, int]
    folded: dict[str, dict[str, int]]
    watermark_ms: int
    behind: dict[str, int]
    sent: dict[str, dict[str, int]] = {}
    arrived: dict[str, tuple[int, int, int]] = {}
