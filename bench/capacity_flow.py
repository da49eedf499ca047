"""What folding a load touches: rows written, their panes, entries of charts, cells in memory. Counts only, no costs.

A row is written once for each commit that changes it, however often. Of `commits` equal commits, one with the share
`mass` of `events` events is in `commits * (1 - exp(-events * mass / commits))`.
"""

from math import inf, isinf
from typing import NamedTuple

import numpy as np

from bench.capacity_skew import Crowd, Floats, Group, crowd
from bench.even_commits import TABLES
from streams.agents.trends import CHARTS_EVERY_S
from streams.core.params import CHART_SIZE, HOUR_PANES, MINUTE_PANES
from streams.tools.simulate.job import MIX, STANDARD, Shape
from streams.tools.simulate.words import REGIONS
from streams.tools.simulate.world import zipf_mass

WINDOWS = 2
VIEWS_TO_FILL = 10.0
"""A user's row grows with its first views until its lists are full (`core.rows.UserRow`). Drawn from the bench's load:
136 bytes after one view, 583 after 8, 791 after 20, 924 after 50: close to `66 + 860 * (1 - exp(-views / 10))`."""
OWN_TOPICS = 8
"""Partitions that every commit writes: tables and charts (6), commit record, offsets."""
_MOMENTS = (np.arange(10) + 0.5) / 10

Counts = dict[str, dict[str, float]]


class Flow(NamedTuple):
    """Events and facts folded in `transactions` commits, and how they are spread over them.

    `commits`: of one partition, as if all were equal, by table. `seconds`: how long it took. `span_min`: minutes of
    event time that the events lie in, nothing before them; infinite: it has gone on like this for ever.
    """

    events: float
    facts: float
    partitions: int
    transactions: float
    commits: dict[str, float]
    seconds: float
    workers: int = 1
    shape: Shape = STANDARD
    span_min: float = inf


class Held(NamedTuple):
    """What workers hold: users, facts (each worker all of them), rows of counters, and the cells in these."""

    users: float
    facts: float
    counter_rows: float
    cells: float


def written_partitions(partitions: int, events_per_transaction: float) -> float:
    """Partitions that one commit writes: its own, and one of each tally topic for each destination it has cells for.

    A commit of few events reaches few destinations: n balls into P boxes.
    """
    reached = partitions * (1 - (1 - 1 / partitions) ** events_per_transaction) if partitions > 1 else 1.0
    return OWN_TOPICS + 2 * reached


def rows_written(flow: Flow) -> dict[str, float]:
    """By table."""
    groups = _groups(crowd(flow.shape))
    return {table: float(_rows(groups[table], flow.events, flow.commits[table]).sum()) for table in TABLES}


def written(flow: Flow) -> Counts:
    """What is written to each topic, by what its bytes depend on."""
    known = crowd(flow.shape)
    tables = {table: _table(flow, table, group) for table, group in _groups(known).items()}
    origins = flow.commits["interests"] * flow.partitions
    transactions = {"transaction": flow.transactions}
    return {
        "interests": tables["interests"],
        "pairs": {"reaction": flow.events * (1 - MIX[0])},
        "videos-table": {**tables["videos-table"], "fact": flow.facts, "found": _found(flow, known.videos)},
        "trends": tables["trends"],
        "charts": {"entry": chart_entries(flow) * _publications(flow)},
        "video-tallies": {"row": float(_rows(known.videos, flow.events, origins).sum())},
        "trend-tallies": {"row": tables["trends"]["row"]},
        "commits": transactions, "__transaction_state": transactions, "__consumer_offsets": transactions,
    }  # fmt: skip


def chart_entries(flow: Flow) -> float:
    """Entries of all charts once published: 100 each, fewer where so few entities of a partition are active.

    In the middle of a run, as charts fill up with it; of what has gone on for ever, those active in an hour.
    """
    events = flow.events / flow.seconds * 3600 if isinf(flow.span_min) else flow.events / 2
    return float(WINDOWS * sum(_entries(flow, kind, events) for kind in crowd(flow.shape).kinds))


