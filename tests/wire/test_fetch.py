"""Fetched columns against aiokafka's own records, record by record."""

import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.codec import has_lz4
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedForMessageFormatError
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from streams.wire.compiled import switch
from streams.wire.fetch import CHECKED_FROM, HEADER, Fetched, Partition, hand_out_columns
from streams.wire.records import Record, Records

TP = TopicPartition("t", 0)
STOCK = fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult
CODECS = [0, 1, *([2, 3, 4] if has_lz4() else [])]
BYTES = st.none() | st.binary(max_size=40) | st.binary(min_size=64, max_size=200)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=2)
RECORDS = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 1 << 41), BYTES, BYTES, HEADERS), min_size=1, max_size=5
)
MARKER_KEYS = {"abort": b"\x00\x00\x00\x00", "commit": b"\x00\x00\x00\x01"}


def batch(
    base: int, records: list[Any], *, codec: int = 0, producer: int = -1, attributes: int = 0, longer: int = 0
) -> tuple[bytes, int]:
    """Bytes and the next offset. Records are (offset step, time, key, value, headers), so compaction leaves holes."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, producer, 0, -1, 1 << 24)
    offset = -1
    for step, time_ms, key, value, headers in records:
        offset += step
        builder.append(offset, time_ms, key, value, headers)
    raw = bytearray(builder.build())
    head = list(HEADER.unpack_from(raw))
    head[0], head[5], head[6] = base, head[5] | attributes, head[6] + longer
    HEADER.pack_into(raw, 0, *head)
    struct.pack_into(">I", raw, CHECKED_FROM - 4, calc_crc32c(bytes(raw[CHECKED_FROM:])))
    return bytes(raw), base + head[6] + 1


@st.composite
def logs(draw: st.DrawFn) -> tuple[bytes, int, list[tuple[int, int]]]:
    """Batches with transactions, control records, holes and all codecs; where to start; transactions aborted."""
    raw, offset, aborted, open_since = b"", draw(st.integers(0, 1 << 40)), [], dict[int, int]()
    start = offset + draw(st.integers(0, 40))
    for _ in range(draw(st.integers(1, 6))):
        producer = draw(st.integers(0, 2))
        kind = draw(st.sampled_from(["plain", "plain", "transaction", "transaction", "abort", "commit", "appended"]))
        if kind in MARKER_KEYS:
            part, offset = batch(offset, [(1, 5, MARKER_KEYS[kind], b"", [])], producer=producer, attributes=0x30)
            since = open_since.pop(producer, None)
            if kind == "abort" and since is not None:
                aborted.append((producer, since))
        else:
            attributes = {"plain": 0, "transaction": 0x10, "appended": 0x08}[kind]
            if kind == "transaction":
                open_since.setdefault(producer, offset)
            codec, longer = draw(st.sampled_from(CODECS)), draw(st.integers(0, 3))
            part, offset = batch(
                offset, draw(RECORDS), codec=codec, producer=producer if kind == "transaction" else -1,
                attributes=attributes, longer=longer,
            )  # fmt: skip
        raw += part
    return raw[: len(raw) - draw(st.sampled_from([0, 0, 1]))], start, aborted


def stock(raw: bytes, start: int, aborted: Any, isolation: int) -> tuple[list[Record], int]:
    found = fetcher.PartitionRecords(TP, MemoryRecords(raw), aborted, start, None, None, True, isolation)
    records = [Record(r.key, r.value, r.offset, r.timestamp, r.headers) for r in found]
    return records, found.next_fetch_offset


@pytest.fixture(params=[True, False], ids=["kernel", "plain"])
def kernel(request: pytest.FixtureRequest) -> Iterator[bool]:
    """With the compiled kernel and without."""
    switch(on=request.param)
    yield request.param
    switch(on=True)


@given(
    logs(),
    st.sampled_from([fetcher.READ_COMMITTED, fetcher.READ_UNCOMMITTED]),
    st.none() | st.integers(1, 7),
    st.booleans(),
)
def test_any_log_is_read_as_by_aiokafka(log: Any, isolation: int, most: int | None, on: bool) -> None:
    raw, start, aborted = log
    expected, end = stock(raw, start, aborted, isolation)
    switch(on=on)
    try:
        ours = Partition(TP, Fetched(raw), aborted, start, None, None, True, isolation)
        found, more = list[Record](), True
        while more:
            records, more = ours.take(most)
            assert most is None or len(records) <= most
            found += [Record(r.key, r.value, r.offset, r.timestamp, tuple(r.headers)) for r in records]
            assert not found or ours.next_fetch_offset > found[-1].offset
    finally:
        switch(on=True)
    assert found == expected
    assert ours.next_fetch_offset == end


@pytest.mark.compiled
@given(RECORDS, st.data())
def test_damage_is_refused_or_reads_as_with_aiokafka(records: list[Any], data: st.DataObject) -> None:
    raw = bytearray(batch(0, records)[0])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(57, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Fetched(bytes(raw)).next_batch().records()
    except CorruptRecordException:
        return
    try:
        expected = Records.of(list(DefaultRecordBatch(bytes(raw))))
    except (KafkaError, ValueError):
        return
    assert list(found) == list(expected)


def test_a_wrong_checksum_stops_the_partition_where_it_is(kernel: bool) -> None:
    good, end = batch(10, [(1, 5, b"k", b"v", [])])
    bad = bytearray(batch(end, [(1, 5, b"k", b"v", [])])[0])
    bad[-2] ^= 1
    ours = Partition(TP, Fetched(good + bytes(bad)), None, 10, None, None, True, fetcher.READ_COMMITTED)
    assert [record.offset for record in ours.take(1)[0]] == [10]
    with pytest.raises(CorruptRecordException):
        ours.take(None)
    records, more = ours.take(None)
    assert (len(records), more, ours.next_fetch_offset) == (0, False, end)


def test_old_formats_are_named() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 16)
    builder.append(0, 5, b"k", b"v")
    with pytest.raises(UnsupportedForMessageFormatError):
        Fetched(bytes(builder.build())).next_batch()


def test_slices_and_single_records() -> None:
    records = Records.of([Record(b"a", None, 3, 7, (("h", b"1"),)), Record(None, b"b", 5, 8), Record(b"c", b"d", 9, 9)])
    assert list(records) == [records[0], records[1], records[2]] == [records[-3], records[-2], records[-1]]
    assert records[0].headers == (("h", b"1"),)
    assert list(records[1:]) == list(records)[1:] == list(records.since(4))
    assert list(Records.joined([records[:1], records[1:]])) == list(records)
    assert not Records.joined([])


async def write(bootstrap: str, topic: str, rng: random.Random) -> None:
    """Batches of every codec, some in transactions, half of these aborted."""
    codecs = [None, "gzip", *(["snappy", "lz4", "zstd"] if has_lz4() else [])]
    for number, codec in enumerate(codecs * 2):
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            compression_type=codec,
            transactional_id=f"{topic}{number}" if number % 3 else None,
        )
        await producer.start()
        try:
            for committed in (True, False):
                if number % 3:
                    await producer.begin_transaction()
                for _ in range(rng.randint(1, 20)):
                    key, value = rng.choice(
                        [(b"k", None), (None, rng.randbytes(90)), (rng.randbytes(9), rng.randbytes(30))]
                    )
                    headers = [("h", rng.randbytes(2))] if rng.random() < 0.3 else []
                    await producer.send(topic, value, key=key, partition=0, headers=headers)
                if number % 3:
                    await (producer.commit_transaction() if committed else producer.abort_transaction())
        finally:
            await producer.stop()


async def read(bootstrap: str, topic: str, isolation: str, start: int, most: int | None) -> list[tuple[Any, ...]]:
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([place])
        end, found = (await consumer.end_offsets([place]))[place], list[tuple[Any, ...]]()
        consumer.seek(place, start)
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=500, max_records=most)).values():
                found += [(r.key, r.value, r.offset, r.timestamp, tuple(r.headers)) for r in records]
        return found
    finally:
        await consumer.stop()


async def test_a_real_log_is_read_as_by_aiokafka(bootstrap: str, topic_prefix: str) -> None:
    rng = random.Random(1)
    topics = {f"{topic_prefix}created": "CreateTime", f"{topic_prefix}appended": "LogAppendTime"}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(name, 1, 1, topic_configs={"message.timestamp.type": kind}) for name, kind in topics.items()]
        )
    finally:
        await admin.close()
    for topic in topics:
        await write(bootstrap, topic, rng)
        for isolation in ("read_committed", "read_uncommitted"):
            for start, most in ((0, None), (7, 5)):
                expected = await read(bootstrap, topic, isolation, start, most)
                hand_out_columns()
                try:
                    found = await read(bootstrap, topic, isolation, start, most)
                finally:
                    fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult = STOCK
                assert found == expected
                assert found
