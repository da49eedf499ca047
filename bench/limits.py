"""What merely reading the same topics costs: the limit that any consumer in Python has."""

import time
from collections.abc import Sequence
from typing import Any

import confluent_kafka
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.errors import BenchError
from streams.wire.fetch import hand_out_columns
from streams.wire.records import Records

FETCH_BYTES = 2 << 20
AT_ONCE = 20_000
SILENT_S = 10.0

Logs = dict[tuple[str, int], Records]
"""Records by topic and partition, as the worker gets them."""


async def aiokafka_ns(bootstrap: str, topics: Sequence[str], partitions: int) -> float:
    """CPU nanoseconds a record of `getmany`, the fetch settings being those of the worker."""
    consumer = await _consumer(bootstrap, topics, partitions)
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        wanted, count, began = sum(ends.values()), 0, time.process_time_ns()
        while count < wanted:
            found = await consumer.getmany(timeout_ms=int(SILENT_S * 1000), max_records=AT_ONCE)
            if not found:
                raise BenchError(f"aiokafka read {count:,} of {wanted:,} records and then none for {SILENT_S:.0f} s")
            count += sum(map(len, found.values()))
        return (time.process_time_ns() - began) / count
    finally:
        await consumer.stop()


async def columns_ns(bootstrap: str, topics: Sequence[str], partitions: int) -> float:
    """The same with records handed out as columns, as in the worker. From here on all of this process read so."""
    hand_out_columns()
    return await aiokafka_ns(bootstrap, topics, partitions)


def librdkafka_ns(bootstrap: str, topics: Sequence[str], partitions: int) -> float:
    """CPU nanoseconds a record of confluent_kafka's `consume`, its threads included."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False,
        "auto.offset.reset": "earliest", "isolation.level": "read_committed", "fetch.message.max.bytes": FETCH_BYTES,
    })  # fmt: skip
    try:
        places = [confluent_kafka.TopicPartition(topic, part, 0) for topic in topics for part in range(partitions)]
        wanted = sum(consumer.get_watermark_offsets(place)[1] for place in places)
        count, began = 0, time.process_time_ns()
        consumer.assign(places)
        while count < wanted:
            found = consumer.consume(AT_ONCE, timeout=SILENT_S)
            if not found:
                raise BenchError(f"librdkafka read {count:,} of {wanted:,} records and then none for {SILENT_S:.0f} s")
            for message in found:
                if message.error() is None and message.value() is not None:
                    count += 1
        return (time.process_time_ns() - began) / count
    finally:
        consumer.close()


async def read(bootstrap: str, topics: Sequence[str], partitions: int, at_most: int) -> Logs:
    """The first records of every partition, `at_most` in all (of each partition the same share of its log)."""
    consumer = await _consumer(bootstrap, topics, partitions)
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        share = min(1.0, at_most / max(sum(ends.values()), 1))
        wanted = {place: int(end * share) for place, end in ends.items()}
        logs: dict[tuple[str, int], list[Any]] = {(place.topic, place.partition): [] for place in wanted}
        open_places = {place for place, count in wanted.items() if count}
        while open_places:
            for place, records in (await consumer.getmany(*open_places, timeout_ms=1_000)).items():
                log = logs[place.topic, place.partition]
                log += records[: wanted[place] - len(log)]
                if len(log) == wanted[place]:
                    open_places.discard(place)
        return {place: Records.of(log) for place, log in logs.items()}
    finally:
        await consumer.stop()


async def _consumer(bootstrap: str, topics: Sequence[str], partitions: int) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
        isolation_level="read_committed", max_partition_fetch_bytes=FETCH_BYTES,
    )  # fmt: skip
    await consumer.start()
    consumer.assign([TopicPartition(topic, part) for topic in topics for part in range(partitions)])
    return consumer
