"""Faust's recovery service, replaced: it starts units in the engine's order and reads no changelog itself."""

import asyncio
from typing import Any

import faust
import structlog
from aiokafka.errors import IllegalStateError
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped

from streams.engine.exits import ExitCode, leave

log = structlog.get_logger("streams.engine")


class EngineRecovery(Recovery):
    """Signalled by Faust at each assignment; hands over to the engine and resumes the flow."""

    app: Any
    _rebalance_count = 0

    @faust.Service.task
    async def _slurp_changelogs(self) -> None:
        """Faust never reads a changelog."""

    @faust.Service.task
    async def _publish_stats(self) -> None:
        """The engine has its own metrics."""

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:
        del assigned, revoked, newly_assigned
        if generation_id != self.app.consumer_generation_id:
            return
        self._rebalance_count = self.app.rebalancing_count  # a later revocation makes this assignment stale
        self._generation_id = generation_id
        self.signal_recovery_start.set()

    def _stale(self, generation: int) -> bool:
        return (
            self.signal_recovery_start.is_set()
            or self.app.consumer_generation_id != generation
            or self.app.rebalancing_count != self._rebalance_count
        )

    @faust.Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start.wait()):
                break
            self.signal_recovery_start.clear()
            generation = self._generation_id
            try:
                await self._wait(asyncio.sleep(0))
                opening = asyncio.ensure_future(self.app.engine.opener.open())
                await asyncio.shield(opening)  # never cancelled half-way; a new rebalance waits for it
                await self._ready(generation)
            except (RebalanceAgain, IllegalStateError) as error:
                log.info("rebalance-again", error=repr(error))
            except ServiceStopped:
                break
            except asyncio.CancelledError:
                raise
            except Exception as error:  # Faust would log it and stay, joined and idle
                log.exception("opening-failed")
                leave(ExitCode.RESTART, "opening-failed", error=repr(error))

    async def _ready(self, generation: int) -> None:
        app, consumer, engine = self.app, self.app.consumer, self.app.engine
        await app.on_rebalance_complete.send()
        if self._stale(generation):
            raise RebalanceAgain
        app.flow_control.resume()  # first: it clears the channel queues (Faust does it after the seek, issue 596)
        engine.delivered.clear()
        positions = {tp: position for unit in engine.units.values() for tp, position in unit.positions.items()}
        if positions:
            await consumer.seek_wait(positions)
        if self._stale(generation):
            raise RebalanceAgain
        consumer.resume_partitions(engine.resumable())
        self._set_recovery_ended()
        self.completed.set()
        engine.resume()
        log.info("ready", partitions=sorted(engine.units))
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()


class TableManager(FaustTableManager):
    """Faust's `TableManager` setting."""

    async def on_start(self) -> None:
        """Without the second that Faust leaves to tables to register: there are none."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = EngineRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
