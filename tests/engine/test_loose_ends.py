"""Transactions whose end Kafka lost: a broker that is fenced while one ends drops its markers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.util import commit_structure_validate
from structlog.testing import capture_logs

from streams.engine import transaction
from streams.engine.loose_ends import written_by
from streams.engine.transaction import Message, UnitProducer, Work
from streams.settings import Settings
from streams.tools.broker import Broker
from streams.wire.lookup import look_up
from streams.wire.transactions import open_partitions, state_of
from tests.engine import toy
from tests.engine.test_protections import World
from tests.engine.toy_world import ToyWorld

UNIT = 1
FORGED = 4711


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[Broker]:
    """A Kafka that is about to believe producers: with the check, none of them can make what a lost marker leaves."""
    with Broker(tmp_path / "kafka", state_dir=Settings().state_dir) as running:
        yield running


async def believe_producers(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    belief = {"transaction.partition.verification.enable": "false"}
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs=belief)])
    finally:
        await admin.close()


@asynccontextmanager
async def reading(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def open_now(consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> int:
    """Partitions with a transaction that has not ended."""
    await look_up(consumer, {tp.topic for tp in tps})
    return sum(map(bool, (await open_partitions(consumer._client, tps)).values()))


async def leave_open(world: ToyWorld, *, committed: bool) -> None:
    """As a predecessor of the unit: a row, a message and an offset in a transaction that the coordinator forgot.

    `committed`: only the message has no end, the rest of the transaction is committed.
    """
    group = f"{world.prefix}toy"
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=f"{group}-{UNIT}")
    await producer.start()
    await producer.begin_transaction()
    manager: Any = producer._txn_manager
    row, message = (TopicPartition(world.prefix + topic, UNIT) for topic in ("by-key", "passed"))
    manager._txn_partitions |= {message} if committed else {row, message}
    sent = [
        await producer.send(row.topic, b"%d" % FORGED, key=b"k9", partition=UNIT),
        await producer.send(message.topic, b"%d" % FORGED, key=b"a", partition=UNIT),
    ]
    if not committed:
        manager._txn_consumer_group = group
        words = TopicPartition(world.prefix + "words", UNIT)
        sent.append(manager.add_offsets_to_txn(commit_structure_validate({words: 3}), group))
    await asyncio.gather(*sent)
    if not committed:
        manager._txn_partitions.clear()
        manager._txn_consumer_group = None
    await producer.commit_transaction()  # of nothing or of the row, as far as the coordinator knows
    await producer.stop()


async def worked_on(world: World, lacking: str, *, committed: bool = False) -> tuple[list[int], int]:
    """Leave a transaction open between two workers -> open ends before and after, and how often `a` was counted."""
    places = [TopicPartition(world.prefix + topic, UNIT) for topic in ("by-key", "by-word", "passed")]
    await world.create()
    await world.produce(300)
    first = await world.worker("a", "nothing")
    await world.drained()
    first.terminate()
    await asyncio.wait_for(first.wait(), 20)
    await leave_open(world, committed=committed)
    async with reading(world.bootstrap) as consumer:
        opened = [await open_now(consumer, places)]
        await world.produce(300)
        await world.worker("a", lacking)
        _, words = await world.steady()
        opened.append(await open_now(consumer, places))
    return opened, words.get(b"a", 0) - world.by_word[b"a"]


async def test_what_lost_its_end_is_ended_at_the_next_start(
    careless: Broker, tmp_path: Path, topic_prefix: str
) -> None:
    await believe_producers(careless.bootstrap)
    found = {}
    for place, lacking in (("with", "nothing"), ("without", "taking back of lost ends")):
        (tmp_path / place).mkdir()
        world = World(careless.bootstrap, f"{topic_prefix}{place}-", tmp_path / place)
        try:
            found[place] = await worked_on(world, lacking)
            if place == "with":
                await world.check()
        finally:
            await world.stop()
    assert found == {"with": ([2, 0], 0), "without": ([2, 0], FORGED)}
    assert "transaction-ended-again" in (tmp_path / "with" / "a.log").read_text("utf-8")


async def test_what_was_committed_is_not_taken_back(careless: Broker, tmp_path: Path, topic_prefix: str) -> None:
    await believe_producers(careless.bootstrap)
    world = World(careless.bootstrap, topic_prefix, tmp_path)
    try:
        assert await worked_on(world, "nothing", committed=True) == ([1, 0], FORGED)
    finally:
        await world.stop()
    log = (tmp_path / "a.log").read_text("utf-8")
    assert "commit=True" in next(line for line in log.splitlines() if "transaction-ended-again" in line)


async def test_what_a_commit_left_open_is_committed_before_the_next(
    careless: Broker, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await believe_producers(careless.bootstrap)
    world = ToyWorld(careless.bootstrap, topic_prefix, tmp_path)
    await world.create()
    producer = UnitProducer(toy.options(careless.bootstrap, topic_prefix, tmp_path), UNIT)
    await producer.fence()
    places = [TopicPartition(topic_prefix + topic, UNIT) for topic in ("by-key", "passed")]
    work = Work({places[0].topic: ([b"k"], [b"1"])}, [Message(places[1].topic, UNIT, b"a", b"1")], {}, {})
    manager: Any = producer._producer._txn_manager
    add = manager.maybe_add_partition_to_txn

    def forget(tp: TopicPartition) -> None:
        """The coordinator hears nothing of the message."""
        if tp == places[1]:
            manager._txn_partitions.add(tp)
            monkeypatch.setattr(manager, "maybe_add_partition_to_txn", add)  # this time only
        else:
            add(tp)

    try:
        monkeypatch.setattr(transaction, "SLOW_S", 0.0)
        monkeypatch.setattr(transaction, "SETTLE_S", 0.0)
        monkeypatch.setattr(UnitProducer, "wary_until_s", 0.0)
        monkeypatch.setattr(manager, "maybe_add_partition_to_txn", forget)
        with capture_logs() as logged:
            await producer.commit(work)
        assert await producer.left_open(places) == set()
        assert await state_of(producer._producer.client, producer.transactional_id) == "CompleteCommit"
    finally:
        await producer.close()
    assert [entry["event"] for entry in logged] == ["transaction-ended-again"]
    assert await committed_values(careless.bootstrap, places[1]) == [b"1"]


async def committed_values(bootstrap: str, tp: TopicPartition) -> list[bytes | None]:
    async with reading(bootstrap) as consumer:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        records = (await consumer.getmany(timeout_ms=3_000)).get(tp, [])
        return [record.value for record in records]


def test_a_unit_takes_back_whatever_its_stages_may_have_written() -> None:
    stages = toy.build(toy.options("kafka:1", "x.", Path("a"))).engine.stages
    tables = [table for stage in stages for table in stage.tables]
    unit: Any = SimpleNamespace(
        options=toy.options("kafka:1", "x.", Path("a")), stages=stages, tables=tables, number=2, real=lambda t: f"x.{t}"
    )
    own = {TopicPartition(f"x.{topic}", 2) for topic in ("by-key", "by-word", "commits", "dead-letters")}
    assert written_by(unit) == own | {TopicPartition("x.passed", number) for number in range(toy.PARTITIONS)}


async def test_a_commit_that_met_an_absent_broker_waits_before_its_end(
    bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    producer = UnitProducer(toy.options(bootstrap, topic_prefix, tmp_path), UNIT)
    await producer.fence()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    work = Work({topic_prefix + "by-key": ([b"k"], [b"1"])}, [], {TopicPartition(topic_prefix + "words", UNIT): 0}, {})
    try:
        monkeypatch.setattr(asyncio, "sleep", sleep)
        monkeypatch.setattr(transaction, "SLOW_S", 60.0)
        await producer.commit(work)
        quick = waits.count(transaction.SETTLE_S)
        monkeypatch.setattr(transaction, "SLOW_S", 0.0)
        await producer.commit(work)
        monkeypatch.undo()
    finally:
        await producer.close()
    assert (quick, waits.count(transaction.SETTLE_S)) == (0, 1)
