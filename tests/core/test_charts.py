"""Charts are exact: they equal a sort of all rows, also over restarts and evictions."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.charts import ChartName, chart_key, chart_name, chart_of
from streams.core.keys import Kind, entity_name, parse_entity_key, partition_of
from streams.core.panes import TOTAL_ONLY
from streams.core.params import CHART_SIZE, MINUTE_MS
from streams.core.published import Chart
from streams.core.trends import TrendStage
from streams.testing.counter_world import PARTITIONS, START_MINUTE, FakeRecord, MemoryRows, World, tally_message

Expected = dict[bytes, list[tuple[str, int, int, int, int]]]


def expected(world: World) -> Expected:
    found: Expected = {}
    for kind, scope, window, entries in world.naive_trends.charts(world.watermark_ms):
        for p in range(PARTITIONS):
            mine = [
                entry for key, entry in entries
                if partition_of(entity_name(kind, parse_entity_key(key).id).encode(), PARTITIONS) == p
            ]  # fmt: skip
            key = f"{kind}|{scope}|{window}|{p}".encode()
            found[key] = [(e.id, e.score, e.views, e.likes, e.shares) for e in mine[:CHART_SIZE]]
    return {key: entries for key, entries in found.items() if entries}


def published(charts: dict[bytes, bytes]) -> Expected:
    found = {}
    for key, value in charts.items():
        chart = msgspec.json.decode(value, type=Chart)
        assert key == f"{chart.kind}|{chart.scope}|{chart.window}|{chart.partition}".encode()
        found[key] = [(e.id, e.score, e.views, e.likes, e.shares) for e in chart.entries]
    return {key: entries for key, entries in found.items() if entries}


@given(st.integers(0, 1 << 32), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_charts_equal_a_sort_of_all_rows(seed: int, steps: int) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
    world.settle()
    assert published(world.charts) == expected(world)


def stage_with(scores: dict[bytes, int], rows: MemoryRows, minute: int = START_MINUTE) -> TrendStage:
    stage = TrendStage(0, 1, rows)
    add(stage, scores, minute)
    return stage


def add(stage: TrendStage, scores: dict[bytes, int], minute: int) -> None:
    cells = {(name, minute): (views, 0, 0) for name, views in scores.items()}
    messages = tally_message(0, 1, minute * MINUTE_MS, cells)
    stage.fold("trend-tallies", [FakeRecord(None, message) for message in messages])


def charts(stage: TrendStage, rows: MemoryRows) -> dict[bytes, Chart]:
    stage.charts_due = True
    output = stage.collect(1)
    rows.write(output)
    assert {(send.topic, send.partition) for send in output.sends} <= {("charts", 0)}
    return {send.key or b"": msgspec.json.decode(send.value or b"", type=Chart) for send in output.sends}


def test_ties_at_the_end_of_a_chart_are_ordered_by_id() -> None:
    rows = MemoryRows()
    names = [f"tt{i:03}" for i in range(150)]
    stage = stage_with({f"{name}\x00de".encode(): 5 if name < "tt050" else 2 for name in names}, rows)
    found = charts(stage, rows)[b"tag|de|1h|0"]
    assert [entry.id for entry in found.entries] == [name[1:] for name in names[:CHART_SIZE]]
    assert found.watermark_ms == START_MINUTE * MINUTE_MS


@pytest.mark.parametrize("prefix", ["", "a prefix of more than eight letters "])
def test_ties_are_ordered_by_id_whatever_the_order_of_arrival(prefix: str) -> None:
    rows = MemoryRows()
    stage = stage_with({}, rows)
    ids = [f"{prefix}{i:03}" for i in range(250)]
    for entity_id in Random(5).sample(ids, 250):
        add(stage, {f"t{entity_id}\x00de".encode(): 9 if entity_id in ids[200:230] else 4}, START_MINUTE)
    for window in ("1h", "24h"):
        found = charts(stage_with({}, rows), rows) if window == "24h" else charts(stage, rows)
        assert [entry.id for entry in found[f"tag|de|{window}|0".encode()].entries] == [*ids[200:230], *ids[:70]]


def test_a_chart_whose_entries_stay_is_not_published_again() -> None:
    rows = MemoryRows()
    stage = stage_with({f"t{i:03}\x00{region}".encode(): 5 for i in range(CHART_SIZE) for region in ("de", "fr")}, rows)
    charts(stage, rows)
    add(stage, {b"t000\x00de": 1}, START_MINUTE)
    assert set(charts(stage, rows)) == {f"tag|{s}|{w}|0".encode() for s in ("de", "*") for w in ("1h", "24h")}
    add(stage, {b"tlast\x00fr": 1}, START_MINUTE)
    assert charts(stage, rows) == {}
    add(stage, {b"tlast\x00fr": 4, b"t001\x00fr": -5}, START_MINUTE)
    assert [entry.id for entry in charts(stage, rows)[b"tag|fr|1h|0"].entries][-1] == "last"


@pytest.mark.parametrize("newcomers", [[], ["b", "c", "d"]])
def test_a_row_that_left_memory_leaves_its_chart(newcomers: list[str]) -> None:
    rows = MemoryRows()
    stage = stage_with({b"tq\x00de": 5}, rows)
    charts(stage, rows)
    later = START_MINUTE + 60 * 25
    add(stage, {b"sb\x00fr": 1}, later)
    rows.write(stage.collect(1))
    assert stage.evict(9) == 2
    add(stage, {f"t{name}\x00de".encode(): 5 for name in newcomers}, later)
    found = charts(stage, rows)
    assert [entry.id for entry in found[b"tag|de|24h|0"].entries] == newcomers


def test_only_changed_charts_are_published_and_windows_move_on() -> None:
    rows = MemoryRows()
    stage = stage_with({b"ta\x00de": 5}, rows)
    assert set(charts(stage, rows)) == {f"tag|{s}|{w}|0".encode() for s in ("de", "*") for w in ("1h", "24h")}
    assert charts(stage, rows) == {}
    assert not stage.has_work()
    add(stage, {b"sb\x00fr": 1}, START_MINUTE + 60)
    found = charts(stage, rows)
    assert [e.id for e in found[b"sound|fr|1h|0"].entries] == ["b"]
    assert found[b"tag|de|1h|0"].entries == []
    assert b"tag|de|24h|0" not in found


def test_a_chart_that_emptied_while_no_worker_ran_is_published_empty() -> None:
    rows = MemoryRows()
    charts(stage_with({b"ta\x00de": 5}, rows), rows)
    later = stage_with({b"sb\x00fr": 1}, rows, START_MINUTE + 60 * 30)
    found = charts(later, rows)
    assert found[b"tag|de|24h|0"].entries == []
    assert len(found[b"sound|*|24h|0"].entries) == 1


def test_charts_wait_until_they_are_due() -> None:
    rows = MemoryRows()
    stage = stage_with({b"ta\x00de": 5}, rows)
    assert (stage.has_work(), stage.collect(1).sends) == (False, [])
    stage.charts_due = True
    assert stage.has_work()
    assert len(stage.collect(2).sends) == 4
    assert not stage.charts_due


def test_totals_alone_make_no_chart() -> None:
    rows = MemoryRows()
    stage = stage_with({b"ta\x00de": 5}, rows, TOTAL_ONLY)
    assert charts(stage, rows) == {}


@pytest.mark.parametrize(("key", "kind", "scope"), [(b"ta\x00de", Kind.TAG, b"de"), (b"rde\x00*", Kind.REGION, b"*")])
def test_a_row_belongs_to_the_chart_of_its_kind_and_scope(key: bytes, kind: Kind, scope: bytes) -> None:
    assert chart_name(chart_of(key)) == ChartName(kind, scope)
    assert chart_key(chart_name(chart_of(key)), "24h", 3) == f"{kind}|{scope.decode()}|24h|3".encode()
