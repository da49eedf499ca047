"""Schemas are what the code says, and every golden sample is judged alike by schema, oracle and fold."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from streams.core import published, rows
from streams.core.arrival import Where, arrive
from streams.core.keys import partition_of
from streams.core.ports import Rejected
from streams.core.reasons import Reason
from streams.testing.oracle.checks import TYPES, UnusableError, check
from streams.tools import schemas
from streams.tools.schema_samples import BAD, GOOD, PARTITIONS, Sample

FOLDER = Path(__file__).parents[2] / "schemas"
SCHEMA_OF = {
    "views": "view", "likes": "like", "shares": "share", "feedback": "feedback", "videos": "video",
    "accounts": "account",
}  # fmt: skip
BY_SCHEMA = set(Reason) - {
    Reason.NO_VALUE, Reason.TOO_LARGE, Reason.NO_KEY, Reason.MALFORMED_JSON, Reason.KEY_MISMATCH,
    Reason.WRONG_PARTITION, Reason.BAD_TALLY, Reason.HANDLER_FAILED,
}  # fmt: skip


class Rec(NamedTuple):
    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = 1_700_000_001_000


def record_of(sample: Sample) -> tuple[Rec, int]:
    key = None if sample.key is None else sample.key.encode()
    value = None if sample.value is None else sample.value.encode()
    right = partition_of(key or b"", PARTITIONS)
    return Rec(key, value), right if sample.partition is None else sample.partition


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"{name}.v1.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_no_drift() -> None:
    assert schemas.drift(FOLDER) == []


def test_drift_is_found(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(schemas.command, ["write", "--folder", str(tmp_path)]).exit_code == 0
    assert run.invoke(schemas.command, ["check", "--folder", str(tmp_path)]).exit_code == 0
    (tmp_path / "view.v1.json").write_text("{}\n")
    (tmp_path / "like.v1.json").unlink()
    (tmp_path / "old.v1.json").write_text("{}\n")
    found = run.invoke(schemas.command, ["check", "--folder", str(tmp_path)])
    assert found.exit_code == 1
    assert [line.split(":")[0] for line in schemas.drift(tmp_path)] == ["old.v1.json", "like.v1.json", "view.v1.json"]


def test_every_reason_has_a_sample() -> None:
    assert set(BAD) == set(Reason) - {Reason.BAD_TALLY, Reason.HANDLER_FAILED}
    assert {sample.topic for sample in GOOD.values()} == set(TYPES)


@pytest.mark.parametrize("reason", BAD, ids=str)
def test_bad_samples_are_refused_for_their_reason(reason: Reason) -> None:
    record, partition = record_of(BAD[reason])
    with pytest.raises(UnusableError) as found:
        check(BAD[reason].topic, record, partition, PARTITIONS)
    assert found.value.reason == reason
    folded = arrive(Where(BAD[reason].topic, partition, PARTITIONS), record)
    assert isinstance(folded, Rejected)
    assert folded.reason == reason


@pytest.mark.parametrize("name", GOOD)
def test_good_samples_pass(name: str) -> None:
    sample = GOOD[name]
    record, partition = record_of(sample)
    value = check(sample.topic, record, partition, PARTITIONS)
    assert value == arrive(Where(sample.topic, partition, PARTITIONS), record)
    if sample.value is not None:
        assert isinstance(value, TYPES[sample.topic])
        validator(SCHEMA_OF[sample.topic]).validate(json.loads(sample.value))


@pytest.mark.parametrize("reason", sorted(BY_SCHEMA & set(BAD)), ids=str)
def test_the_schema_refuses_what_arrival_refuses(reason: Reason) -> None:
    sample = BAD[reason]
    assert sample.value is not None
    errors = list(validator(SCHEMA_OF[sample.topic]).iter_errors(json.loads(sample.value)))
    assert len(errors) == 1


ROWS: dict[str, Any] = {
    "interests": rows.UserRow(views=1, view_ids=[7], seen=[3], positive=[(5, 0.5, 0.25)], negative=[(9, 1.0)]),
    "pairs": rows.PairRow([rows.PairEntry(1, "", 5, 6, 3, "NL")]),
    "parked": rows.ParkedRow(5, [rows.ParkedShare(0, 1, 5, 100, 0)]),
    "videos-table-facts": rows.FactsRow(3, live=False, facts=None),
    "counters": rows.CounterRow((3, 2, 1), 100, 2, {99: (1, 0, 0)}, {1: (3, 2, 1)}),
    "chart": published.Chart(
        kind="tag", scope="*", window="1h", partition=0, watermark_ms=5,
        entries=[published.ChartEntry("cats", 9, 1, 1, 1)],
    ),
    "commit": published.Commit(
        partition=0, flush=1, positions={"views": 3}, tables={}, folded={"video-tallies": {"0": 1}}, watermark_ms=5,
        behind={},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_decoded_rows_fit_their_schema(name: str) -> None:
    shown = msgspec.to_builtins(ROWS[name], str_keys=True)
    shown = json.loads(json.dumps(shown))
    checker = validator(f"rows/{name}")
    checker.validate(shown)
    assert list(checker.iter_errors({"nothing": "of this"} if isinstance(shown, list) else [])) != []


def test_all_rows_are_covered() -> None:
    assert ROWS.keys() == schemas.ROWS.keys()
