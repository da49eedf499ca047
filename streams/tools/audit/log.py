"""The topics on a cluster, one partition at a time, read_committed, ended by position."""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

STUCK_S = 60.0
FETCH_BYTES = 4 * 1024 * 1024
FETCH_WAIT_MS = 5
"""Short: a fetch that waits at the end of one partition holds up the next partition's."""

Client = Mapping[str, Any]
"""Security arguments of Kafka clients: streams/ops/kafka_client.py."""


class NotProvableError(Exception):
    """The log does not say enough to judge the tables; the message says why."""


class Entry(NamedTuple):
    """One record of a log as a read_committed reader sees it. `timestamp` is its arrival in ms."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class KafkaSource:
    """A `Source` on a cluster. Use with `async with`; aiokafka's errors pass through."""

    def __init__(self, bootstrap: str, *, partitions: int, prefix: str = "", client: Client | None = None) -> None:
        self._bootstrap, self._prefix, self._partitions = bootstrap, prefix, partitions
        self._client = dict(client or {})
        self._consumer: AIOKafkaConsumer | None = None
        self._high: AIOKafkaConsumer | None = None

    @property
    def partitions(self) -> int:
        """How many partitions each topic has."""
        return self._partitions

    async def __aenter__(self) -> Self:
        self._consumer = self._made("read_committed")
        self._high = self._made("read_uncommitted")
        await self._consumer.start()
        await self._high.start()
        return self

    def _made(self, isolation_level: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level=isolation_level,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            fetch_max_bytes=2 * FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
            **self._client,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for consumer in (self._consumer, self._high):
            if consumer is not None:
                await consumer.stop()

    @property
    def _reader(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("use `async with`")
        return self._consumer

    @property
    def _asked(self) -> AIOKafkaConsumer:
        """Where logs begin and end is asked here: the reader forgets all topics but the one it reads."""
        if self._high is None:
            raise RuntimeError("use `async with`")
        return self._high

    async def _end(self, place: TopicPartition) -> int:
        """The high watermark: transactions that are being committed there lie before it and are waited for."""
        return int((await self._asked.end_offsets([place]))[place])

    async def start(self, topic: str, partition: int) -> int:
        """The first offset the log still holds."""
        place = TopicPartition(self._prefix + topic, partition)
        return int((await self._asked.beginning_offsets([place]))[place])

    async def read(self, topic: str, partition: int, start: int = 0) -> list[Entry]:
        """All records from `start` to the end seen now. NotProvableError if 60 s pass without progress."""
        entries: list[Entry] = []
        await self.visit(topic, partition, start, entries.append)
        return entries

    async def visit(
        self, topic: str, partition: int, start: int, take: Callable[[Entry], None], until: int | None = None
    ) -> None:
        """Hand out what `read` returns one by one; before `until` no transaction may be open, so none is waited for."""
        place = TopicPartition(self._prefix + topic, partition)
        reader = self._reader
        begin = max(start, await self.start(topic, partition))
        end = await self._end(place)
        end = end if until is None else min(end, until)
        if begin >= end:
            return
        reader.assign([place])
        reader.seek(place, begin)
        position, moved_s = begin, time.monotonic()
        while position < end:
            for records in (await reader.getmany(place, timeout_ms=20)).values():
                for record in records:
                    if begin <= record.offset < end:
                        take(_entry(record))
            await asyncio.sleep(0)
            reached = await reader.position(place)
            if reached != position:
                position, moved_s = reached, time.monotonic()
            elif time.monotonic() - moved_s > STUCK_S:
                raise NotProvableError(f"{place.topic} partition {partition}: stuck at {position} before its end {end}")


def _entry(record: object) -> Entry:
    key, value, headers = record.key, record.value, record.headers  # type: ignore[attr-defined]  # aiokafka is untyped
    return Entry(key, value, record.offset, record.timestamp, tuple(headers))  # type: ignore[attr-defined]