def held(flow: Flow) -> Held:
    """Everything met, nothing evicted. Of what has gone on for ever: met in a day."""
    known, steady = crowd(flow.shape), isinf(flow.span_min)
    minutes = 1_440.0 if steady else flow.span_min
    events = flow.events / flow.seconds * minutes * 60 if steady else flow.events
    rows, cells = 0.0, 0.0
    for group in (known.videos, known.trends):
        rows += _met(group, events)
        per_min = events * group.mass / minutes
        cells += float((min(minutes, MINUTE_PANES) * -np.expm1(-per_min) * group.number).sum())
        if steady:
            cells += float((min(minutes / 60, HOUR_PANES) * -np.expm1(-60 * per_min) * group.number).sum())
    return Held(_met(known.users, events), flow.facts * flow.workers, rows, cells)


def _groups(known: Crowd) -> dict[str, Group]:
    return dict(zip(TABLES, (known.users, known.videos, known.trends), strict=True))


def _rows(group: Group, events: float, commits: float) -> Floats:
    return np.asarray(commits * -np.expm1(-events * group.mass / commits) * group.number)


def _met(group: Group, events: float) -> float:
    return float((-np.expm1(-events * group.mass) * group.number).sum())


def _found(flow: Flow, videos: Group) -> float:
    """Videos met in a region for the first time: their row of facts names the region."""
    return 0.0 if isinf(flow.span_min) else _met(videos, flow.events)


def _table(flow: Flow, table: str, group: Group) -> dict[str, float]:
    rows = _rows(group, flow.events, flow.commits[table])
    each = flow.events * group.mass
    if table == "interests":
        return {"row": float(rows.sum()), "filled": float((rows * _filled(flow, each)).sum())}
    return {"row": float(rows.sum()), "pane": float((rows * _panes(flow, each)).sum())}


def _filled(flow: Flow, views: Floats) -> Floats:
    """How full users' rows are when they are written, on an average; `views`: folded in all."""
    if isinf(flow.span_min):
        return np.ones_like(views)
    commits = flow.commits["interests"]
    at_once = views / commits / -np.expm1(-views / commits)
    before = np.multiply.outer(views * max(1 - 1 / commits, 0.0), _MOMENTS)
    return np.asarray(-np.expm1(-(before + at_once[:, None]) / VIEWS_TO_FILL).mean(axis=1))


def _panes(flow: Flow, events: Floats) -> Floats:
    """Minutes and hours in a row when it is written, on an average; at least the one that it is written for.

    Rows that began empty have half of what they have in the end.
    """
    steady = isinf(flow.span_min)
    per_min = events / (flow.seconds / 60 if steady else flow.span_min)
    minutes = float(MINUTE_PANES) if steady else min(flow.span_min, MINUTE_PANES)
    hours = float(HOUR_PANES) if steady else min(flow.span_min / 60, HOUR_PANES)
    part = 1.0 if steady else 0.5
    return np.asarray(
        1 + part * max(minutes - 1, 0) * -np.expm1(-per_min) + part * max(hours - 1, 0) * -np.expm1(-60 * per_min)
    )


def _entries(flow: Flow, kind: Group, events: float) -> float:
    scopes = [*_REGION_SHARES, 1.0]
    active = [_met(Group(kind.mass * share, kind.number), events) for share in scopes]
    return float(sum(min(CHART_SIZE * flow.partitions, some) for some in active))


def _publications(flow: Flow) -> float:
    """Of each partition: with a commit, and once in five seconds at most."""
    most = flow.seconds / CHARTS_EVERY_S + (0 if isinf(flow.span_min) else 1)
    return min(flow.commits["trends"], most)


_REGION_SHARES = tuple(zipf_mass(len(REGIONS), 1.0).tolist())
