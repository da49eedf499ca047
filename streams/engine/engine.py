"""The engine: takes batches from agents, flushes units, sweeps and evicts, and owns numbers as Kafka assigns them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import faust
import structlog
from faust.types import TP

from streams.engine.api import Options, Stage
from streams.engine.batches import RecordBatch
from streams.engine.budget import max_pending
from streams.engine.cadence import LAGGING, PACE_S, Cadence
from streams.engine.changelog import Follower
from streams.engine.exits import FENCED, ExitCode, TooLargeError, cause_of, leave
from streams.engine.meter import Meter, NoMeter
from streams.engine.opening import Opener
from streams.engine.poison import Bisection, HandlerFailedError
from streams.engine.sweeping import LOOK_S, Sweeping
from streams.engine.unit import Unit

log = structlog.get_logger("streams.engine")

RAISE_LIMIT = "raise max.message.bytes of the topic (and the brokers' message.max.bytes) above it: nothing is lost"
FOLDED_AT_ONCE = 4_000
PASSES, PASSES_EVERY_S = 8, 0.004
"""Passes of the event loop after so long a time of folding while a commit is under way: from the bytes of an answer of
the broker to the next request it takes about as many. With one, each step of a commit would wait for eight slices; with
eight after each batch, however small, folding would wait for commits."""


class Engine(faust.Service):
    """One per worker process."""

    def __init__(self, app: Any, options: Options, meter: Meter | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.options = options
        self.meter: Meter = meter or NoMeter()
        self.stages: tuple[Stage, ...] = ()
        self.agent_of: dict[str, str] = {}
        """Topic -> the stage whose agent reads it."""
        self.units: dict[int, Unit] = {}
        self.delivered: dict[TP, int] = {}
        self.accepting = False
        self.paused = 0.0
        """Since when nothing is folded: revocation, or the first assignment (monotonic seconds)."""
        self.follower = Follower(options)
        self.opener = Opener(self)
        self.bisection = Bisection(self)
        self.sweeping = Sweeping(self)
        self.busy_s = 0.0
        self.prerequisites: list[Callable[[], Awaitable[None]]] = []
        """Awaited at each assignment before a unit is opened (a catalogue that has to be caught up)."""
        self.cadence = Cadence(options)
        self._commits: dict[Unit, asyncio.Task[None]] = {}
        """Those under way."""
        self._waiting: dict[Unit, int] = {}
        """What each unit had before it when the load was last measured."""
        self._turn, self._commit_turn = asyncio.Lock(), asyncio.Lock()
        self._passed_s = 0.0
        """Of `busy_s`: how much there was when commits had their passes."""

    def add(self, stage: Stage) -> None:
        self.stages = (*self.stages, stage)
        self.agent_of |= {self.options.topic_prefix + topic: stage.name for topic in stage.topics}

    @property
    def sources(self) -> set[str]:
        return set(self.agent_of)

    async def on_start(self) -> None:
        await self.add_runtime_dependency(self.follower)

    async def on_stop(self) -> None:
        self.accepting = False
        await self.follower.stop()
        for unit in self.units.values():
            await unit.sweep()
        await asyncio.gather(*(unit.producer.close() for unit in self.units.values()))
        self.units.clear()  # Faust asks once more for what is not flushed: nothing is, and their copies are closed
        self.opener.close()

    # -- agents

    async def take(self, polled: Sequence[RecordBatch]) -> None:
        """Take what one poll brought for an agent."""
        for batch in polled:
            await self.process(batch)

    async def process(self, batch: RecordBatch) -> None:
        """Take one batch: it is folded when its unit commits, or as soon as there is enough to fold."""
        unit = self.units.get(batch.tp.partition)
        if unit is None or not self.accepting:
            return
        first = unit.comes_first(batch.tp)
        unit.held.add(batch, first=first, internal=unit.is_internal(batch.tp))
        if unit.held.records >= FOLDED_AT_ONCE or first or unit.gate or batch.tp in self.bisection.suspects:
            await self._fold_held(unit)

    async def _fold_held(self, unit: Unit) -> None:
        """Fold what the unit was given until now, each partition in order."""
        async with unit.folding:
            for batch in unit.held.take():
                await self._in_slices(batch)

    async def _in_slices(self, batch: RecordBatch) -> None:
        """Commits and heartbeats are never kept waiting for long."""
        for part in batch.slices(FOLDED_AT_ONCE):
            while self.accepting and self.sweeping.overdue():
                await self.sleep(PACE_S)
            async with self._turn:
                due = self.busy_s - self._passed_s >= PASSES_EVERY_S
                if due:
                    self._passed_s = self.busy_s
                for _ in range(PASSES if due and self._commits else 1):
                    await asyncio.sleep(0)
            await self._process(part)

    async def _process(self, batch: RecordBatch) -> None:
        """What is dropped here is read again: every rebalance ends in a seek to the units' positions."""
        unit = self.units.get(batch.tp.partition)
        if unit is None or not self.accepting or not batch.records:
            return
        if unit.needs_flush_before(batch):
            await self.flush(unit)
            await self._process(batch)  # from the start: a rebalance may have come and gone meanwhile
            return
        if batch.tp in self.bisection.suspects:
            await self.bisection.fold(unit, batch)
            return
        if not await self.fold(unit, batch) and batch.tp in self.bisection.suspects:
            await self._process(batch)
        if unit.pending >= max_pending(self.options, len(self.units)):
            await self.flush(unit)

    async def fold(self, unit: Unit, batch: RecordBatch, aside: str = "") -> bool:
        """Fold a batch, or set it aside; False: it has to be read again, and will be."""
        started = time.perf_counter()
        if batch.next_offset <= unit.positions[batch.tp]:
            self.meter.count("batches_dropped", topic=unit.bare(batch.tp.topic), reason="repeat")
        try:
            applied = unit.apply(batch, aside)
        except HandlerFailedError as error:
            await self.bisection.failed(unit, batch, error)
            return False
        if not applied:
            self.meter.count("batches_dropped", topic=unit.bare(batch.tp.topic), reason="hole")
            log.warning("hole", tp=str(batch.tp), start=batch.start, expected=unit.positions[batch.tp])
            await self.app.consumer.seek_back(batch.tp, unit.positions[batch.tp])
        self.busy_s += time.perf_counter() - started
        return applied

    async def _commit(self, unit: Unit) -> None:
        """Fold what the unit was given, one unit after another, and commit; what it has, if it is folding already."""
        try:
            async with self._commit_turn:
                if not unit.folding.locked():
                    if self._waiting.get(unit, 0) <= LAGGING and not unit.lock.locked():
                        unit.producer.begin()
                    await self._fold_held(unit)
            await self.flush(unit)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # a programming error ends the process, as in a service's task
            await self.crash(error)

    async def flush(self, unit: Unit) -> None:
        """Commit a unit; whatever goes wrong, leaving is the only answer that cannot make it worse."""
        started = time.perf_counter()
        # Held over a failure too: nobody begins another transaction of this unit while the group is asked.
        async with unit.lock:
            try:
                flushed = await unit.flush(self.behind(unit))
            except asyncio.CancelledError:
                raise
            except TooLargeError as error:
                leave(ExitCode.STOP, "batch-too-large", topic=error.topic, bytes=error.size, do=RAISE_LIMIT)
            except BaseException as error:  # noqa: BLE001  # fenced, timed out, unknown result: all the same
                if cause_of(error) == FENCED:
                    await self.app.consumer.give_way()
                why = {"cause": cause_of(error), "error": repr(error)}
                leave(ExitCode.RESTART, "commit-failed", partition=unit.number, **why)
        if flushed is not None:
            self.meter.committed(unit.number, flushed, time.perf_counter() - started)

    def behind(self, unit: Unit) -> dict[str, int]:
        """Records fetched or known of and not yet folded, by topic."""
        reached = self.app.consumer.reached(unit.positions)
        waiting = {}
        for tp, position in unit.positions.items():
            fetched, end = reached.get(tp, (0, 0))
            delivered = self.delivered.get(tp, 0)
            done = position if delivered > position else max(position, fetched)
            waiting[unit.bare(tp.topic)] = max(0, max(end, delivered) - done)
        return waiting

    # -- background

    @faust.Service.task
    async def _flusher(self) -> None:
        while not self.should_stop:
            await asyncio.sleep(PACE_S)
            measured = self.cadence.measure()
            if self.accepting:
                if measured:
                    self._waiting = {unit: self._before(unit) for unit in self.units.values()}
                    self.sweeping.evict()
                self._start_flushes(time.monotonic())
                self._open_gates()

    def _start_flushes(self, now: float) -> None:
        left = self.cadence.at_once(len(self.units))
        most = max(self._waiting.values(), default=0)
        for unit in self.cadence.longest_waiting(self.units.values(), now):
            if unit.lock.locked() or unit in self._commits or not (unit.held or unit.has_work()):
                continue
            fresh = unit.from_outside or unit.held.from_outside
            if now - unit.last_flush < self.cadence.spacing_s(self._waiting.get(unit, 0), most, fresh=fresh):
                continue
            task = self._commits[unit] = asyncio.create_task(self._commit(unit))
            task.add_done_callback(partial(self._commits.pop, unit))
            left -= 1
            if not left:
                return

    def _before(self, unit: Unit) -> int:
        """Records that the unit has before it, without those that it was given and that its next commit takes in."""
        return max(0, sum(self.behind(unit).values()) - unit.held.records)

    def _open_gates(self) -> None:
        for unit in self.units.values():
            if not unit.gate:
                continue
            reached = self.app.consumer.reached(unit.gate)
            for tp, end in list(unit.gate.items()):
                position = unit.positions[tp]
                idle = self.delivered.get(tp, 0) <= position
                if position >= end or (idle and reached.get(tp, (0, 0))[0] >= end):
                    del unit.gate[tp]
            if not unit.gate:
                self.app.consumer.resume_partitions(set(unit.positions))

    @faust.Service.task
    async def _sweeper(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_S)
            if self.accepting and self.sweeping.due():
                await self.sweeping.sweep()

    # -- rebalance

    async def quiesce(self) -> None:
        """Take no more batches and make what was taken durable. A zombie ends here: its producer is fenced."""
        if self.accepting:
            self.paused = time.monotonic()
        self.accepting = False
        for unit in self.units.values():
            unit.held.clear()
        await asyncio.gather(*(self.flush(unit) for unit in list(self.units.values())))

    def resume(self) -> None:
        """Take batches (again)."""
        self.accepting = True
        self.meter.observe("rebalance_seconds", time.monotonic() - self.paused)

    def resumable(self) -> set[TP]:
        """Partitions that may be read now: those not behind the gate of their unit."""
        first = {self.options.topic_prefix + topic for stage in self.stages for topic in stage.first}
        return {tp for unit in self.units.values() for tp in unit.positions if not unit.gate or tp.topic in first}
