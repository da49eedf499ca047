"""Protections that are missed without a broker too: chain, position rule and images; repeats and pairs of the folds."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.core.compiled import switch
from streams.core.interests import UserStage
from streams.core.ports import Output, RowReader
from streams.engine import table_file
from streams.engine import unit as engine_unit
from streams.engine.batches import RecordBatch
from streams.engine.images import Images
from streams.engine.store import LocalCopy
from streams.engine.unit import Unit
from streams.testing import audit_world
from streams.tools.audit.run import Audit
from streams.tools.audit.verdict import Verdict
from tests.engine import toy
from tests.engine.test_chain import WORDS, batch

TABLES = ("by-key", "by-word")


def opened(kind: type[Unit], folder: Path) -> Unit:
    options = toy.options("127.0.0.1:1", "", folder)
    copy = LocalCopy(folder / "unit-0.db", TABLES, "cluster", 4, 1 << 20)
    return kind(options, toy.build(options).engine.stages, 0, Images(copy))


class Trusting(Unit):
    """Takes every batch for the next one."""

    def apply(self, batch: RecordBatch, aside: str = "") -> bool:
        first = batch.records[0].offset
        self.positions[batch.tp] = first
        return super().apply(batch._replace(start=first), aside)


@pytest.mark.parametrize(("kind", "right"), [(Unit, True), (Trusting, False)])
@pytest.mark.parametrize(
    "delivered",
    [
        [batch(10, range(10, 15)), batch(18, range(18, 22))],
        [batch(10, range(10, 15)), batch(None, range(17, 20))],
        [batch(10, range(10, 15)), batch(12, range(12, 18))],
        [batch(10, range(10, 20)), batch(10, range(10, 20))],
    ],
    ids=["hole", "unknown start", "overlap", "again"],
)
async def test_chain_by_position(
    delivered: list[RecordBatch], kind: type[Unit], tmp_path: Path, *, right: bool
) -> None:
    unit = opened(kind, tmp_path)
    unit.load()
    unit.positions = {WORDS: 10}
    for found in delivered:
        if not unit.apply(found):
            at = unit.positions[WORDS]
            assert unit.apply(batch(at, range(at, found.next_offset)))
    everything = unit.positions[WORDS] - 10
    assert (unit.folds["keys"].counts == {b"k": everything}) is right
    unit.images.copy.close()


class CutShortError(Exception):
    """The process is gone."""


class Hasty(Unit):
    """Claims a position before the rows up to it are written."""

    async def sweep(self) -> int:
        for table, end in self.images.ends.items():
            self.images.copy.write(table, (), end)
        return await super().sweep()


def images_of_flush(number: int) -> tuple[list[bytes], list[bytes | None]]:
    return [b"k%02d" % key for key in range(40)], [b"%d" % number] * 40


def commit(unit: Unit, changelog: list[tuple[bytes, bytes | None]], flush: int) -> None:
    """A flush that writes 40 rows of one table, into the changelog too."""
    rows = images_of_flush(flush)
    unit.images.collected("by-key", *rows)
    changelog += zip(*rows, strict=True)
    unit.images.committed({"by-key": len(changelog)})


def read_on(unit: Unit, folder: Path, changelog: list[tuple[bytes, bytes | None]]) -> dict[bytes, bytes]:
    """What whoever comes next has: the copy, and the changelog from the position that it claims."""
    unit.images.copy.close()
    copy = opened(Unit, folder).images.copy
    copy.write("by-key", dict(changelog[copy.position("by-key") or 0 :]).items())
    found = dict(copy.scan("by-key"))
    copy.close()
    return found


@pytest.mark.parametrize(("kind", "right"), [(Unit, True), (Hasty, False)])
async def test_position_rule(kind: type[Unit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, right: bool) -> None:
    """A sweep is cut off half-way."""
    unit = opened(kind, tmp_path)
    changelog: list[tuple[bytes, bytes | None]] = []
    commit(unit, changelog, 1)
    commit(unit, changelog, 2)

    def cut_short(point: str) -> None:
        raise CutShortError(point)

    monkeypatch.setattr(table_file, "AT_ONCE", 7)
    monkeypatch.setattr(engine_unit, "hit", cut_short)
    with pytest.raises(CutShortError, match="sweep-half"):
        await unit.sweep()
    assert (read_on(unit, tmp_path, changelog) == dict(changelog)) is right


class Sloppy(Images):
    """Lets a sweep claim whatever is committed when it ends."""

    def begin_sweep(self) -> dict[str, int]:
        super().begin_sweep()
        return self.ends


@pytest.mark.parametrize(("kind", "right"), [(Images, True), (Sloppy, False)])
async def test_a_commit_during_a_sweep_is_not_claimed(
    kind: type[Images], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, right: bool
) -> None:
    unit = opened(Unit, tmp_path)
    unit.images = kind(unit.images.copy)
    changelog: list[tuple[bytes, bytes | None]] = []
    commit(unit, changelog, 1)

    def commit_meanwhile(point: str) -> None:
        if point == "sweep-half" and len(changelog) < 80:
            commit(unit, changelog, 2)

    monkeypatch.setattr(engine_unit, "hit", commit_meanwhile)
    await unit.sweep()
    assert len(changelog) == 80
    assert (read_on(unit, tmp_path, changelog) == dict(changelog)) is right


class Eager(Images):
    """Lets the sweep have rows of the flush under way."""

    def begin_sweep(self) -> dict[str, int]:
        for table, rows in self.flushing.items():
            self.unswept[table].update(rows)
        return super().begin_sweep()


@pytest.mark.parametrize(("kind", "right"), [(Images, True), (Eager, False)])
async def test_only_committed_images_are_swept(kind: type[Images], tmp_path: Path, *, right: bool) -> None:
    """The process vanishes before the second commit: its rows must be nowhere."""
    unit = opened(Unit, tmp_path)
    unit.images = kind(unit.images.copy)
    unit.images.collected("by-key", *images_of_flush(1))
    unit.images.committed({"by-key": 40})
    unit.images.collected("by-key", *images_of_flush(2))
    await unit.sweep()
    copy = unit.images.copy
    assert (dict(copy.scan("by-key")) == dict(zip(*images_of_flush(1), strict=True))) is right
    copy.close()


class NoRepeats(UserStage):
    """Is shown every view under an id of its own."""

    def fold(self, topic: str, records: Sequence[Any]) -> None:
        super().fold(topic, [_as_new(record) for record in records] if topic == "views" else records)


def _as_new(record: Any) -> Any:
    try:
        view = json.loads(record.value)
    except (TypeError, ValueError):
        return record
    if not isinstance(view, dict) or not isinstance(view.get("id"), str):
        return record
    return record._replace(value=json.dumps(view | {"id": f"{view['id']}-{record.offset}"}).encode())


class NoPairs(UserStage):
    """Forgets after each flush who liked and shared what."""

    def __init__(self, partition: int, partitions: int, rows: RowReader, *more: Any) -> None:
        super().__init__(partition, partitions, Without("pairs", rows), *more)

    def collect(self, flush: int) -> Output:
        output = super().collect(flush)
        self.evict(self.resident())
        return output


class Without:
    """Rows of all tables but one."""

    def __init__(self, table: str, rows: RowReader) -> None:
        self._table, self._rows = table, rows

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        return [None] * len(keys) if table == self._table else self._rows.get_many(table, keys)

    def scan(self, table: str) -> Any:
        return self._rows.scan(table)


@pytest.mark.parametrize(
    ("stage", "wrong"),
    [(UserStage, set()), (NoRepeats, {"interests", "video-tallies"}), (NoPairs, {"pairs", "video-tallies"})],
)
@pytest.mark.parametrize("kernels", [True, False])
def test_repeats_rule_and_pairs(
    stage: type[UserStage], wrong: set[str], monkeypatch: pytest.MonkeyPatch, *, kernels: bool
) -> None:
    """The audit of a small pipeline whose user stage lacks a rule, with and without compiled kernels."""
    monkeypatch.setattr(audit_world, "UserStage", stage)
    switch(on=kernels)
    try:
        made = audit_world.busy(3)
    finally:
        switch(on=True)
    audit = Audit(audit_world.MemorySource(dict(made.logs), made.partitions), Verdict(), lambda _line: None)
    asyncio.run(audit.run())
    assert set(audit.verdict.wrong) >= wrong
    assert bool(audit.verdict.wrong_rows) is bool(wrong)
