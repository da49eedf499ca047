"""A unit that must not go on from what it finds stops for good, and says what to do."""

from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from faust.types import TP

from streams.core.params import MEANING
from streams.core.rows import RowVersionError
from streams.engine import origins, unit
from streams.engine.api import IDENTITY
from streams.engine.batches import RecordBatch
from streams.engine.exits import ExitCode
from streams.engine.images import Images
from streams.engine.store import LocalCopy
from streams.engine.unit_rows import UNIT_ROW, Identity, UnitState
from tests.engine import toy
from tests.engine.test_chain import record

WORDS, RULES, PASSED = TP("words", 0), TP("rules", 0), TP("passed", 0)


class LeftError(Exception):
    """The process would have ended."""


@pytest.fixture(autouse=True)
def leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: ExitCode, event: str, **why: object) -> NoReturn:
        assert "streams rebuild" in str(why["do"])
        raise LeftError(code, event, why.get("topic"))

    monkeypatch.setattr(unit, "leave", leave)
    monkeypatch.setattr(origins, "leave", leave)


def opened(folder: Path, rows: dict[bytes, Any], **options: Any) -> unit.Unit:
    chosen = toy.options("127.0.0.1:1", "", folder, **options)
    copy = LocalCopy(folder / "unit-0.db", ("by-key", "by-word"), "cluster", 4, 1 << 20)
    copy.write("by-key", [(key, msgspec.json.encode(value)) for key, value in rows.items()])
    return unit.Unit(chosen, toy.build(chosen).engine.stages, 0, Images(copy))


@pytest.mark.parametrize("key", MEANING)
async def test_rows_that_mean_something_else_are_refused(key: str, tmp_path: Path) -> None:
    found = opened(tmp_path, {IDENTITY: Identity("id", MEANING | {key: MEANING[key] + 1})})
    object.__setattr__(found.options, "meaning", MEANING)
    with pytest.raises(LeftError, match="meaning-differs"):
        found.load()


async def test_a_row_that_a_fold_refuses_is_no_poison(tmp_path: Path) -> None:
    found = opened(tmp_path, {}, refused=(RowVersionError,))
    found.load()
    found.positions = {WORDS: 0}

    def refuse(*_: Any) -> NoReturn:
        raise RowVersionError("by-key: row version 2, can read 1")

    found.folds["keys"].fold = refuse
    with pytest.raises(LeftError, match="row-refused"):
        found.apply(RecordBatch(WORDS, 0, 1, [record(0)]))


GROUP: dict[TP, int | None] = {WORDS: 7, RULES: None, PASSED: 3}


@pytest.mark.parametrize(
    ("group", "state", "event"),
    [
        (GROUP, UnitState(4, positions={"words": 7, "rules": 0, "passed": 3}), None),
        (GROUP, UnitState(4), None),  # written before positions were kept
        (dict.fromkeys(GROUP), UnitState(), None),
        (GROUP, UnitState(), "tables-lost"),
        ({**GROUP, WORDS: 8}, UnitState(4, positions={"words": 7, "rules": 0, "passed": 3}), "offsets-differ"),
    ],
)
async def test_tables_and_offsets_that_do_not_belong_together_are_refused(
    group: dict[TP, int | None], state: UnitState, event: str | None, tmp_path: Path
) -> None:
    found = opened(tmp_path, {UNIT_ROW: state} if state.flush else {})
    origins.start(found, group, dict.fromkeys(GROUP, 0), dict.fromkeys(GROUP, 10))
    found.load()
    if event is None:
        origins.check(found)
        return
    with pytest.raises(LeftError, match=event):
        origins.check(found)


@pytest.mark.parametrize("group", [dict.fromkeys(GROUP), {**GROUP, WORDS: 6}])
async def test_offsets_behind_the_tables_are_not_believed(group: dict[TP, int | None], tmp_path: Path) -> None:
    found = opened(tmp_path, {UNIT_ROW: UnitState(4, positions={"words": 7, "rules": 0, "passed": 3})})
    origins.start(found, group, dict.fromkeys(GROUP, 0), dict.fromkeys(GROUP, 10))
    found.load()
    origins.check(found)
    assert found.positions == {WORDS: 7, RULES: 0, PASSED: 3}
    assert found.has_work()
    assert found.committed[WORDS] < 7
