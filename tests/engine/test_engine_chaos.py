"""Two workers and a third that comes and goes, killed, frozen and stopped while words flow: every count stays exact."""

import asyncio
import random
import signal
from pathlib import Path

from tests.engine.toy_world import ToyWorld

SESSION_S = 6


async def keep_alive(world: ToyWorld, name: str, over: asyncio.Event) -> None:
    """A supervisor: whenever the worker ends it is started again."""
    while not over.is_set():
        worker = await world.start(name)
        await worker.wait()
        await asyncio.sleep(0.2)


async def flow(world: ToyWorld, over: asyncio.Event) -> None:
    while not over.is_set():
        await world.produce(400)
        await asyncio.sleep(0.2)


def alive(world: ToyWorld) -> list[asyncio.subprocess.Process]:
    return [worker for worker in world.workers if worker.returncode is None]


async def faults(world: ToyWorld, rng: random.Random) -> None:
    await asyncio.sleep(7)
    for number in range(8):
        victim = rng.choice(alive(world))
        if number % 4 == 2:
            victim.send_signal(signal.SIGSTOP)
            await asyncio.sleep(SESSION_S + 2)
            victim.send_signal(signal.SIGCONT)
        elif number % 4 == 3:
            victim.terminate()
            await asyncio.sleep(3)
        else:
            victim.kill()
            await asyncio.sleep(rng.uniform(2, 4))


async def test_counts_survive(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    no_more_words, no_more_workers = asyncio.Event(), asyncio.Event()
    flowing = asyncio.create_task(flow(world, no_more_words))
    keepers = [asyncio.create_task(keep_alive(world, name, no_more_workers)) for name in "ab"]
    try:
        await faults(world, random.Random(7))
        (tmp_path / "a").rename(tmp_path / "lost")  # its worker may be at work there
        third = await world.start("c")
        await asyncio.sleep(6)
        third.terminate()
        no_more_words.set()
        await flowing
        await world.drained(60)
        await world.check()
    finally:
        no_more_workers.set()
        await world.stop()
        await asyncio.gather(*keepers)
