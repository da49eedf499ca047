"""A commit is begun early and says beforehand where its rows end: what is read is the same."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.ends import Ends
from streams.engine.transaction import ForeignRecordError, Message, UnitProducer, Work
from streams.wire.transactions import state_of
from tests.engine import toy
from tests.engine.toy_world import ToyWorld, read

UNIT = 2
ROWS, OTHER_ROWS = (TopicPartition(table, UNIT) for table in ("by-key", "by-word"))


@asynccontextmanager
async def unit_producer(bootstrap: str, prefix: str, folder: Path) -> AsyncIterator[UnitProducer]:
    producer = UnitProducer(toy.options(bootstrap, prefix, folder), UNIT)
    await producer.fence()
    try:
        yield producer
    finally:
        await producer.close()


def work(prefix: str, rows: Mapping[str, int], messages: int = 0, offset: int | None = None) -> Work:
    return Work(
        {prefix + table: ([b"%d" % n for n in range(count)], [b"1"] * count) for table, count in rows.items()},
        [Message(f"{prefix}passed", n % toy.PARTITIONS, b"k", b"m") for n in range(messages)],
        {} if offset is None else {TopicPartition(f"{prefix}words", UNIT): offset},
        {"v": 1},
    )


async def ends_read(bootstrap: str, prefix: str) -> dict[str, int]:
    """Where the rows of each table really end."""
    tables = {table: await read(bootstrap, prefix + table) for table in ("by-key", "by-word")}
    return {table: records[-1].offset + 1 for table, records in tables.items() if records}


async def commits_read(bootstrap: str, prefix: str) -> list[dict[str, int]]:
    return [msgspec.json.decode(record.value)["tables"] for record in await read(bootstrap, f"{prefix}commits")]


async def group_offset(producer: UnitProducer, prefix: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=producer.options.bootstrap, group_id=producer.options.group)
    await consumer.start()
    try:
        return await consumer.committed(TopicPartition(f"{prefix}words", UNIT)) or -1
    finally:
        await consumer.stop()


STEPS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from([ROWS, OTHER_ROWS]), st.integers(1, 5)), st.booleans()), max_size=9
)
COMMITS = (
    ({"by-key": 3}, 2), ({"by-key": 1, "by-word": 2}, 9), ({"by-key": 2}, 9), ({"by-word": 1}, 1), ({"by-key": 1}, 0),
    ({"by-key": 4, "by-word": 4}, 5),
)  # fmt: skip
"""Rows by table, and messages."""


@given(STEPS)
def test_ends_are_those_of_a_log_with_markers(steps: list[tuple[dict[TopicPartition, int], bool]]) -> None:
    ends, log = Ends(), dict.fromkeys((ROWS, OTHER_ROWS), 0)
    known: set[TopicPartition] = set()
    for written, forgets in steps:
        for tp, count in written.items():
            log[tp] += count
        expected = ends.after(written)
        assert expected == ({tp: log[tp] for tp in written} if known >= written.keys() else None)
        named = {*written, ROWS}
        ends.committed({tp: log[tp] for tp in written}, named)
        for tp in named:
            log[tp] += 1
        known |= written.keys()
        if forgets:
            ends.forget()
            known.clear()


async def test_commits_begun_early_are_those_that_were_not(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    await ToyWorld(bootstrap, topic_prefix, tmp_path).create()
    ended: list[dict[str, int]] = []
    async with unit_producer(bootstrap, topic_prefix, tmp_path) as producer:
        for number, (rows, messages) in enumerate(COMMITS):
            producer.begin()
            producer.begin()
            if number % 2:
                await asyncio.sleep(0.2)
            ended.append(await producer.commit(work(topic_prefix, rows, messages, number)))
            assert ended[-1] == {t: end for t, end in (await ends_read(bootstrap, topic_prefix)).items() if t in rows}
        assert await group_offset(producer, topic_prefix) == number
    assert await commits_read(bootstrap, topic_prefix) == ended
    assert len(await read(bootstrap, f"{topic_prefix}passed")) == sum(messages for _, messages in COMMITS)


async def test_what_was_begun_for_nothing_is_ended(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    await ToyWorld(bootstrap, topic_prefix, tmp_path).create()
    async with unit_producer(bootstrap, topic_prefix, tmp_path) as producer:
        await producer.abandon()
        for _ in range(2):
            await producer.commit(work(topic_prefix, {"by-key": 1}, 1, 1))
        producer.begin()
        await producer.abandon()
        assert (await state_of(producer._producer.client, producer.transactional_id)).endswith("Abort")
        ends = await producer.commit(work(topic_prefix, {"by-key": 1}, 1, 2))
        assert ends == await ends_read(bootstrap, topic_prefix)
    assert [found["by-key"] for found in await commits_read(bootstrap, topic_prefix)] == [1, 3, 6]


async def test_a_unit_that_leaves_with_a_transaction_begun_keeps_nobody_waiting(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    await ToyWorld(bootstrap, topic_prefix, tmp_path).create()
    for offset in (1, 2):
        async with asyncio.timeout(10), unit_producer(bootstrap, topic_prefix, tmp_path) as producer:
            for _ in range(2):
                await producer.commit(work(topic_prefix, {"by-key": 1}, 1, offset))
            producer.begin()
            await asyncio.sleep(0.2)
            assert await state_of(producer._producer.client, producer.transactional_id) == "Ongoing"
    assert len(await read(bootstrap, f"{topic_prefix}by-key")) == 4


async def test_a_record_of_somebody_else_fails_the_commit(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    await ToyWorld(bootstrap, topic_prefix, tmp_path).create()
    async with unit_producer(bootstrap, topic_prefix, tmp_path) as producer:
        await producer.commit(work(topic_prefix, {"by-key": 1}, 0, 1))
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as foreign:
            await foreign.send_and_wait(f"{topic_prefix}by-key", b"?", b"k", partition=UNIT)
        with pytest.raises(ForeignRecordError, match="by-key"):
            await producer.commit(work(topic_prefix, {"by-key": 1}, 5, 2))
        assert await group_offset(producer, topic_prefix) == 1
    async with unit_producer(bootstrap, topic_prefix, tmp_path) as producer:
        await producer.commit(work(topic_prefix, {"by-key": 2}, 0, 2))
    assert [found["by-key"] for found in await commits_read(bootstrap, topic_prefix)] == [1, 7]
    assert not await read(bootstrap, f"{topic_prefix}passed")


async def test_a_group_that_may_not_be_joined_fails_the_commit(
    bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the coordinator refuses ends the wait for its answer."""
    await ToyWorld(bootstrap, topic_prefix, tmp_path).create()
    async with unit_producer(bootstrap, topic_prefix, tmp_path) as producer:
        manager: Any = producer._producer._txn_manager
        monkeypatch.setattr(
            producer._producer._sender, "_do_add_offsets_to_txn",
            lambda _: asyncio.sleep(0, manager.error_transaction(PermissionError("the group"))),
        )  # fmt: skip
        async with asyncio.timeout(10):
            with pytest.raises(PermissionError, match="the group"):
                await producer.commit(work(topic_prefix, {"by-key": 1}, 0, 1))
