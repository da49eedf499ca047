"""Rows of an older version: read by all stages and the read service, written anew when they change; newer are refused.

The older version is made up: number 0, and every byte of the body inverted.
"""

from collections.abc import Callable
from typing import Any

import pytest

from streams.agents import interests, trends, videos
from streams.core import upgrades
from streams.core.rows import ROW_VERSION, CounterRow, FactsRow, PairRow, ParkedRow, RowVersionError, UserRow
from streams.core.upgrades import UPGRADES, reading_old, upgraded
from streams.serving.state import ReaderState
from streams.testing.user_world import PARTITIONS, DictRows, FakeCatalogue, FakeRecord, Worlds
from streams.wire.records import Record, Records

TABLES = ("interests", "pairs", "parked", "videos-table", "trends")
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "interests": UserRow.decode, "pairs": PairRow.decode, "parked": ParkedRow.decode,
}  # fmt: skip


def inverted(value: bytes, version: int) -> bytes:
    return bytes([version, *(byte ^ 0xFF for byte in value[1:])])


@pytest.fixture
def version_0(monkeypatch: pytest.MonkeyPatch) -> None:
    for table in TABLES:
        monkeypatch.setitem(UPGRADES, (table, 0), lambda _, value: inverted(value, 1))


def aged(rows: DictRows) -> DictRows:
    """The same rows as the older version would have written them."""
    return DictRows({table: {k: inverted(v, 0) for k, v in held.items()} for table, held in rows.tables.items()})


def fold(rows: DictRows, half: int) -> DictRows:
    """Fold one half of a history over these rows, as the worker makes the stage."""
    catalogue, steps = FakeCatalogue(), Worlds(7).history(600)
    stage = interests.make(PARTITIONS, catalogue, 1, rows, 0)  # type: ignore[arg-type]
    for number, step in enumerate(steps):
        if step.learned:
            catalogue.learn(*step.learned)
        elif number // 300 == half:
            records: list[FakeRecord] = [step.record]
            stage.fold(step.topic, records)
    rows.take(stage.collect(half + 1))
    return rows


@pytest.mark.usefixtures("version_0")
def test_a_fold_over_old_rows_gives_the_same_rows() -> None:
    first = fold(DictRows(), 0)
    old, new = aged(first), first
    assert {value[0] for held in old.tables.values() for value in held.values()} == {0}
    fold(old, 1)
    fold(new, 1)
    versions = [value[0] for held in old.tables.values() for value in held.values()]
    assert set(versions) == {0, ROW_VERSION}  # what did not change keeps its bytes
    for table, held in new.tables.items():
        assert {key: upgraded(table, key, value) for key, value in old.tables[table].items()} == held
        assert all(DECODERS[table](value) for value in held.values())


@pytest.mark.usefixtures("version_0")
def test_every_stage_and_the_read_service_read_old_rows() -> None:
    row, facts = CounterRow((3, 2, 1)), FactsRow(-1, live=False, facts=None, regions=["DE"])
    rows = DictRows({"videos-table": {b"v\0": facts.encode(), b"v\0DE": row.encode()}})
    old = aged(rows)
    assert dict(reading_old(old).scan("videos-table")) == rows.tables["videos-table"]
    videos.make(PARTITIONS, 1, old, 0)
    trends.make(PARTITIONS, 1, old, 0)
    state = ReaderState(PARTITIONS)
    state.apply("videos-table", 1, Records.of([Record(b"v\0DE", inverted(row.encode(), 0), 0, 0)]))
    assert state.rows["videos-table"][b"v\0DE"] == row.encode()


def test_steps_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UPGRADES, ("pairs", 7), lambda key, value: b"\x08" + value[1:] + key)
    monkeypatch.setitem(UPGRADES, ("pairs", 8), lambda _, value: b"\x09" + value[1:])
    assert upgraded("pairs", b"k", b"\x07v") == b"\x09vk"
    assert upgraded("parked", b"k", b"\x07v") == b"\x07v"


@pytest.mark.parametrize("version", [0, ROW_VERSION + 1])
def test_versions_without_a_step_are_refused(version: int) -> None:
    assert upgrades.UPGRADES == {}
    rows = fold(DictRows(), 0)
    rows.tables = {table: {k: bytes([version]) + v[1:] for k, v in held.items()} for table, held in rows.tables.items()}
    with pytest.raises(RowVersionError, match="run the version that wrote it"):
        fold(rows, 1)
