"""One commit of a unit: rows, messages, source offsets and the commit record in one Kafka transaction."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.util import commit_structure_validate

from streams.engine.api import Options
from streams.engine.ends import Ends
from streams.engine.exits import TOO_LARGE, TooLargeError
from streams.engine.failpoints import hit
from streams.engine.names import Names
from streams.engine.outgoing import BATCH_BYTES, Columns, batches
from streams.wire.lookup import look_up
from streams.wire.transactions import open_partitions, state_of

log = structlog.get_logger("streams.engine")

SLOW_S, SETTLE_S, WARY_S = 2.0, 1.0, 5.0
"""A commit that took so long met a broker that was away. Coming back, it may be fenced for a moment, and would drop the
markers of a transaction that ends just then (`loose_ends.py`): the end waits until that is over, and for some time all
commits of this process look whether they have really ended."""
AGAIN_S = 0.2


class Message(NamedTuple):
    """One outgoing record."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Work(NamedTuple):
    """Everything one flush makes durable. Topic names are real ones; rows go to the unit's own partition."""

    rows: Mapping[str, tuple[Sequence[bytes], Sequence[bytes | None]]]
    messages: Sequence[Message]
    offsets: Mapping[TopicPartition, int]
    commit: Mapping[str, Any]


Batches = dict[TopicPartition, Columns]


class ForeignRecordError(Exception):
    """Somebody else wrote to a table of this unit: expected and found next offset by partition."""


