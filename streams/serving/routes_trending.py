"""Charts: the top entities of a window, merged from the exact charts of all partitions."""

import msgspec

from streams.core.published import Chart, ChartEntry
from streams.serving import params
from streams.serving.service import Route, Service, Values
from streams.serving.state import ReaderState
from streams.serving.types import ChartPart, Ranked, TrendingAnswer

_decoder = msgspec.json.Decoder(Chart)


def get_trending(service: Service, values: Values) -> TrendingAnswer:
    """The merged chart. An entity lives in one partition, so the merge is exact; no entries if nothing was counted."""
    kind, scope, window = values["kind"], values["scope"], values["window"]
    params.check_scope(kind, scope)
    charts = read_charts(service.state, kind, scope, window)
    parts = [ChartPart(partition=chart.partition, watermark_ms=chart.watermark_ms) for chart in charts]
    return TrendingAnswer(
        kind=kind, scope=scope, window=window, as_of=service.truth().of_charts(parts),
        entries=[_ranked(i, entry) for i, entry in enumerate(merge(charts)[: values["limit"]], 1)],
    )  # fmt: skip


def read_charts(state: ReaderState, kind: str, scope: str, window: str) -> list[Chart]:
    """The charts of all partitions that have one, by partition."""
    values = state.charts.get((kind, scope, window), {})
    return [_decoder.decode(values[partition]) for partition in sorted(values)]


def merge(charts: list[Chart]) -> list[ChartEntry]:
    """All entries, sorted by (-score, id)."""
    return sorted((e for chart in charts for e in chart.entries), key=lambda entry: (-entry.score, entry.id))


def _ranked(rank: int, entry: ChartEntry) -> Ranked:
    return Ranked(
        rank=rank, id=entry.id, score=entry.score, views=entry.views, likes=entry.likes, shares=entry.shares
    )  # fmt: skip


ROUTES = (
    Route(
        "GET", "/v1/trending/{kind}", "Top entities of a window", get_trending, TrendingAnswer,
        params=(params.KIND, params.SCOPE, params.WINDOW, params.LIMIT), problems=(400,),
    ),
)  # fmt: skip
