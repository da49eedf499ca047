"""Too much for the disk, the broker or a topic's limit: the worker says what is wrong, and nothing is lost."""

import asyncio
import resource
import signal
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.engine.exits import ExitCode
from streams.settings import Settings
from streams.tools.broker import Broker
from tests.engine.toy_world import ToyWorld

LARGEST_FILE = 40_000
MANY_KEYS = 20_000


def logged(world: ToyWorld, event: str) -> str:
    """The first log line of an event."""
    lines = (world.folder / "a.log").read_text().splitlines()
    return next(line for line in lines if event in line)


async def test_a_full_disk_stops_the_worker_until_there_is_room(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        copies = []
        for _ in range(2):  # while it runs, and when it starts with rows to restore
            worker = await world.start()
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
            await world.produce(MANY_KEYS, MANY_KEYS)
            assert await asyncio.wait_for(worker.wait(), 40) == ExitCode.RESTART
            copies.append(sorted(path.name for path in (tmp_path / "a").glob("unit-*.db")))
        assert "make room on the disk" in logged(world, "disk-full")
        assert copies == [[f"unit-{n}.db" for n in range(4)]] * 2
        await world.start()
        await world.drained()
        await world.check()
    finally:
        await world.stop()


async def limit_batches(world: ToyWorld, topic: str, limit: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    config = {"cleanup.policy": "compact", "max.message.bytes": str(limit)}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, world.prefix + topic, configs=config)])
    await admin.close()


async def test_a_batch_the_broker_refuses_stops_the_worker_for_good(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    await limit_batches(world, "by-key", 1_000)
    await world.produce(3_000)
    try:
        for _ in range(2):
            worker = await world.start()
            assert await asyncio.wait_for(worker.wait(), 40) == ExitCode.STOP
        line = logged(world, "batch-too-large")
        assert world.prefix + "by-key" in line
        assert "raise max.message.bytes" in line
        await limit_batches(world, "by-key", 1_048_576)
        await world.start()
        await world.drained()
        await world.check()
    finally:
        await world.stop()


async def slow(broker: Broker, rounds: int) -> None:
    """The broker works a fifth of the time."""
    for _ in range(rounds):
        broker.pause()
        await asyncio.sleep(0.4)
        broker.resume()
        await asyncio.sleep(0.1)


async def test_a_slow_broker_costs_time_and_nothing_else(topic_prefix: str, tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka", state_dir=Settings().state_dir) as broker:
        world = ToyWorld(broker.bootstrap, topic_prefix, tmp_path)
        await world.create()
        try:
            worker = await world.start()
            await world.produce(1_000)
            await world.drained()
            slowly = asyncio.create_task(slow(broker, 10))
            while not slowly.done():
                await world.produce(200)
            await slowly
            await world.drained()
            await world.check()
            assert worker.returncode is None
        finally:
            broker.signal(signal.SIGCONT)
            await world.stop()
