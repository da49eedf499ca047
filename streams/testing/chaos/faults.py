"""Does what the schedule says, and counts what was really done."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.ops.supervisor import Child, State
from streams.testing.chaos.cluster import Cluster
from streams.testing.chaos.damage import damage, save
from streams.testing.chaos.schedule import DISKS, Fault, Step, pick

VICTIM_WITHIN_S = 5.0
POLL_S = 0.1
THIRD = "worker-third"


class Chaos:
    """`done` counts faults; `say` gets a line for each, with the time since the start."""

    def __init__(self, cluster: Cluster, seed: int, say: Callable[[str], None]) -> None:
        self.done: Counter[str] = Counter()
        self._cluster = cluster
        self._rng = random.Random(seed)
        self._tell = say
        self._began_s = time.monotonic()
        self._busy: set[str] = set()
        # One worker at a time is frozen, stopped or damaged; kills come on top of that.
        self._one_by_one = asyncio.Lock()
        self._broker = asyncio.Lock()

    async def run(self, steps: Sequence[Step]) -> None:
        """All steps at their times, whether or not those before are over."""
        self._began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for step in steps:
                await asyncio.sleep(max(0.0, self._began_s + step.at_s - time.monotonic()))
                group.create_task(self._do(step))

    async def _do(self, step: Step) -> None:
        if step.fault in {Fault.BROKER_KILL, Fault.BROKER_FREEZE}:
            async with self._broker:
                await (self._broker_kill(step) if step.fault is Fault.BROKER_KILL else self._broker_freeze(step))
        elif step.fault is Fault.KILL:
            await self._kill(step)
        else:
            async with self._one_by_one:
                await self._long(step)

    async def _long(self, step: Step) -> None:
        if step.fault is Fault.JOIN:
            self._say("a third worker joins")
            await self._cluster.start_worker(THIRD)
            return
        if step.fault is Fault.LEAVE:
            if THIRD in self._cluster.supervisor.children:
                self._say("the third worker leaves")
                await self._cluster.supervisor.children[THIRD].stop()
            return
        child = await self._victim(step)
        if child is None:
            return
        self._busy.add(child.spec.name)
        try:
            await self._to_worker(step, child)
        finally:
            self._busy.discard(child.spec.name)

    async def _to_worker(self, step: Step, child: Child) -> None:
        if step.fault is Fault.FREEZE:
            await self._freeze(child, step.lasts_s)
        elif step.fault is Fault.TERM:
            await self._term(child, step.lasts_s)
        elif step.fault is Fault.REPLACE:
            await self._replace(child)
        else:
            await self._while_dead(child, step)

    async def _victim(self, step: Step) -> Child | None:
        """A running worker to which nothing else is done and which has what is to be hurt; None if there is none."""
        deadline_s = time.monotonic() + VICTIM_WITHIN_S
        while True:
            running = self._cluster.running
            free = [child for child in running if child.spec.name not in self._busy]
            fit = [child for child in free if self._fits(step.fault, child.spec.name)]
            late = time.monotonic() > deadline_s
            found = fit or ((free or running) if late else [])
            if found or late:
                return found[pick(step.draw, len(found))] if found else None
            await asyncio.sleep(POLL_S)

    def _fits(self, fault: Fault, name: str) -> bool:
        kept = self._kept(name).exists()
        if fault is Fault.FREEZE:
            return bool(self._cluster.journals[name].owned())
        if fault is Fault.OLD:
            return kept
        copied = any(self._cluster.copies(name).glob("unit-*.db"))
        return fault not in {Fault.SAVE, *DISKS} or (copied and not (fault is Fault.SAVE and kept))

    def _kept(self, name: str) -> Path:
        """Where the old copy of a worker is."""
        return self._cluster.folder / f"old-{name}"

    async def _kill(self, step: Step) -> None:
        child = await self._victim(step)
        if child is not None:
            self._say(f"kill -9 {child.spec.name}")
            child.kill(signal.SIGKILL)
            self.done["kill9"] += 1

    async def _freeze(self, child: Child, lasts_s: float) -> None:
        pid = child.pid
        self._say(f"freeze {child.spec.name} for {lasts_s:.1f} s")
        child.kill(signal.SIGSTOP)
        await asyncio.sleep(lasts_s)
        if child.pid == pid:
            child.kill(signal.SIGCONT)
            self.done["zombies"] += 1
            self._say(f"{child.spec.name} wakes")

    async def _term(self, child: Child, pause_s: float) -> None:
        self._say(f"SIGTERM {child.spec.name}, back after {pause_s:.1f} s")
        began_s = time.monotonic()
        # Patience first, then SIGKILL; no restart before `start`.
        await child.stop()
        self.done["sigterm"] += 1
        code = child.exits[-1].code if child.exits else 0
        self._say(f"{child.spec.name} ended with {code} after {time.monotonic() - began_s:.1f} s")
        await asyncio.sleep(pause_s)
        await child.start()

    async def _replace(self, child: Child) -> None:
        self._say(f"a successor for {child.spec.name}")
        taken = await child.replace("--replace")
        self.done["replaced"] += taken
        self._say(f"{child.spec.name}: {'its successor goes on' if taken else 'its successor failed'}")

    async def _while_dead(self, child: Child, step: Step) -> None:
        name = child.spec.name
        copies = self._cluster.copies(name)
        kept = self._kept(name)
        child.kill(signal.SIGKILL)
        self.done["kill9"] += 1
        await child.stop()
        if step.fault in DISKS:
            what = await asyncio.to_thread(damage, self._rng, step.fault, copies, kept)
            self.done["disks"] += bool(what)
            self._say(f"kill -9 {name}, local copy: {what or 'nothing there'}")
        else:
            await asyncio.to_thread(save, copies, kept)
            self._say(f"kill -9 {name}, local copy kept for later")
        await asyncio.sleep(step.lasts_s)
        await child.start()

    async def _broker_kill(self, step: Step) -> None:
        self._say("kill -9 the broker")
        broker = self._cluster.broker
        await self._cluster.with_broker(broker.kill)
        self.done["broker_kills"] += 1
        await asyncio.sleep(step.lasts_s)
        await self._cluster.with_broker(broker.start)
        self._say("the broker answers again")

    async def _broker_freeze(self, step: Step) -> None:
        self._say(f"freeze the broker for {step.lasts_s:.0f} s")
        self._cluster.broker.pause()
        await asyncio.sleep(step.lasts_s)
        self._cluster.broker.resume()
        self.done["broker_freezes"] += 1
        self._say("the broker wakes")

    async def all_back(self) -> None:
        """Start again whatever a fault left stopped, the third worker excepted."""
        for name, child in self._cluster.supervisor.children.items():
            if name != THIRD and child.state in {State.DONE, State.STOPPED}:
                await child.start()

    def _say(self, line: str) -> None:
        self._tell(f"{time.monotonic() - self._began_s:6.1f} s  {line}")
