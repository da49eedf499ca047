"""Record batches of the kernel: the bytes of aiokafka's own builder, and what two other clients read back."""

import inspect
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.producer.transaction_manager import TransactionManager
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import outgoing
from streams.engine.outgoing import Columns, batches
from streams.engine.transaction import Message, UnitProducer, Work
from streams.wire import compiled
from tests.engine import toy
from tests.engine.toy_world import ToyWorld, read

GZIP = 1
NOW_MS = 1_700_000_000_123
FIELD = st.none() | st.binary(max_size=70) | st.integers(100, 20_000).map(bytes)


class Producer:
    """What `batches` needs of a producer that was never started."""

    def __init__(self, compression: int = 0, *, limit: int = 1_000, transactional: bool = True) -> None:
        manager = TransactionManager("unit-0", 1_000) if transactional else None
        self._message_accumulator: Any = MessageAccumulator(None, limit, compression, 30, txn_manager=manager)
        self.create_batch = self._message_accumulator.create_builder


@pytest.fixture(autouse=True)
def _with_kernels() -> Iterator[None]:
    yield
    compiled.switch(on=True)


def kernel() -> Any:
    found = compiled.compiled("wire_out")
    assert found is not None
    return found


def built(producer: Producer, records: Columns) -> list[tuple[bytes, int]] | str:
    """Finished batches with their record counts, as the accumulator finishes them, or why there are none."""
    found = []
    try:
        for number, batch in enumerate(batches(producer, records, NOW_MS)):
            batch._set_producer_state(2**40 + number, 7, 2**31 - 1 - number)
            assert batch.closed()
            finished = bytes(batch._build())
            assert bytes(batch._build()) == finished
            assert batch.size() == len(finished)
            if finished[22] & 7 == GZIP:  # holds the time of day, and with it the CRC differs
                finished = finished[:17] + finished[21:65] + finished[69:]
            found.append((finished, batch.record_count()))
    except ValueError as error:
        return str(error).split(" of ")[0]
    return found


def built_by_both(producer: Producer, records: Columns) -> tuple[Any, Any]:
    by_kernel = built(producer, records)
    compiled.switch(on=False)
    by_aiokafka = built(producer, records)
    compiled.switch(on=True)
    return by_kernel, by_aiokafka


@given(
    rows=st.lists(st.tuples(FIELD, FIELD), max_size=150),
    compression=st.sampled_from([0, 1, 3, 4]),
    limit=st.sampled_from([100, 1_000, 30_000]),
    transactional=st.booleans(),
)
async def test_bytes_are_those_of_aiokafka(
    rows: list[tuple[bytes | None, bytes | None]], compression: int, limit: int, transactional: bool
) -> None:
    records = Columns([key for key, _ in rows], [value for _, value in rows], [])
    producer = Producer(compression, limit=limit, transactional=transactional)
    by_kernel, by_aiokafka = built_by_both(producer, records)
    assert by_kernel == by_aiokafka


async def test_a_batch_of_many_records_is_the_same() -> None:
    values: list[bytes | None] = [b"%d" % number * (number % 40) for number in range(40_000)]
    by_kernel, by_aiokafka = built_by_both(Producer(limit=1_000_000), Columns(list(values), values, []))
    assert by_kernel == by_aiokafka
    assert len(by_kernel) > 5


async def test_every_length_around_the_steps_of_a_varint_is_the_same() -> None:
    for size in (0, 1, 62, 63, 64, 65, 8_189, 8_190, 8_191, 8_192, 8_193, 1_048_575, 1_048_576):
        by_kernel, by_aiokafka = built_by_both(Producer(limit=1 << 22), Columns([b"k"], [bytes(size)], []))
        assert by_kernel == by_aiokafka


async def test_a_record_larger_than_a_batch_is_refused() -> None:
    several: list[list[Any]] = [[], [[], []]]
    for headers in several:
        with pytest.raises(ValueError, match="does not fit a batch"):
            list(batches(Producer(), Columns([b"k", b"k"], [b"v", bytes(1_000)], headers), NOW_MS))


@pytest.mark.compiled
@pytest.mark.parametrize(("keys", "values"), [([b"k", "k"], [b"v", b"v"]), ([b"k", b"l"], [b"v", 1])])
def test_what_is_not_bytes_is_refused(keys: list[Any], values: list[Any]) -> None:
    with pytest.raises(TypeError):
        kernel().write(keys, values, 0, 1_000, NOW_MS, True)


@pytest.mark.compiled
def test_the_kernel_refuses_columns_that_do_not_fit() -> None:
    for keys, values, first in (([b"k"], [], 0), ([b"k"], [b"v"], 1), ([b"k"], [b"v"], -1), ([], [], 0)):
        with pytest.raises(ValueError, match="as many keys as values"):
            kernel().write(keys, values, first, 1_000, NOW_MS, True)


