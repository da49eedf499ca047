"""The stage of trends: scopes, horizon, what it keeps in memory. Rows against the naive twin: test_videos."""

import msgspec
import pytest

from streams.core.panes import LEVEL_HOUR, LEVEL_MINUTE, LEVEL_SHIFT, TOTAL_ONLY
from streams.core.params import MINUTE_MS
from streams.core.published import Chart
from streams.core.reasons import Reason
from streams.core.rows import CounterRow, Counts, RowVersionError
from streams.core.trends import TrendStage
from streams.testing.counter_world import START_MINUTE, FakeRecord, MemoryRows, tally_message
from tests.core.kernels import each_version  # noqa: F401 - runs everything here twice

HOUR = START_MINUTE // 60


def tell(stage: TrendStage, cells: dict[tuple[bytes, int], Counts], minute: int = START_MINUTE) -> None:
    messages = tally_message(4, 9, minute * MINUTE_MS, cells)
    stage.fold("trend-tallies", [FakeRecord(None, message) for message in messages])


def collected(stage: TrendStage, rows: MemoryRows) -> dict[bytes, CounterRow]:
    rows.write(stage.collect(1))
    return {key: CounterRow.decode(value) for key, value in rows.tables.get("trends", {}).items()}


def test_a_cell_counts_in_its_region_and_in_all() -> None:
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    tell(stage, {(b"ta\x00de", START_MINUTE): (1, 0, 0), (b"ta\x00fr", START_MINUTE): (2, 1, 0)})
    found = collected(stage, rows)
    assert {key: row.totals for key, row in found.items()} == {
        b"ta\x00de": (1, 0, 0), b"ta\x00fr": (2, 1, 0), b"ta\x00*": (3, 1, 0),
    }  # fmt: skip
    assert found[b"ta\x00*"].minutes == {START_MINUTE: (3, 1, 0)}
    assert found[b"ta\x00*"].hours == {HOUR: (3, 1, 0)}


def test_a_region_has_one_row() -> None:
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    tell(stage, {(b"rde\x00de", START_MINUTE): (1, 0, 0), (b"sde\x00de", START_MINUTE): (1, 0, 0)})
    assert set(collected(stage, rows)) == {b"rde\x00*", b"sde\x00*", b"sde\x00de"}


def test_each_level_touches_what_it_names() -> None:
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    minute, hour = START_MINUTE | LEVEL_MINUTE << LEVEL_SHIFT, HOUR | LEVEL_HOUR << LEVEL_SHIFT
    name = b"ta\x00de"
    tell(stage, {(name, minute): (1, 0, 0), (name, hour): (0, 2, 0), (name, TOTAL_ONLY): (0, 0, 3)})
    row = collected(stage, rows)[name]
    assert row == CounterRow((0, 0, 3), START_MINUTE, HOUR, {START_MINUTE: (1, 0, 0)}, {HOUR: (0, 2, 0)})


def test_a_cell_behind_the_horizon_touches_what_is_not_behind() -> None:
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    tell(stage, {(b"ta\x00de", START_MINUTE): (1, 0, 0), (b"ta\x00de", START_MINUTE - 120): (1, 0, 0)})
    tell(stage, {(b"ta\x00de", START_MINUTE - 119): (1, 0, 0), (b"ta\x00de", START_MINUTE - 336 * 60): (1, 0, 0)})
    row = collected(stage, rows)[b"ta\x00de"]
    assert (row.totals, sorted(row.minutes)) == ((4, 0, 0), [START_MINUTE - 119, START_MINUTE])
    assert sum(counts[0] for counts in row.hours.values()) == 3


def test_what_is_folded_and_what_is_refused_is_told_once() -> None:
    stage = TrendStage(0, 1, MemoryRows())
    tell(stage, {(b"ta\x00de", START_MINUTE): (1, 0, 0)})
    tell(stage, {(b"qa\x00de", START_MINUTE): (1, 0, 0)})
    output = stage.collect(1)
    assert output.folded == {"trend-tallies": {4: 9}}
    assert [(r.reason, "unknown kind" in r.detail) for r in output.rejected] == [(Reason.BAD_TALLY, True)]
    again = stage.collect(2)
    assert (again.folded, again.rejected, again.rows) == ({}, [], {})


def test_active_rows_stay_and_are_loaded_at_start() -> None:
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    tell(stage, {(b"told\x00de", START_MINUTE - 60 * 30): (1, 0, 0)}, START_MINUTE - 60 * 30)
    tell(stage, {(b"tnew\x00de", START_MINUTE): (1, 0, 0)})
    assert stage.evict(9) == 0
    collected(stage, rows)
    assert (stage.resident(), stage.evict(9), stage.resident()) == (4, 2, 2)
    restarted = TrendStage(0, 1, rows)
    assert restarted.restore(9)
    assert restarted.resident() == 2


def test_an_evicted_row_is_read_again() -> None:
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    tell(stage, {(b"ta\x00de", TOTAL_ONLY): (1, 0, 0)})
    collected(stage, rows)
    assert stage.evict(9) == 2
    tell(stage, {(b"ta\x00de", TOTAL_ONLY): (1, 0, 0)})
    assert collected(stage, rows)[b"ta\x00*"].totals == (2, 0, 0)


def test_rows_of_another_version_are_refused() -> None:
    with pytest.raises(RowVersionError):
        TrendStage(0, 1, MemoryRows({"trends": {b"ta\x00de": b"\x07" + bytes(30)}})).restore(9)
    with pytest.raises(ValueError, match="shorter"):
        TrendStage(0, 1, MemoryRows({"trends": {b"ta\x00de": b"\x01" + bytes(3)}})).restore(9)


def test_charts_that_a_stop_kept_back_are_published_after_it() -> None:
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    tell(stage, {(b"ta\x00de", START_MINUTE): (1, 0, 0)})
    collected(stage, rows)
    stage = TrendStage(0, 1, rows, START_MINUTE * MINUTE_MS)
    stage.charts_due = True
    assert stage.has_work()
    charts = {send.key: msgspec.json.decode(send.value or b"", type=Chart) for send in stage.collect(2).sends}
    assert [entry.id for entry in charts[b"tag|de|1h|0"].entries] == ["a"]


def test_rows_loaded_beside_the_folds_are_those_loaded_before() -> None:
    """Folded, forgotten and folded again while the load goes on: neither rows nor charts differ."""
    rows = MemoryRows()
    stage = TrendStage(0, 1, rows)
    old = START_MINUTE - 60 * 30
    tell(stage, {(b"t%d\x00de" % n, old if n % 3 else START_MINUTE): (n + 1, 0, 0) for n in range(40)})
    collected(stage, rows)
    found = []
    for step in (1000, 3):
        mine = MemoryRows({"trends": dict(rows.tables["trends"])})
        stage = TrendStage(0, 1, mine, START_MINUTE * MINUTE_MS)
        for n in (38, 39, 1, 38):
            stage.restore(step)
            tell(stage, {(b"t%d\x00de" % n, TOTAL_ONLY): (1, 0, 0)})
            mine.write(stage.collect(2))
            stage.evict(1000)
        tell(stage, {(b"t38\x00de", START_MINUTE): (5, 0, 0)})
        stage.charts_due = True
        output = stage.collect(3)
        mine.write(output)
        found.append((mine.tables["trends"], {send.key: send.value for send in output.sends}))
    assert found[0] == found[1]
    assert CounterRow.decode(found[1][0][b"t38\x00de"]).totals == (46, 0, 0)
