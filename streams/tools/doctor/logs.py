"""Checks of what lies in the logs: keys in the right partitions, the brokers' clock."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.core.keys import partition_of
from streams.ops.acls import SOURCES
from streams.ops.kafka_client import client_arguments
from streams.settings import Settings
from streams.tools.doctor.check import Check, error, ok, warning
from streams.topics import topic_name

SAMPLED = 200
"""Newest records of each partition."""
READ_S = 10.0
WATCHED_S = 3.0
SKEW_S = 1.0
PRODUCERS = (
    "Mend their producers: `partitioner=murmur2_random` for librdkafka, and a key on every record (docs/produce.md)."
)
SYNC = "Synchronise clocks (chrony or ntpd) here and on the brokers."


@asynccontextmanager
async def _consumer(bootstrap: str, settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50,
        **client_arguments(settings),
    )  # fmt: skip
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def ends(
    bootstrap: str, settings: Settings, places: Sequence[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """First and next offset of each partition."""
    async with _consumer(bootstrap, settings) as consumer:
        return await _ends(consumer, places)


async def _ends(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
    consumer.assign(list(places))
    begins, nexts = await consumer.beginning_offsets(list(places)), await consumer.end_offsets(list(places))
    return {place: (begins[place], nexts[place]) for place in places}


async def partitioner(bootstrap: str, settings: Settings) -> Check:
    """Whether the newest records of the sources lie where Kafka's partitioner puts their keys."""
    names = {topic_name(settings, name): name for name in SOURCES}
    places = [TopicPartition(topic, number) for topic in names for number in range(settings.partitions)]
    seen: Counter[str] = Counter()
    strays: Counter[str] = Counter()
    async with _consumer(bootstrap, settings) as consumer:
        stop = {place: span for place, span in (await _ends(consumer, places)).items() if span[0] < span[1]}
        if stop:
            consumer.assign(list(stop))
        for place, (begin, end) in stop.items():
            consumer.seek(place, max(begin, end - SAMPLED))
        deadline = time.monotonic() + READ_S
        while stop and time.monotonic() < deadline:
            for place, records in (await consumer.getmany(timeout_ms=100)).items():
                keys = [record.key for record in records]
                seen[names[place.topic]] += len(keys)
                strays[names[place.topic]] += sum(astray(key, place.partition, settings.partitions) for key in keys)
            stop = {place: span for place, span in stop.items() if await consumer.position(place) < span[1]}
    return placed(seen, strays)


def astray(key: bytes | None, partition: int, partitions: int) -> bool:
    """Whether a record lies where its key does not belong."""
    return key is None or partition_of(key, partitions) != partition


def placed(seen: Mapping[str, int], strays: Mapping[str, int]) -> Check:
    """Judge the sample by topic."""
    wrong = [
        f"{strays[topic]} of the newest {seen[topic]} records of {topic}"
        for topic in sorted(seen, key=SOURCES.index)
        if strays[topic]
    ]
    if wrong:
        return error("partitioner", f"in wrong partitions: {', '.join(wrong)}", PRODUCERS)
    total = sum(seen.values())
    return ok("partitioner", f"the newest {total} records lie where they belong" if total else "no records yet")


async def clock(bootstrap: str, settings: Settings) -> Check:
    """The brokers' clock against ours, by the append time of a commit that arrives while we look."""
    places = [TopicPartition(topic_name(settings, "commits"), number) for number in range(settings.partitions)]
    async with _consumer(bootstrap, settings) as consumer:
        begin, end = time.time(), time.monotonic() + WATCHED_S
        spans = await _ends(consumer, places)
        for place, (_, following) in spans.items():
            consumer.seek(place, following)
        while time.monotonic() < end:
            records: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=50)
            found = [record for batch in records.values() for record in batch]
            if found:
                # Appended after `begin` and before now, by our clock, if the two agree.
                return skew(found[0].timestamp / 1000 - begin, found[0].timestamp / 1000 - time.time(), settings)
            await asyncio.sleep(0)
    return ok("clock", f"cannot be told: no commit within {WATCHED_S:.0f} s (it needs records to be folded)")


def skew(most_s: float, least_s: float, settings: Settings) -> Check:
    """Judge that the brokers' clock is ahead of ours by `least_s` to `most_s` (negative: behind)."""
    off_s = least_s if least_s > 0 else min(most_s, 0.0)
    found = f"the brokers' clock is {abs(off_s):.1f} s {'ahead of' if off_s > 0 else 'behind'} ours, at least"
    if abs(off_s) > settings.ready_lag_s:
        return error("clock", f"{found}: nothing here counts as fresh", SYNC)
    if abs(off_s) > SKEW_S:
        return warning("clock", f"{found}: freshness and lag in seconds are wrong by that", SYNC)
    return ok("clock", f"agrees with the brokers' within {max(most_s - least_s, 0.1):.1f} s")
