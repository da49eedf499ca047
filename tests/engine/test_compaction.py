"""Compaction at work while rows are written, deleted and restored; deletions forgotten before an old copy is back."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.engine import toy
from tests.engine.erasing_toy import ERASE
from tests.engine.toy_world import ToyWorld, read

SEGMENT_MS = 300
TINY = {
    "segment.ms": str(SEGMENT_MS), "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "300",
    "max.compaction.lag.ms": "300",
}  # fmt: skip
BACKOFF = "log.cleaner.backoff.ms"
ERASED, REBORN = range(100), range(50)


class ErasingWorld(ToyWorld):
    """Words, and deletions of keys."""

    module = "tests.engine.erasing_toy"

    async def put(self, word: bytes, numbers: range) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True) as producer:
            for number in numbers:
                key = b"k%d" % number
                await producer.send(self.prefix + "words", word, key=key, partition=sum(key) % toy.PARTITIONS)
                if word == ERASE:
                    del self.by_key[key]
                else:
                    self.by_key[key] += 1
                    self.by_word[word] += 1

    async def is_right(self, within_s: float = 40.0) -> bool:
        """Whether the table of keys comes to equal the recount."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if await self.table("by-key") == dict(self.by_key):
                return True
            await asyncio.sleep(0.2)
        return False

    async def forgotten(self) -> None:
        """Wait until no deletion is left in the log. New rows make the broker look at it again."""
        async with asyncio.timeout(60):
            while any(record.value is None for record in await read(self.bootstrap, self.prefix + "by-key")):
                await self.produce(50, keys=300)
                await asyncio.sleep(SEGMENT_MS / 1000)


async def set_backoff(bootstrap: str, ms: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    node = next(iter(admin._client.cluster.brokers())).nodeId
    await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, str(node), configs={BACKOFF: str(ms)})])
    await admin.close()


@pytest.fixture
async def eager(bootstrap: str) -> Any:
    """A broker that looks for something to compact all the time."""
    await set_backoff(bootstrap, 200)
    yield bootstrap
    await set_backoff(bootstrap, 15_000)


async def stopped(world: ErasingWorld, worker: asyncio.subprocess.Process) -> None:
    worker.terminate()
    assert await asyncio.wait_for(worker.wait(), 20) == 0


async def test_rows_are_right_although_deletions_are_forgotten(
    eager: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ErasingWorld(eager, topic_prefix, tmp_path)
    await world.create(**TINY)
    try:
        await world.produce(2_000)
        first = await world.start("a")
        assert await world.is_right()
        await stopped(world, first)
        shutil.copytree(tmp_path / "a", tmp_path / "trusting")

        second = await world.start("b")
        await world.put(ERASE, ERASED)
        await world.produce(500)
        assert await world.is_right()
        await world.forgotten()
        assert await world.is_right()
        await stopped(world, second)

        monkeypatch.setenv("TOY_OLDEST_S", "1.0")
        third = await world.start("a")
        await world.put(b"again", REBORN)
        assert await world.is_right()
        assert "copy-too-old" in (tmp_path / "a.log").read_text()
        await stopped(world, third)

        monkeypatch.delenv("TOY_OLDEST_S")
        await world.start("trusting")  # an old copy that is believed: what this protects from
        await world.put(b"again", ERASED)
        assert not await world.is_right(8)
    finally:
        await world.stop()
