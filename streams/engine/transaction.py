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
from streams.engine.exits import TOO_LARGE, TooLargeError
from streams.engine.failpoints import hit
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
        self._group_added = asyncio.Event()
        manager = self._producer._txn_manager
        told = manager.consumer_group_added

        def added(group: str) -> None:
            told(group)
            self._group_added.set()

        manager.consumer_group_added = added

    async def fence(self, topics: Collection[str] = ()) -> None:
        """InitProducerId: aborts and locks out every predecessor. `topics`: those that it will write to."""
        await self._producer.start()
        if topics:
            await look_up(self._producer, topics)
        hit("fenced")

    async def commit(self, work: Work) -> dict[str, int]:
        """-> next changelog offset of each table written. Any failure leaves the transaction to be aborted."""
        producer, commits = self._producer, self._commits
        self.sent_bytes.clear()
        began_s = time.monotonic()
        await producer.begin_transaction()
        tables, others = self._records(work)
        offsets = await self._announce({*tables, *others, commits}, work.offsets)
        hit("announced")
        rows = {tp: self._send(tp, records) for tp, records in tables.items()}
        messages = [batch for tp, records in others.items() for batch in self._send(tp, records)]
        hit("sent")
        await _acked([*messages, *(batch for sent in rows.values() for batch in sent)])
        ends = {
            self._bare(tp.topic): sent[-1].future.result().offset + sent[-1].record_count for tp, sent in rows.items()
        }
        hit("acked")
        commit = msgspec.json.encode({**work.commit, "tables": ends})
        await _acked(self._send(commits, Columns([str(self.number).encode()], [commit], [])))
        hit("commit-record")
        if offsets is not None:
            await offsets
        hit("offsets")
        if time.monotonic() - began_s > SLOW_S:
            await asyncio.sleep(SETTLE_S)
        await producer.commit_transaction()
        if time.monotonic() - began_s > SLOW_S:
            UnitProducer.wary_until_s = time.monotonic() + WARY_S
        if time.monotonic() < UnitProducer.wary_until_s:
            await self.end_surely({*tables, *others, commits}, commit=True)
        hit("committed")
        return ends

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
        """Name all partitions and the group to the coordinator; -> what ends when the offsets are in the transaction.

        Named one by one, when something is sent to them, each would cost a round trip. Data may leave only when all of
        this is answered: in flight together, the broker refuses the produce requests for a while. From then on the
        offsets travel beside the data.
        """
        manager = self._producer._txn_manager
        for topic in {tp.topic for tp in places}:
            await self._producer.client._wait_on_metadata(topic)
        for tp in places:
            manager.maybe_add_partition_to_txn(tp)
        if not offsets:
            return None
        self._group_added.clear()
        done: asyncio.Future[None] = manager.add_offsets_to_txn(
            commit_structure_validate(dict(offsets)), self.options.group
        )
        added: asyncio.Future[Any] = asyncio.create_task(self._group_added.wait())
        await asyncio.wait((added, done), return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            added.cancel()
            done.result()  # raises if the group was refused
        return done

    def _records(self, work: Work) -> tuple[dict[TopicPartition, Columns], dict[TopicPartition, Columns]]:
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
        await self._producer.stop()


async def _acked(sent: Sequence[Any]) -> None:
    """Wait for all batches; raises what went wrong with one. `commit_transaction()` ignores failed batches."""
    await asyncio.wait([batch.future for batch in sent])
    for batch in sent:
        try:
            batch.future.result()
        except TOO_LARGE as error:
            raise TooLargeError(batch.tp.topic, BATCH_BYTES) from error
