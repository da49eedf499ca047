"""A handler that fails on one record: that one is set aside, everything else is exact, whatever happens meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.core.reasons import Reason
from streams.engine.poison import AT_MOST, HANDLER_FAILED
from tests.engine import toy
from tests.engine.buggy_toy import BANG, BOOM
from tests.engine.toy_world import ToyWorld, read

KEY = b"k1"


class BuggyWorld(ToyWorld):
    """Workers with bugs, and records that they meet."""

    module = "tests.engine.buggy_toy"

    async def put(self, word: bytes, times: int = 1) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True) as producer:
            for _ in range(times):
                await producer.send(self.prefix + "words", word, key=KEY, partition=sum(KEY) % toy.PARTITIONS)

    async def failed_letters(self) -> list[dict[str, bytes]]:
        letters = await read(self.bootstrap, self.prefix + "dead-letters")
        headers: list[dict[str, Any]] = [dict(letter.headers) | {"value": letter.value} for letter in letters]
        return [found for found in headers if found["reason"] == HANDLER_FAILED.encode()]


@pytest.fixture
async def world(bootstrap: str, topic_prefix: str, tmp_path: Path) -> Any:
    world = BuggyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    await world.produce(3_000)
    yield world
    await world.stop()


def test_the_engine_and_the_domain_name_it_alike() -> None:
    assert Reason.HANDLER_FAILED == HANDLER_FAILED


async def test_one_record_is_set_aside_and_the_rest_is_exact(
    world: BuggyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.put(BOOM)
    await world.produce(3_000)
    for dies_at in ("3", "8", "10"):  # at the first halves, then closer to the record
        monkeypatch.setenv("TOY_DIES_AT", dies_at)
        dying = await world.start()
        assert await asyncio.wait_for(dying.wait(), 40) == -9
    monkeypatch.setenv("TOY_DIES_AT", "0")
    going_on = await world.start()
    await world.drained()
    await world.produce(500)
    await world.drained()
    world.bad += 1
    await world.check()
    (letter,) = await world.failed_letters()
    assert letter["value"] == BOOM
    assert letter["detail"] == b"ZeroDivisionError: cannot weigh boom"
    assert letter["key"] == KEY
    assert going_on.returncode is None


async def test_a_failure_that_passes_sets_nothing_aside(world: BuggyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_RAISES", "6")
    await world.put(BOOM)
    world.by_key[KEY] += 1
    world.by_word[BOOM] += 1
    await world.start()
    await world.drained()
    await world.check()


async def test_a_tally_is_never_skipped(world: BuggyWorld) -> None:
    await world.put(BANG)
    stopped = await world.start()
    assert await asyncio.wait_for(stopped.wait(), 40) == 78
    assert "tally-refused" in (world.folder / "a.log").read_text()
    world.by_key[KEY] += 1
    world.by_word[BANG] += 1
    world.module = "tests.engine.toy"  # the bug is mended
    await world.start()
    await world.drained()
    await world.check()


async def test_a_handler_that_fails_often_stops_over_restarts(world: BuggyWorld) -> None:
    for times, code in ((AT_MOST, None), (1, 78), (0, 78)):
        await world.put(BOOM, times)
        worker = await world.start()
        if code is None:
            while len(await world.failed_letters()) < times:  # noqa: ASYNC110  # another process writes them
                await asyncio.sleep(0.3)
            worker.kill()
        assert await asyncio.wait_for(worker.wait(), 40) == (code or -9)
    assert "handler-fails-often" in (world.folder / "a.log").read_text()
    assert len(await world.failed_letters()) == AT_MOST
