"""The self-audit: a sample of a pipeline that goes on, judged by the same commits as its rows."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from streams.core.rows import PairRow, UserRow
from streams.testing.audit_world import MemorySource, Pipeline, busy
from streams.tools.audit.log import NotProvableError
from streams.tools.audit.looks import Look, look
from streams.tools.audit.rows import latest
from streams.tools.audit.run import Audit
from streams.tools.audit.sample import Sample, Sampled
from streams.tools.audit.verdict import Verdict
from tests.tools.tampering import add_view, alter_row, counters_only, set_flags, set_seen


def source_of(made: Pipeline) -> MemorySource:
    return MemorySource(dict(made.logs), made.partitions)


def looked(sampled: Sampled) -> Look:
    return asyncio.run(look(sampled, settle_s=0.0))


def shown(found: Look) -> list[str]:
    return [line for wrong in found.drift for line in wrong.lines()]


@pytest.mark.parametrize("seed", range(6))
def test_nothing_drifts_while_the_pipeline_goes_on(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks in the middle of everything: units have committed to different points, and commit between two looks."""
    found: list[Look] = []
    sampled = Sampled(MemorySource({}, 2), Sample(1.0))

    def look_now(made: Pipeline) -> None:
        async def settle(_seconds: float) -> None:
            for number in range(made.partitions):
                made.step(number)
            sampled.source = source_of(made)

        monkeypatch.setattr("streams.tools.audit.looks.asyncio.sleep", settle)
        sampled.source = source_of(made)
        found.append(looked(sampled))

    look_now(busy(seed, between=lambda made: look_now(made) if made.rng.random() < 0.3 else None))
    assert [shown(each) for each in found] == [[]] * len(found)
    assert len(found) > 5
    assert found[-1].rows_checked > 200


def test_a_sample_is_a_part_and_always_the_same() -> None:
    source = source_of(busy(3))
    whole, part, again = (looked(Sampled(source, Sample(f))).rows_checked for f in (1.0, 0.4, 0.4))
    assert 0 < part == again < 0.8 * whole


ALTERED: list[tuple[str, Callable[[bytes], object], Callable[..., None]]] = [
    ("interests", UserRow.decode, set_seen),
    ("pairs", PairRow.decode, set_flags),
    ("videos-table", counters_only, add_view),
    ("trends", counters_only, add_view),
]


@pytest.mark.parametrize(("table", "decode", "change"), ALTERED, ids=[each[0] for each in ALTERED])
def test_a_planted_drift_is_found(table: str, decode: Any, change: Any) -> None:
    source = source_of(busy(3, tags=3, changes=False))
    alter_row(source, table, decode, change)
    found = looked(Sampled(source, Sample(1.0)))
    assert found.result()["drift_by_table"] == {table: 1}, shown(found)


def test_a_flush_sent_twice_is_found() -> None:
    source = source_of(busy(3))
    log = source.logs["trend-tallies", 0]
    at = len(log) // 2
    log[at] = log[at]._replace(value=log[0].value)
    assert "trend-tallies" in {wrong.table for wrong in looked(Sampled(source, Sample(1.0))).drift}


def test_a_row_wrong_in_one_look_only_is_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(busy(3))
    alter_row(source, "trends", counters_only, add_view)
    sampled = Sampled(source, Sample(1.0))

    async def mend(_seconds: float) -> None:
        """As a row written anew does."""
        for number, part in enumerate(sampled.parts):
            part.images["trends"].update(latest(busy(3).logs["trends", number]))

    monkeypatch.setattr("streams.tools.audit.looks.asyncio.sleep", mend)
    assert looked(sampled).drift == []


def test_trimmed_logs_are_not_provable_but_from_a_checkpoint() -> None:
    made = busy(4)
    source = source_of(made)
    audit = Audit(source, Verdict(), lambda _line: None)
    asyncio.run(audit.run())
    base = audit.checkpoint()
    for (topic, partition), log in source.logs.items():
        if topic in ("views", "likes", "shares", "feedback", "commits", "video-tallies", "trend-tallies"):
            needed = base.next_commits[partition] if topic == "commits" else base.position(topic, partition)
            source.logs[topic, partition] = [entry for entry in log if entry.offset >= needed]
            source.starts[topic, partition] = needed
    with pytest.raises(NotProvableError, match="--from"):
        looked(Sampled(source, Sample(1.0)))
    sampled = Sampled(source, Sample(1.0), base)
    assert shown(looked(sampled)) == []
    assert looked(sampled).rows_checked > 200
