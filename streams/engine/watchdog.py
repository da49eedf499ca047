"""Ends a worker that is alive but gets nowhere: joined and idle, blocked, or stuck in a rebalance."""

import threading
import time
from typing import Any

import faust

from streams.engine.engine import Engine
from streams.engine.exits import ExitCode, leave

LOOP_BLOCKED_S = 60.0
BEAT_S = 0.5


class Watchdog(faust.Service):
    """Checks progress once a second from the loop, and the loop itself from a thread."""

    def __init__(self, engine: Engine, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine = engine
        self.beat = time.monotonic()
        self._seen: object = None
        self._since = time.monotonic()
        self._over = threading.Event()

    async def on_start(self) -> None:
        threading.Thread(target=self._watch_loop, name="watchdog", daemon=True).start()

    async def on_stop(self) -> None:
        self._over.set()

    def _watch_loop(self) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() - self.beat > LOOP_BLOCKED_S:
                leave(ExitCode.RESTART, "event-loop-blocked", seconds=round(time.monotonic() - self.beat, 1))

    @faust.Service.task
    async def _beat(self) -> None:
        while not self.should_stop:
            expected = time.monotonic() + BEAT_S
            await self.sleep(BEAT_S)
            self.beat = time.monotonic()
            self.engine.meter.observe("event_loop_lag_seconds", max(0.0, self.beat - expected))
            self.check(self.beat)

    def check(self, now: float) -> None:
        """Leave if nothing moved for `stuck_s` although there is something to do, or if a commit is overdue."""
        engine = self.engine
        stuck_s = engine.options.stuck_s
        oldest = min((u.dirty_since for u in engine.units.values() if u.dirty_since is not None), default=now)
        engine.meter.gauge("commit_age_seconds", now - oldest)
        if now - oldest > stuck_s:
            leave(ExitCode.RESTART, "commit-too-old", seconds=round(now - oldest, 1))
        progress = self._progress()
        if progress != self._seen or not self._has_to_move():
            self._seen, self._since = progress, now
        elif now - self._since > stuck_s:
            state = "rebalancing" if engine.app.rebalancing else "behind"
            leave(ExitCode.RESTART, "no-progress", state=state, seconds=round(now - self._since, 1))

    def trouble(self) -> str | None:
        """Why this worker should be restarted, in words; None if it gets on. Cheap; from any thread."""
        now, stuck_s = time.monotonic(), self.engine.options.stuck_s
        if now - self.beat > LOOP_BLOCKED_S:
            return f"the event loop has been blocked for {now - self.beat:.0f} s"
        if now - self._since > stuck_s + 2 * BEAT_S:
            return f"no progress for {now - self._since:.0f} s although there is something to do"
        return None

    def _progress(self) -> object:
        # Not how often the group was rebalanced: a rejoin that is repeated for ever is what has to be noticed.
        # `paused` changes once folding was possible in between.
        engine = self.engine
        folded = tuple(sum(unit.positions.values()) for unit in engine.units.values())
        return folded, engine.follower.applied, engine.paused

    def _has_to_move(self) -> bool:
        engine = self.engine
        if engine.app.rebalancing or not engine.accepting:
            return True
        if any(unit.gate for unit in engine.units.values()):  # what is paused behind it is not known to be behind
            return True
        return any(sum(engine.behind(unit).values()) for unit in engine.units.values())
