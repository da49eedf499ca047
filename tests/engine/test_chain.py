"""Batches chain by position: what does not continue where a unit stands is never folded, however it came about."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.engine.batches import Envelope, RecordBatch
from streams.engine.changelog import Follower
from streams.engine.consumer import Consumer, ConsumerThread
from streams.engine.images import Images
from streams.engine.ranges import Ranges
from streams.engine.store import LocalCopy
from streams.engine.unit import Unit
from tests.engine import toy

WORDS = TP("words", 0)


def record(offset: int, word: bytes = b"a") -> Any:
    return SimpleNamespace(key=b"k", value=word, offset=offset, timestamp=0, headers=())


def batch(start: int | None, offsets: range, next_offset: int | None = None) -> RecordBatch:
    return RecordBatch(WORDS, start, next_offset or offsets.stop, [record(offset) for offset in offsets])


@pytest.fixture
async def unit(tmp_path: Path) -> Unit:
    options = toy.options("127.0.0.1:1", "", tmp_path)
    app = toy.build(options)
    copy = LocalCopy(tmp_path / "unit-0.db", ("by-key", "by-word"), "cluster", 4, 1 << 20)
    unit = Unit(options, app.engine.stages, 0, Images(copy))
    unit.load()
    unit.positions = {WORDS: 10, TP("rules", 0): 0, TP("passed", 0): 0}
    return unit


def count(unit: Unit) -> int:
    found: int = unit.folds["keys"].counts.get(b"k", 0)
    return found


async def test_a_batch_that_continues_is_folded(unit: Unit) -> None:
    assert unit.apply(batch(10, range(10, 15), next_offset=16))
    assert (count(unit), unit.positions[WORDS]) == (5, 16)


async def test_a_batch_behind_a_hole_is_refused(unit: Unit) -> None:
    assert not unit.apply(batch(11, range(11, 15)))
    assert (count(unit), unit.positions[WORDS]) == (0, 10)


async def test_a_batch_of_unknown_start_is_refused(unit: Unit) -> None:
    assert not unit.apply(batch(None, range(10, 15)))
    assert count(unit) == 0


async def test_what_was_folded_before_is_left_out(unit: Unit) -> None:
    assert unit.apply(batch(5, range(5, 10)))
    assert count(unit) == 0
    assert unit.apply(batch(8, range(8, 13)))
    assert (count(unit), unit.positions[WORDS]) == (3, 13)


async def test_a_barrier_waits_for_a_commit(unit: Unit) -> None:
    rule = RecordBatch(TP("rules", 0), 0, 1, [record(0, b"2")])
    assert not unit.needs_flush_before(rule)
    assert unit.apply(batch(10, range(10, 11)))
    assert unit.needs_flush_before(rule)


def consumer_at(assignment: Any, position: int) -> Any:
    assignment.tps = {WORDS}
    assignment.state_value = lambda tp: SimpleNamespace(_position=position if tp == WORDS else None)
    return SimpleNamespace(_subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)))


@pytest.mark.parametrize("reassigned", [False, True])
async def test_a_fetch_that_lives_through_an_assignment_has_no_start(
    monkeypatch: pytest.MonkeyPatch, *, reassigned: bool
) -> None:
    first = SimpleNamespace()
    consumer = consumer_at(first, 10)

    async def fetch(self: Any, consumer: Any, *_: Any) -> Any:
        del self
        now = SimpleNamespace() if reassigned else first
        consumer._subscription = consumer_at(now, 40)._subscription
        return {WORDS: [record(30)]}

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)
    thread = object.__new__(ConsumerThread)
    thread.consumer, thread.ranges = SimpleNamespace(flow_active=True, ranges=({}, {})), Ranges()
    await thread._fetch_records(consumer, {WORDS}, 1.0, 100)
    before, after = thread.consumer.ranges
    assert before.get(WORDS) == (None if reassigned else 10)
    assert after[WORDS] == 40


async def test_to_seek_in_a_partition_that_was_revoked_meanwhile_is_nothing() -> None:
    consumer: Any = object.__new__(Consumer)
    consumer.app = SimpleNamespace()

    async def earliest(tp: TP) -> dict[TP, int]:
        return {tp: 0}

    async def seek(_: Any) -> None:
        raise IllegalStateError("No current assignment for partition")

    consumer.earliest_offsets, consumer.seek_wait = earliest, seek
    await consumer.seek_back(WORDS, 10)


def test_an_envelope_is_one_record_to_faust() -> None:
    envelope = Envelope([batch(10, range(10, 15)), batch(20, range(20, 22))])
    assert (envelope.topic, envelope.partition, envelope.offset) == ("words", 0, 14)


async def test_a_poll_is_one_event_for_each_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of partitions; nothing of it is lost, and each batch keeps its own range."""
    places = [TP("words", 0), TP("passed", 0), TP("rules", 0), TP("words", 1)]
    found = {tp: [record(10 * at)] for at, tp in enumerate(places, start=1)}

    async def wait(*_: Any) -> Any:
        return found, set(found)

    monkeypatch.setattr(driver.Consumer, "_wait_next_records", wait)
    agents = {"words": "keys", "rules": "keys", "passed": "words"}
    engine = SimpleNamespace(agent_of=agents, delivered={})
    consumer = object.__new__(Consumer)
    consumer.app = SimpleNamespace(engine=engine)
    consumer.ranges = dict.fromkeys(places, 5), {tp: 10 * at + 1 for at, tp in enumerate(places, start=1)}
    events, active = await consumer._wait_next_records(1.0)
    assert active == set(found)
    assert [(tp, envelope.offset) for tp, (envelope,) in events.items()] == [(places[0], 10), (places[1], 20)]
    batches = [batch for (envelope,) in events.values() for batch in envelope.value]
    assert [(b.tp, b.start, b.next_offset, b.records) for b in batches] == [
        (places[at], 5, 10 * at + 11, found[places[at]]) for at in (0, 2, 3, 1)
    ]
    assert engine.delivered == {b.tp: b.next_offset for b in batches}


