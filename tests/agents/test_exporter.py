"""What units hold and commit reaches the metrics registry and the probes."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from streams.agents.catalogue import Catalogue
from streams.agents.exporter import Exporter
from streams.agents.metering import HotKeys, PrometheusMeter
from streams.engine.api import Stage
from streams.engine.meter import Flushed, Taken, arrived, take
from streams.ops.health import Health

STAGE: Any = Stage(name="interests", topics=("views", "likes"), tables=("interests",), make=lambda *_: None)  # type: ignore[arg-type]


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"streams_{name}", labels)


def value(name: str, **labels: str) -> float:
    return sample(name, **labels) or 0.0


def unit(number: int, *, gate: bool = False) -> Any:
    fold = SimpleNamespace(resident=lambda: 7, watermark_ms=0)
    return SimpleNamespace(folds={"interests": fold}, number=number, gate=gate, arrived_ms={}, opened_ms=0)


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    follower = SimpleNamespace(rows={}, remaining=lambda: 0, standby_lag=dict)
    options = SimpleNamespace(state_dir=tmp_path)
    return SimpleNamespace(
        stages=(STAGE,), units={}, busy_s=0.0, follower=follower, options=options, accepting=True,
        behind=lambda _: {"views": 5, "likes": 0},
    )  # fmt: skip


async def test_gauges_follow_the_units(engine: Any) -> None:
    exporter = Exporter(engine, Catalogue(8), PrometheusMeter())
    engine.units = {3: unit(3), 4: unit(4)}
    exporter.look()
    assert value("rows_resident", stage="interests") == 14
    assert sample("consumer_lag_records", topic="views", partition="3") == 5
    assert value("consumer_lag_seconds", topic="views", partition="3") > 1e9
    assert sample("consumer_lag_seconds", topic="likes", partition="3") == 0
    assert value("disk_size_bytes") >= value("disk_free_bytes") > 0
    del engine.units[3]
    exporter.look()
    assert sample("consumer_lag_records", topic="views", partition="3") is None
    assert sample("consumer_lag_records", topic="views", partition="4") == 5


async def test_restore_is_a_rate_and_a_rest(engine: Any) -> None:
    exporter = Exporter(engine, Catalogue(8), PrometheusMeter())
    before = value("restore_rows_total", table="interests")
    for rows, remaining, target in ((10, 90, 90), (60, 40, 90), (100, 0, 0)):
        engine.follower.rows = {"interests": rows}
        engine.follower.remaining = lambda left=remaining: left
        exporter.look()
        assert value("restore_rows_total", table="interests") - before == rows
        assert (value("restore_remaining_rows"), value("restore_target_rows")) == (remaining, target)


async def test_ready_is_restored_facts_read_and_within_the_bound(engine: Any) -> None:
    health = Health()
    exporter = Exporter(engine, Catalogue(8), PrometheusMeter(), health, ready_lag_s=30)
    engine.accepting = False
    exporter.look()
    assert "restoring" in health.problems()["units"]
    engine.accepting, engine.units = True, {3: unit(3, gate=True)}
    exporter.look()
    assert "facts of partitions [3]" in health.problems()["units"]
    assert "STREAMS_READY_LAG_S" in health.problems()["lag"]
    engine.units, engine.behind = {3: unit(3)}, lambda _: {"views": 0}
    exporter.look()
    assert health.problems() == {}


def taken(topic: str, records: int) -> Taken:
    return Taken(topic, records, folded_ms=2_000, times_ms=[1_000], keys=[])


def test_each_record_has_one_outcome() -> None:
    meter = PrometheusMeter()
    meter.begin((STAGE,))
    outcomes = [("views", "folded"), ("views", "late"), ("views", "repeat"), ("views", "rejected"), ("likes", "folded")]
    before = [value("events_total", topic=topic, outcome=outcome) for topic, outcome in outcomes]
    freshness = value("freshness_seconds_count", stage="interests", until="committed")
    flushed = Flushed(
        taken=[taken("views", 10), taken("views", 5), taken("likes", 4)],
        rejected=Counter({("views", "bad-id"): 2}), rows={"interests": 3}, row_bytes={"interests": 90},
        message_bytes=10, told={"late_views": 1, "repeats": 3, "views": 13, "parked": 1},
    )  # fmt: skip
    meter.committed(7, flushed, 0.1)
    after = [value("events_total", topic=topic, outcome=outcome) for topic, outcome in outcomes]
    assert [a - b for a, b in zip(after, before, strict=True)] == [9, 1, 3, 2, 4]
    assert value("freshness_seconds_count", stage="interests", until="committed") - freshness == 19
    assert sample("partition_events_total", partition="7") == 19
    assert value("row_bytes_written_total", table="interests") >= 90


def test_known_labels_begin_at_nothing() -> None:
    PrometheusMeter().begin((STAGE,))
    assert sample("events_rejected_total", topic="likes", reason="bad-op") == 0
    assert sample("batches_dropped_total", topic="views", reason="hole") is not None


def record(offset: int) -> Any:
    return SimpleNamespace(offset=offset, timestamp=1_000 + offset, key=b"k%d" % offset)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1_000])
def test_a_slice_is_sampled_evenly(count: int) -> None:
    found = take("views", [record(offset) for offset in range(100, 100 + count)])
    assert found.records == count
    assert found.times_ms[0] == 1_100
    assert len(found.times_ms) == count if count <= 8 else 4 < len(found.times_ms) <= 8
    assert found.keys == [b"k%d" % offset for offset in range(100, 100 + count) if offset % 64 == 0]


def test_arrival_of_a_flush() -> None:
    parts = [Taken("views", 3, 0, [5, 9], []), Taken("views", 1, 0, [4], []), Taken("likes", 2, 0, [7, 8], [])]
    assert arrived(parts) == {"views": (4, 9, 4), "likes": (7, 8, 2)}


def test_every_record_is_observed_however_few_were_sampled() -> None:
    meter = PrometheusMeter()
    meter.begin((STAGE,))
    names = [("freshness_seconds_count", "folded"), ("freshness_seconds_sum", "committed")]
    before = [value(name, stage="interests", until=until) for name, until in names]
    part = Taken("views", 4_001, 4_000, [3_900, 3_900, 3_750, 4_003, 0], [])
    meter.committed(0, Flushed([part], Counter(), {}, {}, 0, {}), 0.1)
    count, total = (value(name, stage="interests", until=until) for name, until in names)
    assert count - before[0] == 4_001
    assert total - before[1] > 1e9


def test_the_hottest_key() -> None:
    hot = HotKeys(("views",))
    keys: list[bytes | None] = [b"k%d" % n for n in range(70)]
    hot.add(Taken("views", 0, 0, [], [*[b"ann"] * 30, *keys]))
    hot.add(Taken("video-tallies", 0, 0, [], [b"x"] * 1_000))
    assert hot.roll(0.0) == {}
    assert hot.roll(1e12) == {"views": 0.3}
    hot.add(Taken("views", 0, 0, [], [b"ann"] * 30))
    assert hot.roll(2e12) == {"views": 0.0}
