"""Coming back to a log that changed meanwhile: trimmed, made anew, left with an open transaction, without a broker."""

import asyncio
import re
import signal
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.engine.exits import ExitCode
from streams.settings import Settings
from streams.tools.broker import Broker
from tests.engine import toy
from tests.engine.toy_world import ToyWorld, read

ABORTED_LATEST_S = 10.0
"""The broker looks for transactions past their timeout that often (its default)."""
SHORT_SESSION_S = 2.0


async def delete_before(world: ToyWorld, topic: str, offset: int) -> int:
    """Delete the records of partition 0 before an offset -> where the log begins now."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    place = TopicPartition(world.prefix + topic, 0)
    try:
        begins = await admin.delete_records({place: RecordsToDelete(offset)})
    finally:
        await admin.close()
    return int(begins[place])


async def set_aside(world: ToyWorld, begins: int) -> None:
    """What the recount must leave out: words of partition 0 not folded yet and below `begins`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    place = TopicPartition(world.prefix + "words", 0)
    committed = (await admin.list_consumer_group_offsets(world.prefix + "toy", partitions=[place]))[place].offset
    await admin.close()
    for record in await read(world.bootstrap, world.prefix + "words"):
        if record.partition == 0 and committed <= record.offset < begins:
            if record.value.isalpha():
                world.by_key[record.key] -= 1
                world.by_word[record.value] -= 1
            else:
                world.bad -= 1
    world.by_key, world.by_word = +world.by_key, +world.by_word


async def ends(world: ToyWorld, topic: str, isolation: str = "read_uncommitted") -> list[int]:
    """Ends of a topic's partitions as a reader of this isolation level sees them."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.bootstrap, isolation_level=isolation)
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(world.prefix + topic, n) for n in range(toy.PARTITIONS)])
    finally:
        await consumer.stop()
    return [end for _, end in sorted(found.items())]


async def test_records_deleted_before_they_were_folded_stop_the_worker(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        first = await world.start("a")
        await world.produce(400)
        await world.drained()
        first.terminate()
        await first.wait()
        before = await world.table("by-key")
        await world.produce(400)
        begins = (await ends(world, "words"))[0]
        await set_aside(world, begins)
        assert await delete_before(world, "words", begins) == begins
        await world.produce(400)

        refused = await world.start("a")
        assert await asyncio.wait_for(refused.wait(), 30) == ExitCode.STOP
        log = (tmp_path / "a.log").read_text()
        assert "source-trimmed" in log
        assert "--accept-loss" in log
        assert await world.table("by-key") == before

        await world.start("a", accept_loss=1)
        await world.drained()
        await world.check()
        lost = re.findall(r"records-lost.*", (tmp_path / "a.log").read_text())
        assert len(lost) == 1
        assert f"{begins - 1}" in lost[0]
    finally:
        await world.stop()


async def test_a_worker_that_retention_overtakes_stops(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        worker = await world.start("a")
        await world.drained()
        worker.send_signal(signal.SIGSTOP)
        for _ in range(2):
            await world.produce(400)  # the fetch that waits at the broker is answered with the first of them
        await delete_before(world, "words", (await ends(world, "words"))[0])
        await world.produce(400)
        worker.send_signal(signal.SIGCONT)
        assert await asyncio.wait_for(worker.wait(), 30) == ExitCode.STOP
        assert "source-trimmed" in (tmp_path / "a.log").read_text()
    finally:
        await world.stop()


async def test_a_dead_workers_transaction_ends_with_the_fence_or_its_timeout(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    await asyncio.gather(
        open_transaction(ToyWorld(bootstrap, f"{topic_prefix}fence-", tmp_path / "f"), 60_000, restart=True),
        open_transaction(ToyWorld(bootstrap, f"{topic_prefix}late-", tmp_path / "t"), 1_000, restart=False),
    )


async def open_transaction(world: ToyWorld, timeout_ms: int, *, restart: bool) -> None:
    world.folder.mkdir()
    await world.create()
    await world.produce(500)
    try:
        dying = await world.start("a", "acked:2", transaction_timeout_ms=timeout_ms)
        await world.produce(500)
        assert await asyncio.wait_for(dying.wait(), 40) == -signal.SIGKILL
        died, written = time.monotonic(), sum(await ends(world, "by-key"))
        if restart:
            assert sum(await ends(world, "by-key", "read_committed")) < written, "nothing holds the readers up"
            await world.start("a", transaction_timeout_ms=timeout_ms)
        bound_s = 30.0 if restart else timeout_ms / 1000 + ABORTED_LATEST_S + 2
        while sum(await ends(world, "by-key", "read_committed")) < written:
            assert time.monotonic() - died < bound_s
            await asyncio.sleep(0.2)
    finally:
        await world.stop()


async def test_the_coordinator_is_gone_for_a_while(
    topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker dies and comes back while two workers fold: neither stays joined and idle."""
    monkeypatch.setenv("TOY_SESSION_S", str(SHORT_SESSION_S))
    with Broker(tmp_path / "kafka", state_dir=Settings().state_dir) as broker:
        world = ToyWorld(broker.bootstrap, topic_prefix, tmp_path)
        await world.create()
        over = asyncio.Event()
        keepers = [asyncio.create_task(keep(world, name, over)) for name in "ab"]
        try:
            await world.produce(500)
            await world.drained()
            broker.kill()
            await asyncio.sleep(SHORT_SESSION_S + 1)
            broker.start()
            await world.produce(500)
            await world.drained(90)
            await world.check()
        finally:
            over.set()
            await world.stop()
            await asyncio.gather(*keepers)


async def keep(world: ToyWorld, name: str, over: asyncio.Event) -> None:
    """Start the worker again whenever it ends."""
    while not over.is_set():
        worker = await world.start(name)
        assert await worker.wait() != ExitCode.STOP
        await asyncio.sleep(0.2)
