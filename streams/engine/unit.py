"""One partition number: the state of every stage, positions in every source, and the commits that tie them together."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec
from aiokafka import TopicPartition
from faust.types import TP

from streams.engine.api import IDENTITY, Options, Stage
from streams.engine.batches import RecordBatch
from streams.engine.budget import shares
from streams.engine.dead_letters import DeadLetters
from streams.engine.exits import ExitCode, leave
from streams.engine.failpoints import hit
from streams.engine.held import Held
from streams.engine.images import Images
from streams.engine.meter import Flushed, Taken, arrived, take
from streams.engine.poison import AT_MOST, HANDLER_FAILED, HandlerFailedError, SetAside
from streams.engine.transaction import Message, UnitProducer, Work
from streams.engine.unit_rows import UNIT_ROW, Identity, UnitState, meanings, unit_state

REBUILD = "start the version and the parameters that wrote the rows, or recompute all tables: `streams rebuild`"
WRITTEN_AT_LEAST_S = 3_600.0
"""So that a copy of an idle unit is not taken for one that has been lying about."""


class Unit:
    """Folds batches, and makes everything folded since the last commit durable in one transaction."""

    def __init__(self, options: Options, stages: tuple[Stage, ...], number: int, images: Images) -> None:
        self.options = options
        self.stages = stages
        self.number = number
        self.images = images
        self.producer = UnitProducer(options, number)
        self.positions: dict[TP, int] = {}
        self.committed: dict[TP, int] = {}
        self.held = Held()
        self.folding, self.lock = asyncio.Lock(), asyncio.Lock()
        self._sweep_lock = asyncio.Lock()
        self.pending = 0
        self.from_outside = False
        """Whether records are pending that no unit wrote."""
        self.taken: list[Taken] = []
        self._counted: Counter[str] = Counter()
        self.arrived_ms: dict[str, int] = {}
        """By topic: arrival of the last record folded."""
        self.opened_ms = time.time_ns() // 1_000_000
        self.last_flush = 0.0
        """When the last commit began (monotonic seconds)."""
        self.dirty_since: float | None = None
        self.resumes = False
        """Whether the group has an offset behind the beginning of a source: something was folded before."""
        self.gate: dict[TP, int] = {}
        """Ends that the topics read first must reach before the others may start."""
        self._stage_of = {options.topic_prefix + topic: stage for stage in stages for topic in stage.topics}
        self._since_collect = {stage.name: 0 for stage in stages}
        self._letters = DeadLetters(options, number)
        self.folds: dict[str, Any] = {}
        self.state = UnitState()
        self._identified: set[str] = set()
        self._began: dict[TP, int] = {}
        self._aside: list[SetAside] = []
        self.spoiled = False
        """A fold failed half-way: nothing may be committed until the unit is back at its last commit."""

    @property
    def tables(self) -> list[str]:
        return [table for stage in self.stages for table in stage.tables]

    def load(self) -> None:
        """Build the stages from the restored copy; refuses rows that mean something else."""
        for table, found in meanings(self.images, self.tables).items():
            if found != dict(self.options.meaning):
                leave(ExitCode.STOP, "meaning-differs", table=table, found=found, mine=self.options.meaning, do=REBUILD)
            self._identified.add(table)
        self.state = unit_state(self.images, self.tables[0])
        self._began = dict(self.positions)
        self._make()
        hit("restored")

    def go_on_at(self, tp: TP, position: int) -> None:
        """Fold from here on, whatever the group's offset says."""
        self.positions[tp] = self._began[tp] = position

    def _make(self) -> None:
        watermarks = self.state.watermarks
        try:
            for stage in self.stages:
                self.folds[stage.name] = stage.make(self.number, self.images, watermarks.get(stage.name, 0))
        except self.options.refused as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> NoReturn:
        """A row that this version must not touch: no restart mends it."""
        leave(ExitCode.STOP, "row-refused", partition=self.number, error=str(error), do=REBUILD)

    def _rewind(self) -> None:
        """Back to the last commit. Only while no flush is under way: state and images are that commit's then."""
        self._make()
        self.positions = {tp: max(position, self._began.get(tp, 0)) for tp, position in self.committed.items()}
        self.pending, self.taken, self._aside, self.dirty_since = 0, [], [], None
        self.from_outside = False
        self._counted.clear()
        self._since_collect = dict.fromkeys(self._since_collect, 0)
        self.spoiled = False

    def needs_flush_before(self, batch: RecordBatch) -> bool:
        """Whether records folded before must be committed first, so that this batch comes first in its commit."""
        return self.comes_first(batch.tp) and self._since_collect[self._stage_of[batch.tp.topic].name] > 0

    def comes_first(self, tp: TP) -> bool:
        """Whether its records come before others in a commit."""
        return self.bare(tp.topic) in self._stage_of[tp.topic].barriers

    def is_internal(self, tp: TP) -> bool:
        """Whether units write this topic for one another."""
        return self.bare(tp.topic) in self._stage_of[tp.topic].internal

    def apply(self, batch: RecordBatch, aside: str = "") -> bool:
        """Fold a batch wholly or not at all; False: it does not continue where this unit stands.

        `aside`: why its records are not folded but set aside. HandlerFailedError: the unit is spoiled.
        """
        position = self.positions[batch.tp]
        if batch.next_offset <= position:
            return True
        if self.spoiled:
            return False
        records = batch.records
        if batch.start != position:
            if batch.start is None or batch.start > position:
                return False
            records = [record for record in records if record.offset >= position]
        stage, topic = self._stage_of[batch.tp.topic], self.bare(batch.tp.topic)
        if aside:
            self._aside += [SetAside(topic, record, HANDLER_FAILED, aside) for record in records]
        else:
            self._fold(stage.name, topic, records)
        self.positions[batch.tp] = batch.next_offset
        self.pending += len(records)
        self.from_outside |= topic not in stage.internal
        if records:
            self.taken.append(take(topic, records))
            self.arrived_ms[topic] = records[-1].timestamp
        if topic not in stage.barriers:
            self._since_collect[stage.name] += len(records)
        if self.dirty_since is None:
            self.dirty_since = time.monotonic()
        return True

    def _fold(self, stage: str, topic: str, records: Any) -> None:
        try:
            self.folds[stage].fold(topic, records)
        except self.options.refused as error:
            self._refuse(error)
        except MemoryError:
            raise
        except Exception as error:
            self.spoiled = True
            raise HandlerFailedError from error

    def has_work(self) -> bool:
        if self.spoiled:
            return False
        try:
            return self.positions != self.committed or any(fold.has_work() for fold in self.folds.values())
        except self.options.refused as error:
            self._refuse(error)

    async def flush(self, behind: Mapping[str, int]) -> Flushed | None:
        """One transaction, under the lock; None: nothing to do. Raises what went wrong: the caller ends the process."""
        if spoiled := self.spoiled:
            self._rewind()
        if spoiled or not self.has_work():
            await asyncio.wait_for(self.producer.abandon(), self.options.flush_timeout_s)
            return None
        positions = dict(self.positions)
        try:
            work, rejected = self._collect(positions, behind)
        except self.options.refused as error:
            self._refuse(error)
        taken, told = self.taken, self._told()
        self.pending, self.from_outside, self.taken, self.dirty_since = 0, False, [], None
        self.last_flush = time.monotonic()
        hit("collected")
        ends = await asyncio.wait_for(self.producer.commit(work), self.options.flush_timeout_s)
        self.images.committed(ends)
        self.committed = positions
        return self._flushed(taken, rejected, work, told)

    def _flushed(
        self, taken: list[Taken], rejected: Counter[tuple[str, str]], work: Work, told: Counter[str]
    ) -> Flushed:
        sent = self.producer.sent_bytes
        rows = {self.bare(topic): len(keys) for topic, (keys, _) in work.rows.items()}
        row_bytes = {self.bare(topic): sent[topic] for topic in work.rows}
        return Flushed(taken, rejected, rows, row_bytes, sent.total() - sum(row_bytes.values()), told)

    def _told(self) -> Counter[str]:
        """What the stages have counted since the last commit, and not what is folded while this one is under way."""
        now: Counter[str] = Counter()
        for fold in self.folds.values():
            now.update(getattr(fold, "counters", {}))
        before, self._counted = self._counted, now
        return now - before

    def _collect(self, positions: dict[TP, int], behind: Mapping[str, int]) -> tuple[Work, Counter[tuple[str, str]]]:
        flush = self.state.flush + 1
        outputs = [(stage, self.folds[stage.name].collect(flush)) for stage in self.stages]
        for name in self._since_collect:
            self._since_collect[name] = 0
        messages = [
            Message(self.real(send.topic), send.partition, send.key, send.value)
            for _, output in outputs
            for send in output.sends
        ]
        for message in messages:
            if message.topic in self._stage_of:
                self.state.sent.setdefault(self.bare(message.topic), {})[str(message.partition)] = flush
        rejected, self._aside = [*self._aside, *(bad for _, output in outputs for bad in output.rejected)], []
        messages += [self._letters.letter(bad) for bad in rejected]
        failed = [bad.record.timestamp for bad in rejected if bad.reason == HANDLER_FAILED]
        self.state.failed = [*self.state.failed, *failed][-AT_MOST:]
        for _, output in outputs:
            for topic, origins in output.folded.items():
                known = self.state.folded.setdefault(topic, {})
                known.update({str(origin): number for origin, number in origins.items()})
        self.state.flush = flush
        self.state.watermarks = {name: fold.watermark_ms for name, fold in self.folds.items()}
        self.state.positions = {self.bare(tp.topic): position for tp, position in positions.items()}
        rows = self._rows(outputs)
        moved = {TopicPartition(*tp): p for tp, p in positions.items() if p != self.committed.get(tp)}
        commit = {
            "v": 1,
            "partition": self.number,
            "flush": flush,
            "positions": self.state.positions,
            "folded": self.state.folded,
            "sent": self.state.sent,
            "watermark_ms": max(self.state.watermarks.values()),
            "behind": dict(behind),
            "arrived": arrived(self.taken),
        }
        return Work(rows, messages, moved, commit), Counter((bad.topic, str(bad.reason)) for bad in rejected)

    def _rows(self, outputs: Any) -> dict[str, tuple[list[bytes], list[bytes | None]]]:
        rows: dict[str, tuple[list[bytes], list[bytes | None]]] = {}
        unit_table = self.tables[0]
        for _, output in outputs:
            for table, (keys, values) in output.rows.items():
                if keys:
                    rows[table] = (list(keys), list(values))
        keys, values = rows.setdefault(unit_table, ([], []))
        keys.append(UNIT_ROW)
        values.append(msgspec.json.encode(self.state))
        for table, (keys, values) in rows.items():
            if table not in self._identified:
                keys.insert(0, IDENTITY)
                values.insert(0, msgspec.json.encode(Identity(uuid.uuid4().hex, dict(self.options.meaning))))
                self._identified.add(table)
            self.images.collected(table, keys, values)
        return {self.real(table): pair for table, pair in rows.items()}

    async def sweep(self) -> int:
        """Write committed rows into the copy, with the positions they complete; -> rows written."""
        async with self._sweep_lock:
            ends = self.images.begin_sweep()
            rows = sum(map(len, self.images.sweeping.values()))
            if rows or self.images.copy.age_s() > WRITTEN_AT_LEAST_S:
                for _ in self.images.copy.take(self.images.sweeping, ends):
                    hit("sweep-half")
                    await asyncio.sleep(0)
                self.images.end_sweep()
            hit("swept")
            return rows

    def resident(self) -> int:
        return sum(fold.resident() for fold in self.folds.values())

    def evict(self, rows: int) -> dict[str, int]:
        """Forget `rows` rows, from each stage in proportion to those not pinned; -> how many, by stage."""
        if self.spoiled:
            return {}
        gone = {name: self.folds[name].evict(share) for name, share in shares(rows, self.folds).items()}
        hit("evicted")
        return gone

    def real(self, topic: str) -> str:
        return self.options.topic_prefix + topic

    def bare(self, topic: str) -> str:
        return topic[len(self.options.topic_prefix) :]