async def committed(bootstrap: str, topic_prefix: str, tmp_path: Any, **more: Any) -> Work:
    producer = UnitProducer(toy.options(bootstrap, topic_prefix, tmp_path, **more), 1)
    await producer.fence()
    keys: list[bytes] = [b"k%d" % number for number in range(30_000)]
    rows: list[bytes | None] = [b"%d" % number * 9 if number % 7 else None for number in range(30_000)]
    passed = [Message(topic_prefix + "passed", 2, b"p%d" % number, b"v") for number in range(3)]
    dead = [Message(topic_prefix + "dead-letters", 1, b"d", b"v", [("reason", b"none")])]
    offsets = {TopicPartition(topic_prefix + "words", 1): 0}
    work = Work({topic_prefix + "by-key": (keys, rows)}, [*passed, *dead], offsets, {"v": 1})
    for before in (0, 30_001):  # a marker lies between
        assert await producer.commit(work) == {"by-key": before + 30_000}
    await producer.close()
    return work


@pytest.mark.parametrize("compression", [None, "lz4"])
async def test_clients_read_what_was_written(
    compression: str | None, bootstrap: str, topic_prefix: str, tmp_path: Any
) -> None:
    await ToyWorld(bootstrap, topic_prefix, tmp_path).create()
    work = await committed(bootstrap, topic_prefix, tmp_path, compression=compression)
    keys, rows = work.rows[topic_prefix + "by-key"]
    expected = list(zip(keys, rows, strict=True)) * 2
    assert [(r.key, r.value) for r in await read(bootstrap, topic_prefix + "by-key")] == expected
    assert read_by_librdkafka(bootstrap, topic_prefix + "by-key", len(expected)) == expected
    assert {r.headers for r in await read(bootstrap, topic_prefix + "dead-letters")} == {(("reason", b"none"),)}
    assert [r.key for r in await read(bootstrap, topic_prefix + "passed")] == [b"p0", b"p1", b"p2"] * 2


def read_by_librdkafka(bootstrap: str, topic: str, count: int) -> list[tuple[bytes | None, bytes | None]]:
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": topic, "isolation.level": "read_committed", "check.crcs": True}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 1, 0)])
    try:
        found: list[Any] = []
        while len(found) < count and (more := consumer.consume(20_000, timeout=10)):
            assert [message.error() for message in more if message.error()] == []
            found += more
        return [(message.key(), message.value()) for message in found]
    finally:
        consumer.close()


def test_what_aiokafka_asks_of_a_builder_is_there() -> None:
    """Its accumulator and sender use these members of a builder, and no others."""
    source = inspect.getsource(MessageBatch) + inspect.getsource(MessageAccumulator) + inspect.getsource(sender)
    asked = {part.split("(")[0].split(".")[0].strip() for part in source.split("_builder.")[1:]}
    assert asked == {"record_count", "append", "closed", "close", "_set_producer_state", "_build"}
    assert {"record_count", "closed", "close", "_set_producer_state", "_build"} <= vars(outgoing.WholeBatch).keys()
    assert (
        list(inspect.signature(BatchBuilder._set_producer_state).parameters)[1:]
        == list(inspect.signature(outgoing.WholeBatch._set_producer_state).parameters)[1:]
    )


async def test_what_is_used_of_the_producer_is_there() -> None:
    assert list(inspect.signature(MessageAccumulator._append_batch).parameters) == ["self", "builder", "tp"]
    assert not inspect.iscoroutinefunction(MessageAccumulator._append_batch)
    producer = AIOKafkaProducer(transactional_id="unit-0", compression_type="lz4", max_batch_size=77)
    accumulator = producer._message_accumulator
    assert (accumulator._compression_type, accumulator._batch_size) == (3, 77)
    assert accumulator._txn_manager is producer._txn_manager
    assert callable(producer._txn_manager.maybe_add_partition_to_txn)
    assert inspect.iscoroutinefunction(producer.client._wait_on_metadata)
    await producer.stop()


async def test_a_queue_of_several_batches_is_sent_one_by_one() -> None:
    """`_append_batch` queues behind a batch of the same partition; a drain takes the first alone."""
    source = inspect.getsource(MessageAccumulator.drain_by_nodes)
    assert "if tp in muted_partitions:\n                continue" in source
    assert "batch = self._pop_batch(tp)" in source
    assert "self._batches[tp].popleft()" in inspect.getsource(MessageAccumulator._pop_batch)
    assert "self._batches[tp].append(batch)" in inspect.getsource(MessageAccumulator._append_batch)