async def test_changelog_records_of_an_old_assignment_are_not_applied(tmp_path: Path) -> None:
    """A getmany whose later partitions belong to an assignment that ended while the first was written."""
    copies = [LocalCopy(tmp_path / f"unit-{n}.db", ("by-key",), "c", 4, 1 << 20) for n in range(2)]
    follower = Follower(toy.options("127.0.0.1:1", "", tmp_path))
    tps = list(follower.topic_partitions(dict(enumerate(copies))))

    async def getmany(**_: Any) -> Any:
        follower._epoch += 1 if follower.applied else 0
        return {tp: [record(0)] for tp in tps}

    write = copies[0].write

    def write_and_lose(table: str, rows: Any, position: int | None = None) -> None:
        write(table, rows, position)
        follower._epoch += 1

    follower.consumer = SimpleNamespace(getmany=getmany)
    follower._copies = follower.topic_partitions(dict(enumerate(copies)))
    copies[0].write = write_and_lose  # type: ignore[method-assign]
    await follower._step()
    assert [copy.position("by-key") for copy in copies] == [1, None]


@pytest.mark.parametrize("start", [10, None])
def test_slices_chain_to_the_same_end(start: int | None) -> None:
    whole = RecordBatch(WORDS, start, 99, [record(offset) for offset in (10, 11, 15, 16, 30)])
    parts = list(whole.slices(2))
    ends = [part.next_offset for part in parts]
    assert ends == [15, 30, 99]
    assert [part.start for part in parts] == [start, *(end if start else None for end in ends[:-1])]
    assert [r.offset for part in parts for r in part.records] == [10, 11, 15, 16, 30]
    assert list(whole.slices(9)) == [whole]
