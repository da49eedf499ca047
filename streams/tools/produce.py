"""A fast Kafka writer: whole record batches, explicit partitions and timestamps, idempotent."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.core.keys import partition_of

BATCH_BYTES = 256 * 1024
IN_FLIGHT = 64
LOOK_EVERY = 1_000
LONGEST_NAP_S = 0.1


class Produced(NamedTuple):
    """One record to write. `timestamp_ms` is its arrival; `partition` None means by the key, as Kafka does."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    partition: int | None = None


class WriteError(RuntimeError):
    """A record cannot be written: the message says which and why."""


class Writer:
    """Collects records into one batch per topic and partition and sends each when it is full or at `flush`.

    Timestamps never go back within a partition: a record that would is given the one before it. At most `IN_FLIGHT`
    batches of `BATCH_BYTES` wait for the broker. Raises what aiokafka raises for a batch that was not accepted.
    """

    def __init__(
        self, bootstrap: str, *, partitions: int, prefix: str = "", client: Mapping[str, Any] | None = None
    ) -> None:
        """Name the cluster and how many partitions its topics have; connects when entered."""
        self._partitions = partitions
        self._prefix = prefix
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
            **(client or {}),
        )
        self._slots: dict[str, list[_Slot]] = {}
        self._sent: set[asyncio.Future[object]] = set()

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush if all went well, and close."""
        try:
            if error is None:
                await self.flush()
        finally:
            await self._producer.stop()

    async def write(self, records: Iterable[Produced]) -> None:
        """Take records in order; waits only when too many batches are under way."""
        for record in records:
            slot = self._slot(record)
            if not slot.append(record):
                await self._send(slot)
                slot.batch = self._producer.create_batch()
                if not slot.append(record):
                    raise WriteError(f"{record.topic}: the value of key {record.key!r} is over {BATCH_BYTES} bytes")

    async def flush(self) -> None:
        """Send what is collected and wait until the broker has all of it."""
        for slots in self._slots.values():
            for slot in slots:
                await self._send(slot)
        while self._sent:
            await self._await_some()

    def _slot(self, record: Produced) -> "_Slot":
        partition = record.partition
        if partition is None:
            if record.key is None:
                raise WriteError(f"{record.topic}: a record without key needs a partition")
            partition = partition_of(record.key, self._partitions)
        slots = self._slots.get(record.topic)
        if slots is None:
            name = self._prefix + record.topic
            slots = [_Slot(TopicPartition(name, number)) for number in range(self._partitions)]
            self._slots[record.topic] = slots
        return slots[partition]

    async def _send(self, slot: "_Slot") -> None:
        batch, slot.batch = slot.batch, None
        if batch is None:
            return
        while len(self._sent) >= IN_FLIGHT:
            await self._await_some()
        topic, partition = slot.place
        self._sent.add(await self._producer.send_batch(batch, topic, partition=partition))

    async def _await_some(self) -> None:
        done, self._sent = await asyncio.wait(self._sent, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()


class _Slot:
    """The open batch of one topic partition, and the newest timestamp written to it."""

    __slots__ = ("batch", "newest_ms", "place")

    def __init__(self, place: TopicPartition) -> None:
        self.place = place
        self.batch: BatchBuilder | None = None
        self.newest_ms = 0

    def append(self, record: Produced) -> bool:
        """Whether the record went into the batch; not if there is none or it is full."""
        if self.batch is None:
            return False
        timestamp_ms = max(record.timestamp_ms, self.newest_ms)
        if self.batch.append(key=record.key, value=record.value, timestamp=timestamp_ms) is None:
            return False
        self.newest_ms = timestamp_ms
        return True


class Pace:
    """When the next record may be sent: `speed` times its timestamps, or `rate` records a second; 0 = no limit."""

    def __init__(self, speed: float = 0.0, rate: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock; with `speed`, it starts at the first record that is paced."""
        self._speed = speed
        self._rate = rate
        self._clock = clock
        self._began_s = clock()
        self._first_ms: int | None = None

    @property
    def limited(self) -> bool:
        """Whether any record may have to wait."""
        return self._speed > 0 or self._rate > 0

    def wait_s(self, sent: int, timestamp_ms: int) -> float:
        """Seconds until the record after `sent` others, of this timestamp, is due; 0 or less: now."""
        passed_s = self._clock() - self._began_s
        due_s = sent / self._rate if self._rate > 0 else 0.0
        if self._speed > 0:
            if self._first_ms is None:
                self._first_ms = timestamp_ms
                self._began_s, passed_s = self._clock(), 0.0
            due_s = max(due_s, (timestamp_ms - self._first_ms) / 1000 / self._speed)
        return due_s - passed_s


FACT_TOPICS = frozenset({"videos", "accounts"})


async def deliver(
    writer: Writer,
    records: Iterable[Produced],
    pace: Pace | None = None,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write all records at the pace given and flush; -> how many. `on_progress` gets the number sent so far.

    Facts (`videos`, `accounts`) that lead the stream are not held back.
    """
    pace = pace or Pace()
    if pace.limited:
        return await _deliver_paced(writer, records, pace, on_progress)
    sent, rest = 0, iter(records)
    while some := list(islice(rest, LOOK_EVERY)):
        await writer.write(some)
        sent += len(some)
        on_progress(sent)
        await asyncio.sleep(0)
    await writer.flush()
    return sent


async def _deliver_paced(
    writer: Writer, records: Iterable[Produced], pace: Pace, on_progress: Callable[[int], None]
) -> int:
    sent, leading = 0, True
    for record in records:
        leading = leading and record.topic in FACT_TOPICS
        if not leading:
            await _hold(writer, pace, sent, record.timestamp_ms, on_progress)
        await writer.write((record,))
        sent += 1
        if sent % LOOK_EVERY == 0:
            on_progress(sent)
            await asyncio.sleep(0)
    await writer.flush()
    on_progress(sent)
    return sent


async def _hold(writer: Writer, pace: Pace, sent: int, timestamp_ms: int, on_progress: Callable[[int], None]) -> None:
    flushed = False
    while (wait_s := pace.wait_s(sent, timestamp_ms)) > 0:
        if not flushed:
            await writer.flush()
            flushed = True
            on_progress(sent)
        await asyncio.sleep(min(max(wait_s, 0.02), LONGEST_NAP_S))
