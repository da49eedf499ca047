"""The rolling restart: SIGTERM, start again, wait until ready, then the next one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from streams.ops.supervisor import Child
from streams.testing.rehearsal.reads import Balancer
from streams.testing.rehearsal.stage import Stage

READY_S = 90.0
DRAIN_S = 0.5
"""A pod that is deleted gets no new requests before it gets SIGTERM: what preStop is for in deploy/kubernetes."""
POLL_S = 0.1


class Rolling:
    """Restarts one process after another; `failures` says what did not end or come back as it has to."""

    def __init__(self, stage: Stage, balancer: Balancer, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._balancer = balancer
        self._say = say
        self.failures: list[str] = []
        self.stops_s: list[float] = []
        self.readies_s: list[float] = []

    async def run(self) -> None:
        """All workers, then all read services; ends at the first that does not come back."""
        for name, child in list(self._stage.cluster.supervisor.children.items()):
            await self._stop(child)
            if not await self._back(name, child, self._worker_ready):
                return
        for name in self._stage.urls:
            child = self._stage.supervisor.children[name]
            self._balancer.drain(name)
            await asyncio.sleep(DRAIN_S)
            await self._stop(child)
            self._balancer.undrain(name)
            if not await self._back(name, child, self._reader_ready):
                return

    async def _stop(self, child: Child) -> None:
        began_s = time.monotonic()
        await child.stop()
        took_s = time.monotonic() - began_s
        self.stops_s.append(took_s)
        code = child.exits[-1].code if child.exits else None
        self._say(f"SIGTERM {child.spec.name}: ended with {code} after {took_s:.1f} s")
        if code != 0:
            self.failures.append(f"{child.spec.name} ended with {code} on SIGTERM")

    async def _back(self, name: str, child: Child, ready: Callable[[str], Awaitable[bool]]) -> bool:
        began_s = time.monotonic()
        await child.start()
        while not await ready(name):
            if time.monotonic() - began_s > READY_S:
                self.failures.append(f"{name} was not ready {READY_S:.0f} s after its restart")
                return False
            await asyncio.sleep(POLL_S)
        self.readies_s.append(time.monotonic() - began_s)
        self._say(f"{name} ready after {self.readies_s[-1]:.1f} s")
        return True

    async def _worker_ready(self, name: str) -> bool:
        """It says so, and each partition has one owner again."""
        port = self._stage.cluster.ports[name]
        says = await self._balancer.status(f"http://127.0.0.1:{port}/readyz")
        return says == 200 and self._stage.cluster.problem() is None

    async def _reader_ready(self, name: str) -> bool:
        return name in self._balancer.ready

    def figures(self) -> dict[str, Any]:
        """For the last line."""
        return {
            "restarts": len(self.readies_s),
            "longest_stop_s": round(max(self.stops_s, default=0.0), 1),
            "longest_ready_s": round(max(self.readies_s, default=0.0), 1),
        }
