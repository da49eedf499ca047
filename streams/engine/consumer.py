"""Faust's consumer, fetching batches. What it overrides and reads is pinned by tests/engine/test_contracts.py."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.engine.batches import Envelope, RecordBatch
from streams.engine.exits import ExitCode, leave
from streams.engine.membership import give_way
from streams.engine.offset_fetch import heed_errors
from streams.engine.origins import trimmed
from streams.engine.ranges import Positions, Ranges

LONG_POLL_MS = 250


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer."""

    consumer: Any
    ranges: Ranges

    async def on_start(self) -> None:
        await super().on_start()
        # Nothing is subscribed yet, so nothing was asked.
        heed_errors(self._ensure_consumer()._coordinator)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        self.ranges = Ranges()
        consumer._isolation_level = "read_committed"  # Faust has no setting for it
        # Faust asks for 1,500 ms; ListOffsets and fetches after a seek queue behind the long poll.
        consumer._fetch_max_wait_ms = LONG_POLL_MS
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's signature
        max_records: int | None = None,
    ) -> Any:
        # With timeout 0 the buffer is drained without suspending, so the positions read before and after are exactly
        # the range that the records stand for. Faust's own call waits inside, while a rebalance may seek.
        deadline = time.monotonic() + (timeout or 0)
        while True:
            assignment, before = positions(consumer)
            records = await super()._fetch_records(consumer, active_partitions, 0, max_records)
            same, after = positions(consumer)
            starts = self.ranges.of(assignment if assignment is same else None, before, after, records)
            if records:
                self.consumer.ranges = (starts, after)
                return records
            left = deadline - time.monotonic()
            if left <= 0 or not self.consumer.flow_active or consumer._closed:
                return {}
            waiter = consumer._fetcher._create_fetch_waiter()
            await asyncio.wait([waiter], timeout=min(left, 0.2))
            waiter.cancel()


def positions(consumer: Any) -> tuple[Any, Positions]:
    """The consumer's assignment (an identity) and its fetch position by partition."""
    subscription = consumer._subscription.subscription
    assignment = subscription and subscription.assignment
    if not assignment:
        return None, {}
    return assignment, {tp: assignment.state_value(tp)._position for tp in assignment.tps}


class Consumer(driver.Consumer):
    """Wraps what a poll brought for each agent into one event: often it is ten partitions with 20 records each."""

    app: Any
    ranges: tuple[Positions, Positions] = ({}, {})

    def _new_consumer_thread(self) -> Any:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's signature
        # No generation check: a fetch that waited through a rebalance returns records of the new positions, and to
        # drop them would make a hole. That batches chain by position is the guard.
        records, active = await super()._wait_next_records(timeout)
        if not records:
            return records, active
        before, after = self.ranges
        engine = self.app.engine
        polled: dict[str, list[RecordBatch]] = {}
        for key, fetched in records.items():
            tp = TP(*key)
            batch = RecordBatch(tp, before.get(tp), after[tp], fetched)
            engine.delivered[tp] = batch.next_offset
            polled.setdefault(engine.agent_of[tp.topic], []).append(batch)
        return {batches[0].tp: [Envelope(batches)] for batches in polled.values()}, active

    async def wait_empty(self) -> None:
        """Called at revocation and at shutdown, always before the next assignment."""
        if self.app.engine.units and not self.member():
            await self.give_way()
        await self.app.engine.quiesce()
        await super().wait_empty()

    def member(self) -> str:
        """Id of this member; empty before it joined, and when the group no longer knows it."""
        inner = self._thread._consumer
        return str(inner._coordinator.member_id) if inner else ""

    async def give_way(self) -> None:
        """Exit 70 if another process has this worker's seat in the group."""
        options = self.app.options
        await give_way(options.bootstrap, options.client, options.group, options.instance, self.member())

    def rejoin(self) -> None:
        """Have the group assign anew."""
        thread: Any = self._thread
        thread.thread_loop.call_soon_threadsafe(thread._consumer._coordinator.request_rejoin)

    async def seek_back(self, tp: TP, position: int) -> None:
        """Read on from `position`; exit 78 if the log no longer holds it, as each attempt would end the same."""
        begins = (await self.earliest_offsets(tp))[tp]
        if begins > position:
            if self.app.options.accept_loss:
                leave(ExitCode.RESTART, "source-trimmed", tp=str(tp), position=position, begins=begins)
            trimmed(tp, position, begins)
        with suppress(IllegalStateError):  # no longer assigned: whoever has it now reads on from its own position
            await self.seek_wait({tp: position})

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock detector counts single records; the engine's watchdog replaces it."""

    def reached(self, tps: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        """Of these, those assigned now: where the next fetch starts (markers passed), the end of the log seen last."""
        inner = self._thread._consumer
        subscription = inner and inner._subscription.subscription
        assignment = subscription and subscription.assignment
        if not assignment:
            return {}
        states = [(tp, assignment.state_value(tp)) for tp in tps if tp in assignment.tps]
        return {tp: (state._position or 0, state.highwater or 0) for tp, state in states}


class Transport(driver.Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = Consumer
