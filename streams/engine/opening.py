"""Taking over partition numbers, in the one order that is safe: fence, offsets, changelog ends, restore, then start."""

import asyncio
import time
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalStateError
from faust.types import TP

from streams.engine import loose_ends, origins
from streams.engine.exits import ExitCode, leave
from streams.engine.images import Images
from streams.engine.store import LocalCopy
from streams.engine.unit import Unit

if TYPE_CHECKING:
    from streams.engine.engine import Engine

log = structlog.get_logger("streams.engine")

OPEN_TIMEOUT_S = 60


async def cluster_id(bootstrap: str, client: Any) -> str:
    """The Kafka cluster's id: a local copy of another cluster's log is worthless."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client)
    await admin.start()
    try:
        described = await admin.describe_cluster()
    finally:
        await admin.close()
    return str(described.get("cluster_id"))


class Opener:
    """Opens and closes the units of an engine at a rebalance. Units kept over it keep their state."""

    def __init__(self, engine: "Engine") -> None:
        self.engine = engine
        self.copies: dict[int, LocalCopy] = {}
        self._cluster: str | None = None
        self._asked = False

    async def open(self) -> None:
        """Own exactly the assigned numbers, each ready to go on from its committed offsets."""
        started = time.monotonic()
        engine, consumer = self.engine, self.engine.app.consumer
        engine.paused = engine.paused or started
        if self._cluster is None:
            self._cluster = await cluster_id(engine.options.bootstrap, engine.options.client)
        assigned = consumer.assignment()
        numbers = {tp.partition for tp in assigned if tp.topic in engine.sources}
        if missing := {TP(topic, number) for topic in engine.sources for number in numbers} - assigned:
            self._ask_anew(missing)
        await asyncio.gather(*(wait() for wait in engine.prerequisites))
        gone = [engine.units.pop(n) for n in list(engine.units) if n not in numbers]
        await asyncio.gather(*(unit.producer.close() for unit in gone))
        for unit in gone:
            await unit.sweep()
        new = [self._unit(number) for number in sorted(numbers - engine.units.keys())]
        states = await loose_ends.last_states(new, engine.follower.consumer)
        fencing = time.monotonic()
        fences = [unit.producer.fence({tp.topic for tp in loose_ends.written_by(unit)}) for unit in new]
        await asyncio.wait_for(asyncio.gather(*fences), OPEN_TIMEOUT_S)
        engine.meter.observe("fence_seconds", time.monotonic() - fencing)
        await loose_ends.end_all(new, states, engine.follower.consumer)
        ends = await self._positions(new, assigned)
        standbys = set(engine.app.assignor.ownership.standby) - numbers
        await self._restore(new, standbys)
        self._close_others(numbers | standbys)
        for unit in new:
            unit.load()
            origins.check(unit)
            self._gate(unit, ends)
            engine.units[unit.number] = unit
        took = time.monotonic() - started
        engine.meter.gauge("units_owned", len(numbers))
        log.info(
            "units-open", new=len(new), kept=len(numbers) - len(new), standbys=len(standbys), seconds=round(took, 3)
        )

    def _ask_anew(self, missing: set[TP]) -> None:
        """A member that kept its seat gets the assignment made before it read these topics."""
        if self._asked:
            leave(ExitCode.RESTART, "topics-not-assigned", missing=sorted(map(str, missing)))
        self._asked = True
        self.engine.app.consumer.rejoin()
        raise IllegalStateError(f"not assigned: {sorted(map(str, missing))}")

    def _unit(self, number: int) -> Unit:
        engine = self.engine
        return Unit(engine.options, engine.stages, number, Images(self._copy(number)))

    def _copy(self, number: int) -> LocalCopy:
        options = self.engine.options
        if number not in self.copies:
            tables = [table for stage in self.engine.stages for table in stage.tables]
            path = options.state_dir / f"unit-{number}.db"
            self.copies[number] = LocalCopy(
                path, tables, str(self._cluster), options.partitions, options.store_cache_bytes
            )
        return self.copies[number]

    async def _positions(self, new: list[Unit], assigned: set[TP]) -> Mapping[TP, int]:
        """Only now, after the fence, are the group's offsets final. -> ends of the sources of new units."""
        consumer, sources = self.engine.app.consumer, self.engine.sources
        committed = await consumer.seek_to_committed() if assigned else {}
        wanted = {unit.number: [TP(topic, unit.number) for topic in sorted(sources)] for unit in new}
        tps = list(chain.from_iterable(wanted.values()))
        begins, ends = (
            await asyncio.gather(consumer.earliest_offsets(*tps), consumer.highwaters(*tps)) if tps else ({}, {})
        )
        for unit in new:
            origins.start(unit, committed, {tp: begins[tp] for tp in wanted[unit.number]}, ends)
        for unit in self.engine.units.values():
            for tp, mine in unit.committed.items():
                offset = committed.get(tp)
                if unit.positions[tp] != mine or (offset is not None and offset != mine):
                    leave(ExitCode.RESTART, "kept-unit-moved", tp=str(tp), group=offset, mine=mine)
        return ends

    async def _restore(self, new: list[Unit], standbys: set[int]) -> None:
        actives = {unit.number: unit.images.copy for unit in new}
        before, started = self.engine.follower.applied, time.monotonic()
        await self.engine.follower.restore(actives, {n: self._copy(n) for n in standbys})
        rows = self.engine.follower.applied - before
        self.engine.meter.observe("restore_seconds", time.monotonic() - started)
        log.info("restored", rows=rows, seconds=round(time.monotonic() - started, 3))

    def _close_others(self, keep: set[int]) -> None:
        for number in list(self.copies):
            if number not in keep:
                self.copies.pop(number).close()

    def _gate(self, unit: Unit, ends: Mapping[TP, int]) -> None:
        """What the topics read first held when the unit was taken over has to be folded before anything else."""
        first = [TP(unit.real(topic), unit.number) for stage in self.engine.stages for topic in sorted(stage.first)]
        unit.gate = {tp: ends[tp] for tp in first if ends[tp] > unit.positions[tp]}

    def close(self) -> None:
        for copy in self.copies.values():
            copy.close()
        self.copies.clear()