class UnitProducer:
    """The producer of one partition number. Whoever started it last owns the number."""

    wary_until_s = 0.0
    """Of all producers of this process (monotonic seconds)."""

    def __init__(self, options: Options, number: int) -> None:
        self.options = options
        self.number = number
        self.sent_bytes: Counter[str] = Counter()
        """Of the last commit, by topic: record batches before compression."""
        self._commits = TopicPartition(options.topic_prefix + options.commits_topic, number)
        self.transactional_id = f"{options.group}-{number}"
        self._producer = AIOKafkaProducer(
            bootstrap_servers=options.bootstrap,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=options.transaction_timeout_ms,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES + (64 << 10),
            retry_backoff_ms=20,
            metadata_max_age_ms=60_000,
            compression_type=options.compression,
            **options.client,
        )
        self._names = Names(self._producer, options.group)
        self._ends = Ends()
        self._beginning: asyncio.Task[None] | None = None
        """Of a transaction that nothing was sent in yet."""
        self._last: frozenset[TopicPartition] = frozenset()
        """What the last commit wrote to."""
        self._usual: frozenset[TopicPartition] = frozenset()
        """What both of the last two wrote to."""

    async def fence(self, topics: Collection[str] = ()) -> None:
        """InitProducerId: aborts and locks out every predecessor. `topics`: those that it will write to."""
        await self._producer.start()
        if topics:
            await look_up(self._producer, topics)
        hit("fenced")

    def begin(self) -> None:
        """Begin the next transaction while its rows are still being made; `commit()` or `abandon()` must follow soon.

        What the last two have both written to is named now, what else there is in `commit()`: a partition that is named
        and not written to gets a marker for nothing.
        """
        if self._beginning is None and self._usual:
            self._beginning = asyncio.create_task(self._begin(self._usual))

    async def _begin(self, places: Collection[TopicPartition]) -> None:
        await self._producer.begin_transaction()
        await self._names.add(places, group=True)
        hit("begun")

    async def abandon(self) -> None:
        """End what was begun and turned out to be for nothing."""
        beginning, self._beginning = self._beginning, None
        if beginning is not None:
            await beginning
            self._ends.forget()
            await self._producer.abort_transaction()

    async def commit(self, work: Work) -> dict[str, int]:
        """-> next changelog offset of each table written. Any failure leaves the transaction to be aborted."""
        self.sent_bytes.clear()
        began_s = time.monotonic()
        tables, others = self._records(work)
        places = frozenset((*tables, *others, self._commits))
        beginning, self._beginning = self._beginning, None
        await (beginning or self._producer.begin_transaction())
        offsets = await self._announce(places, work.offsets)
        hit("announced")
        ends = await self._write(work, tables, others)
        hit("commit-record")
        if offsets is not None:
            await offsets
        hit("offsets")
        if time.monotonic() - began_s > SLOW_S:
            await asyncio.sleep(SETTLE_S)
        named = frozenset(self._names.named)
        await self._producer.commit_transaction()
        self._ends.committed(ends, named)
        self._usual, self._last = (self._last or places) & places, places
        if time.monotonic() - began_s > SLOW_S:
            UnitProducer.wary_until_s = time.monotonic() + WARY_S
        if time.monotonic() < UnitProducer.wary_until_s:
            self._ends.forget()
            await self.end_surely(named, commit=True)
        hit("committed")
        return {self._bare(tp.topic): end for tp, end in ends.items()}

    async def _write(self, work: Work, tables: Batches, others: Batches) -> dict[TopicPartition, int]:
        """Rows, messages and the commit record; -> next offset of each table written.

        The commit record names these offsets. Known beforehand, it leaves with the rows; else it follows them.
        """
        expected = self._ends.after({tp: len(records.keys) for tp, records in tables.items()})
        rows = {tp: self._send(tp, records) for tp, records in tables.items()}
        sent = [batch for batches in rows.values() for batch in batches]
        sent += [batch for tp, records in others.items() for batch in self._send(tp, records)]
        if expected is not None:
            sent += self._send(self._commits, self._commit_record(work, expected))
        hit("sent")
        await _acked(sent)
        hit("acked")
        ends = {tp: batches[-1].future.result().offset + batches[-1].record_count for tp, batches in rows.items()}
        if expected is None:
            await _acked(self._send(self._commits, self._commit_record(work, ends)))
        elif ends != expected:
            raise ForeignRecordError({tp: (expected[tp], end) for tp, end in ends.items() if end != expected[tp]})
        return ends

    def _commit_record(self, work: Work, ends: Mapping[TopicPartition, int]) -> Columns:
        tables = {self._bare(tp.topic): end for tp, end in ends.items()}
        value = msgspec.json.encode({**work.commit, "tables": tables})
        return Columns([str(self.number).encode()], [value], [])

    async def end_surely(self, places: Collection[TopicPartition], *, commit: bool) -> None:
        """Between transactions: end the last one again until nothing of it is left open in these partitions."""
        client = self._producer.client
        while await self.left_open(places):
            if (await state_of(client, self.transactional_id)).startswith("Prepare"):
                await asyncio.sleep(AGAIN_S)
            elif found := await self.left_open(places):  # asked anew: the last marker may have come meanwhile
                names = sorted(f"{tp.topic}-{tp.partition}" for tp in found)
                log.warning("transaction-ended-again", partition=self.number, commit=commit, places=names)
                await self.end(places, commit=commit)

    async def left_open(self, places: Collection[TopicPartition]) -> set[TopicPartition]:
        """Of these, the partitions in which this producer has a transaction open. Between transactions: lost ends."""
        return self.mine(await open_partitions(self._producer.client, places))

    def mine(self, writers: Mapping[TopicPartition, Collection[int]]) -> set[TopicPartition]:
        """Of the partitions where these producers (ids) have a transaction open, those where this one has."""
        own = self._producer._txn_manager.producer_id
        return {tp for tp, ids in writers.items() if own in ids}

    async def end(self, places: Collection[TopicPartition], *, commit: bool) -> None:
        """A transaction without records: with it ends what an earlier one of this producer left open in these
        partitions and in the group's offsets.
        """
        await self._producer.begin_transaction()
        # Of a topic that the group does not read: its offset means nothing.
        offsets = await self._announce(places, {self._commits: 0})
        if offsets is not None:
            await offsets
        await (self._producer.commit_transaction() if commit else self._producer.abort_transaction())

    async def _announce(
        self, places: Collection[TopicPartition], offsets: Mapping[TopicPartition, int]
    ) -> Awaitable[None] | None:
        """Name what is not named yet; -> what ends when the offsets, which travel beside the data, have arrived."""
        for topic in {tp.topic for tp in places}:
            await self._producer.client._wait_on_metadata(topic)
        await self._names.add(places, group=bool(offsets))
        if not offsets:
            return None
        manager: Any = self._producer._txn_manager
        done: Awaitable[None] = manager.add_offsets_to_txn(commit_structure_validate(dict(offsets)), self.options.group)
        return done

    def _records(self, work: Work) -> tuple[Batches, Batches]:
        """Rows and messages by partition; a partition with headers on any record has them on all."""
        tables = {
            TopicPartition(topic, self.number): Columns(list(keys), list(values), [])
            for topic, (keys, values) in work.rows.items()
        }
        others: dict[TopicPartition, Columns] = {}
        for message in work.messages:
            records = others.setdefault(TopicPartition(message.topic, message.partition), Columns([], [], []))
            records.keys.append(message.key)
            records.values.append(message.value)
            records.headers.append(list(message.headers))
        return tables, {tp: r if any(r.headers) else r._replace(headers=[]) for tp, r in others.items()}

    def _send(self, tp: TopicPartition, records: Columns) -> list[Any]:
        """Queue all batches at once; aiokafka's `send_batch` waits until the one before has left."""
        accumulator = self._producer._message_accumulator
        now_ms = int(time.time() * 1000)
        sent = []
        for batch in batches(self._producer, records, now_ms):
            self.sent_bytes[tp.topic] += batch.size()
            sent.append(accumulator._append_batch(batch, tp))
        return sent

    def _bare(self, topic: str) -> str:
        return topic[len(self.options.topic_prefix) :]

    async def close(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
        await self._producer.stop()


async def _acked(sent: Sequence[Any]) -> None:
    """Wait for all batches; raises what went wrong with one. `commit_transaction()` ignores failed batches."""
    await asyncio.wait([batch.future for batch in sent])
    for batch in sent:
        try:
            batch.future.result()
        except TOO_LARGE as error:
            raise TooLargeError(batch.tp.topic, BATCH_BYTES) from error
