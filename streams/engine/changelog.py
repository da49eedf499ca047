"""Reads changelogs, committed records only: to the end for partitions about to start, then for ever for standbys."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.engine.api import IDENTITY, Options
from streams.engine.consumer import positions
from streams.engine.exits import ExitCode, leave
from streams.engine.store import LocalCopy
from streams.wire.lookup import look_up
from streams.wire.records import Records

log = structlog.get_logger("streams.engine")

RECORDS_AT_ONCE = 20_000
FETCHED_BYTES = 4 << 20
FIRST_BYTES = 16 << 10
"""By partition and fetch, where only the first record is wanted: its batch comes as a whole, but nothing behind it."""


class Follower(faust.Service):
    """Feeds local copies from their changelogs."""

    def __init__(self, options: Options, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options = options
        self.consumer: Any = None
        self.applied = 0
        self.rows: Counter[str] = Counter()
        """Records applied by table; `applied` in all."""
        self._copies: dict[TopicPartition, tuple[LocalCopy, str]] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._standby: set[TopicPartition] = set()
        self._done: asyncio.Future[None] | None = None
        self._epoch = 0
        self._checked: dict[TopicPartition, LocalCopy] = {}
        """Copies of the log that is there: followed since, they need no second look when they become active."""

    async def on_start(self) -> None:
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=self.options.bootstrap,
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCHED_BYTES,
            fetch_max_wait_ms=200,
            check_crcs=False,
            auto_offset_reset="none",  # never jump silently
            **self.options.client,
        )
        await self.consumer.start()

    async def on_stop(self) -> None:
        await self.consumer.stop()

    def topic_partitions(self, copies: Mapping[int, LocalCopy]) -> dict[TopicPartition, tuple[LocalCopy, str]]:
        prefix = self.options.topic_prefix
        return {
            TopicPartition(prefix + table, number): (copy, table)
            for number, copy in copies.items()
            for table in copy.tables
        }

    async def restore(self, actives: Mapping[int, LocalCopy], standbys: Mapping[int, LocalCopy]) -> dict[str, Any]:
        """Bring `actives` to the ends of their changelogs, then follow `standbys`; -> ends by (table, number)."""
        active, standby = self.topic_partitions(actives), self.topic_partitions(standbys)
        everything = active | standby
        self._standby = set(standby)
        self._assign({}, {})
        if not everything:
            return {}
        await look_up(self.consumer, {tp.topic for tp in everything})
        begins, ends = await asyncio.gather(
            self.consumer.beginning_offsets(list(everything)), self.consumer.end_offsets(list(everything))
        )
        await self._check_identity(everything, begins, ends)
        self._done = asyncio.get_running_loop().create_future()
        self._ends = {tp: ends[tp] for tp in active}
        self._assign(everything, begins)
        if active:
            await self._done
        self._ends = {}
        self._assign(standby, begins)
        return {f"{tp.topic}/{tp.partition}": ends[tp] for tp in active}

    def remaining(self) -> int:
        """Changelog offsets that the restore under way has still to read; 0 if none is under way."""
        _, at = positions(self.consumer)
        return sum(max(end - (at.get(TP(*tp)) or 0), 0) for tp, end in self._ends.items())

    def standby_lag(self) -> dict[int, int]:
        """By partition number of a standby copy: changelog records known of and not applied."""
        lag: dict[int, int] = {}
        for tp, position in positions(self.consumer)[1].items():
            if tp in self._standby:
                end = self.consumer.highwater(tp) or 0
                lag[tp.partition] = lag.get(tp.partition, 0) + max(end - (position or 0), 0)
        return lag

    async def _check_identity(self, copies: Any, begins: Any, ends: Any) -> None:
        """A copy whose position the log cannot continue, or of a log that was made anew, is rebuilt."""
        suspects = []
        for tp, (copy, table) in copies.items():
            position = copy.position(table)
            if position is None:
                continue
            if not begins[tp] <= position <= ends[tp]:
                log.warning("copy-does-not-fit", topic=tp.topic, partition=tp.partition, position=position)
                copy.wipe()
            elif begins[tp] < ends[tp] and self._checked.get(tp) is not copy:
                suspects.append(tp)
        firsts = await self._first_records(suspects, begins)
        for tp, record in firsts.items():
            copy, table = copies[tp]
            if copy.position(table) is None:
                continue
            known = copy.get_many(table, [IDENTITY])[0]
            if record.key != IDENTITY or record.value != known:
                log.warning("copy-of-another-log", topic=tp.topic, partition=tp.partition)
                copy.wipe()
        self._checked = {tp: copy for tp, (copy, _) in copies.items()}

    async def _first_records(self, tps: list[TopicPartition], begins: Any) -> dict[TopicPartition, Any]:
        if not tps:
            return {}
        self._epoch += 1
        fetcher = self.consumer._fetcher
        fetcher._max_partition_fetch_bytes = FIRST_BYTES
        self.consumer.assign(tps)
        for tp in tps:
            self.consumer.seek(tp, begins[tp])
        firsts: dict[TopicPartition, Any] = {}
        async with asyncio.timeout(60):
            while len(firsts) < len(tps):
                for tp, records in (await self.consumer.getmany(timeout_ms=0)).items():
                    firsts.setdefault(tp, records[0])
                    self.consumer.pause(tp)
                await asyncio.sleep(0.005)
        self.consumer.unsubscribe()
        fetcher._max_partition_fetch_bytes = FETCHED_BYTES
        return firsts

    def _assign(self, copies: dict[TopicPartition, tuple[LocalCopy, str]], begins: Any) -> None:
        # No await in here: a seek must follow its assign at once.
        self._epoch += 1
        self._copies = copies
        self.consumer.unsubscribe()
        if copies:
            self.consumer.assign(list(copies))
        for tp, (copy, table) in copies.items():
            position = copy.position(table)
            self.consumer.seek(tp, begins[tp] if position is None else position)

    @faust.Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            if not self._copies:
                await self.sleep(0.02)
                continue
            try:
                await self._step()
            except KafkaError as error:
                leave(ExitCode.RESTART, "changelog-unreadable", error=repr(error))

    async def _step(self) -> None:
        epoch = self._epoch
        # Timeout 0: getmany does not suspend, so what it returns belongs to this assignment and is applied at once.
        # A waiting getmany that lives through _assign() eats records of the new positions: rows would be lost.
        fetched = await self.consumer.getmany(timeout_ms=0, max_records=RECORDS_AT_ONCE)
        for tp, records in fetched.items():
            copy, table = self._copies[tp]
            rows = Records.of(records) if isinstance(records, list) else records
            copy.write(table, dict(zip(rows.keys, rows.values, strict=True)).items(), int(rows.offsets[-1]) + 1)
            self.applied += len(records)
            self.rows[table] += len(records)
            await asyncio.sleep(0)
            if epoch != self._epoch:
                return
        if self._ends:
            await self._finish(epoch)
        if not fetched:
            await asyncio.sleep(0.005)

    async def _finish(self, epoch: int) -> None:
        # The end is a position, not a record: the last offset of a changelog is a transaction's marker.
        for tp, end in list(self._ends.items()):
            if end == 0 or await self.consumer.position(tp) >= end:
                self._ends.pop(tp, None)
        if not self._ends and epoch == self._epoch and self._done and not self._done.done():
            self._done.set_result(None)
