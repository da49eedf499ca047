"""Records that a handler failed on (docs/decisions/0010): both audits take them for not folded, as the tables do."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from streams.core.ports import Output, Record, Rejected
from streams.core.reasons import Reason
from streams.testing.audit_world import MemorySource, Pipeline, busy, live
from streams.tools.audit.looks import Look, look
from streams.tools.audit.run import Audit
from streams.tools.audit.sample import Sample, Sampled
from streams.tools.audit.verdict import Verdict

EVERY = {"views": 11, "likes": 7, "shares": 5, "accounts": 4, "videos": 9}
"""A handler fails on each n-th record of these topics."""


class Failing:
    """A stage that sets aside what its engine would: those records and no others are not folded."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.aside: list[Rejected] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stage, name)

    def fold(self, topic: str, records: Sequence[Record]) -> None:
        every = EVERY.get(topic)
        failed = [record for record in records if every and record.offset % every == 0]
        self.aside += [Rejected(topic, record, Reason.HANDLER_FAILED, "KeyError: 'boom'") for record in failed]
        self.stage.fold(topic, [record for record in records if record not in failed])

    def collect(self, flush: int) -> Output:
        output: Output = self.stage.collect(flush)
        output.rejected.extend(self.aside)
        self.aside.clear()
        return output


def source_of(made: Pipeline) -> MemorySource:
    return MemorySource(dict(made.logs), made.partitions)


def lines(found: Look | Verdict) -> list[str]:
    wrong = found.drift if isinstance(found, Look) else found.kept
    return [line for each in wrong for line in each.lines()]


@pytest.fixture
def pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Pipeline.__init__

    def begin(self: Pipeline, partitions: int = 2, seed: int = 1) -> None:
        made(self, partitions, seed)
        self.stages = [(Failing(users), Failing(videos), trends) for users, videos, trends in self.stages]

    monkeypatch.setattr(Pipeline, "__init__", begin)


def aside(made: Pipeline) -> set[str]:
    """Topics from which records were set aside."""
    letters = [dict(entry.headers) for (topic, _), log in made.logs.items() if topic == "dead-letters" for entry in log]
    return {each["topic"].decode() for each in letters if each["reason"] == b"handler-failed"}


@pytest.mark.usefixtures("pipelines")
@pytest.mark.parametrize("seed", range(3))
def test_the_whole_audit_does_not_count_them(seed: int) -> None:
    made = busy(seed)
    assert aside(made) == set(EVERY)
    audit = Audit(source_of(made), Verdict(), lambda _line: None)
    asyncio.run(audit.run())
    assert lines(audit.verdict) == []


@pytest.mark.usefixtures("pipelines")
@pytest.mark.parametrize("seed", range(3))
def test_the_sample_does_not_count_them_while_the_pipeline_goes_on(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Look] = []
    sampled = Sampled(MemorySource({}, 2), Sample(1.0))

    def look_now(made: Pipeline) -> None:
        async def settle(_seconds: float) -> None:
            for number in range(made.partitions):
                made.step(number)
            sampled.source = source_of(made)

        monkeypatch.setattr("streams.tools.audit.looks.asyncio.sleep", settle)
        sampled.source = source_of(made)
        found.append(asyncio.run(look(sampled)))

    made = busy(seed, between=lambda made: look_now(made) if made.rng.random() < 0.2 else None)
    look_now(made)
    assert aside(made) == set(EVERY)
    assert [lines(each) for each in found] == [[]] * len(found)
    assert len(found) > 3


@pytest.mark.usefixtures("pipelines")
def test_the_sample_does_not_count_them_from_a_checkpoint_on() -> None:
    made = busy(4)
    audit = Audit(source_of(made), Verdict(), lambda _line: None)
    asyncio.run(audit.run())
    base = audit.checkpoint()
    live(made, {}, range(1_000, 1_200))
    assert lines(asyncio.run(look(Sampled(source_of(made), Sample(1.0), base), settle_s=0.0))) == []


@pytest.mark.usefixtures("pipelines")
def test_a_letter_of_a_record_that_was_folded_is_found() -> None:
    """Whoever sets aside what is in the tables does not get away with it."""
    made = busy(3, changes=False)
    source = source_of(made).copy()
    log = source.logs["dead-letters", 0]
    at, letter = next((at, one) for at, one in enumerate(log) if (one.key or b"").startswith(b"views:"))
    offset = next(
        e.offset for e in source.logs["views", 0] if e.offset % EVERY["views"] and (e.value or b"")[:5] == b'{"id"'
    )
    log[at] = letter._replace(key=b"views:0:%d" % offset)
    assert asyncio.run(look(Sampled(source, Sample(1.0)), settle_s=0.0)).drift
