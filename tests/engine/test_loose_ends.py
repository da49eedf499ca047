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

from streams.engine import transaction
from streams.engine.loose_ends import open_ends, written_by
from streams.engine.transaction import UnitProducer, Work
from streams.settings import Settings
from streams.tools.broker import Broker
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


async def leave_open(world: ToyWorld) -> None:
    """As a predecessor of the unit: a row, a message and an offset in a transaction that the coordinator forgot."""
    group = f"{world.prefix}toy"
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=f"{group}-{UNIT}")
    await producer.start()
    await producer.begin_transaction()
    manager: Any = producer._txn_manager
    row, message = (TopicPartition(world.prefix + topic, UNIT) for topic in ("by-key", "passed"))
    manager._txn_partitions |= {row, message}
    manager._txn_consumer_group = group
    sent = [
        await producer.send(row.topic, b"%d" % FORGED, key=b"k9", partition=UNIT),
        await producer.send(message.topic, b"%d" % FORGED, key=b"a", partition=UNIT),
    ]
    words = TopicPartition(world.prefix + "words", UNIT)
    sent.append(manager.add_offsets_to_txn(commit_structure_validate({words: 3}), group))
    await asyncio.gather(*sent)
    manager._txn_partitions.clear()
    manager._txn_consumer_group = None
    await producer.commit_transaction()  # of nothing, as far as the client knows: no marker is asked for
    await producer.stop()


async def worked_on(world: World, lacking: str) -> tuple[list[int], int]:
    """Leave a transaction open between two workers -> open ends before and after, and how often `a` was counted."""
    tables = [TopicPartition(world.prefix + table, UNIT) for table in ("by-key", "by-word")]
    await world.create()
    await world.produce(300)
    first = await world.worker("a", "nothing")
    await world.drained()
    first.terminate()
    await asyncio.wait_for(first.wait(), 20)
    await leave_open(world)
    async with reading(world.bootstrap) as consumer:
        opened = [len(await open_ends(consumer, tables))]
        await world.produce(300)
        await world.worker("a", lacking)
        _, words = await world.steady()
        opened.append(len(await open_ends(consumer, tables)))
    return opened, words.get(b"a", 0) - world.by_word[b"a"]


async def test_what_lost_its_end_is_taken_back_at_the_next_start(
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
    assert found == {"with": ([1, 0], 0), "without": ([1, 0], FORGED)}
    assert "transaction-taken-back" in (tmp_path / "with" / "a.log").read_text("utf-8")


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
