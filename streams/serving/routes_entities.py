"""Entities: the counters of one row of `trends`, read at the watermark."""

from collections.abc import Mapping

from streams.core import readout
from streams.core.keys import Kind, entity_key, entity_name
from streams.core.params import HOUR_MS, MINUTE_MS
from streams.core.rows import CounterRow, Counts
from streams.serving import params, problems
from streams.serving.routes_videos import counted
from streams.serving.service import Route, Service, Values
from streams.serving.types import Decayed, EntityAnswer, Pane


def get_entity(service: Service, values: Values) -> EntityAnswer:
    """One entity in one scope. ProblemError if nothing was counted for it."""
    kind, name, scope = Kind(values["kind"]), values["id"], values["scope"]
    params.check_scope(kind, scope)
    truth = service.truth()
    as_of = truth.of_entity(service.partition_of(entity_name(kind, name)))
    value = service.state.rows["trends"].get(entity_key(kind, name, scope))
    row = CounterRow() if value is None else CounterRow.decode(value)
    if row.totals == (0, 0, 0):  # all that was counted was taken back: as if it had never been
        raise problems.unknown("id", name, f"nothing was counted for this {kind} in scope {scope}", as_of)
    at_ms = truth.watermark_ms(as_of, row.top_minute * MINUTE_MS)
    cut = readout.cut(row, at_ms)
    return EntityAnswer(
        kind=kind, id=name, scope=scope, at_ms=at_ms, totals=counted(row.totals), as_of=as_of,
        windows={name: counted(readout.window(cut, name, at_ms)) for name in params.WINDOWS},
        decayed={name: _decayed(cut, at_ms, half_life_ms) for name, half_life_ms in readout.HALF_LIVES_MS.items()},
        velocity=readout.velocity(cut, at_ms), minutes=_panes(cut.minutes, MINUTE_MS), hours=_panes(cut.hours, HOUR_MS),
    )  # fmt: skip


def _decayed(row: CounterRow, at_ms: int, half_life_ms: int) -> Decayed:
    views, likes, shares = readout.decayed(row, half_life_ms, at_ms)
    return Decayed(views=views, likes=likes, shares=shares, score=readout.score((views, likes, shares)))


def _panes(panes: Mapping[int, Counts], width_ms: int) -> list[Pane]:
    return [
        Pane(start_ms=number * width_ms, views=views, likes=likes, shares=shares)
        for number, (views, likes, shares) in sorted(panes.items())
    ]


ROUTES = (
    Route(
        "GET", "/v1/entities/{kind}/{id}", "Counters of one entity", get_entity, EntityAnswer,
        params=(params.KIND, params.ENTITY, params.SCOPE), problems=(400, 404),
    ),
)  # fmt: skip
