"""Seats in the group: kept over a restart without moving anybody, and held by one process only."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from streams.engine.membership import claim, holder
from tests.engine.toy_world import ToyWorld, read

UUID = "0c2f6f0e-7f0b-4c39-9b5f-1d2f6b1a9a10"


def test_a_seat_is_told_from_one_whose_name_begins_alike() -> None:
    assert holder("a", [f"b-{UUID}", f"a-{UUID}"]) == f"a-{UUID}"
    assert holder("a", [f"a-b-{UUID}", f"aa-{UUID}", "a", f"faust-{UUID}"]) is None


def owned(folder: Path, name: str) -> list[list[int]]:
    """Partition numbers at each time that the worker became ready."""
    log = (folder / f"{name}.log").read_text()
    lists = re.findall(r"ready.*?partitions.*?\[([0-9, ]*)\]", log)
    return [[int(number) for number in found.split(",") if number.strip()] for found in lists]


async def ready(world: ToyWorld, name: str, times: int, within_s: float = 40.0) -> list[int]:
    """Wait until the worker became ready that often -> its partition numbers then."""
    deadline = time.monotonic() + within_s
    while len(found := owned(world.folder, name)) < times:
        assert time.monotonic() < deadline, f"{name}: {found}"
        await asyncio.sleep(0.1)
    return found[times - 1]


async def two(world: ToyWorld) -> None:
    """Workers `a` and `b` with two partitions each."""
    await world.start("a")
    assert await ready(world, "a", 1) == [0, 1, 2, 3]
    await world.start("b")
    assert len(await ready(world, "a", 2)) == len(await ready(world, "b", 1)) == 2


async def test_a_restart_moves_nobody(
    bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_SESSION_S", "15")  # longer than a restart on a busy machine
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        await two(world)
        mine, others = owned(tmp_path, "a")[-1], owned(tmp_path, "b")
        for times, number in ((3, signal.SIGTERM), (4, signal.SIGKILL)):
            gone = world.workers[0 if times == 3 else -1]
            gone.send_signal(number)
            await gone.wait()
            await world.start("a")
            assert await ready(world, "a", times) == mine
        assert owned(tmp_path, "b") == others
        await world.produce(200)
        await world.drained()
        await world.check()
    finally:
        await world.stop()


async def test_a_worker_that_joins_folds_nothing_twice(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        await world.start("a")
        await ready(world, "a", 1)
        flowing = asyncio.create_task(world.produce(20_000))
        await world.start("b")
        assert await ready(world, "b", 1), "the new worker is idle"
        await flowing
        await world.drained()
        await world.check()
        assert sorted(owned(tmp_path, "a")[-1] + owned(tmp_path, "b")[-1]) == [0, 1, 2, 3]
        reached: dict[tuple[int, str], int] = {}
        for record in sorted(await read(bootstrap, topic_prefix + "commits"), key=lambda record: record.offset):
            for topic, position in json.loads(record.value)["positions"].items():
                assert position >= reached.get((record.partition, topic), 0)
                reached[record.partition, topic] = position
        written = await read(bootstrap, topic_prefix + "words")
        assert sum(position for (_, topic), position in reached.items() if topic == "words") == len(written)
    finally:
        await world.stop()


async def test_who_lost_the_seat_stops_for_good(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        await two(world)
        (tmp_path / "elsewhere").mkdir()
        first, folder = world.workers[0], world.folder
        world.folder = tmp_path / "elsewhere"  # as on another machine: another folder, the same worker id
        await world.start("a")
        world.folder = folder
        assert await asyncio.wait_for(first.wait(), 30) == 70
        assert "worker-id-taken" in (tmp_path / "a.log").read_text()
        await world.produce(200)
        await world.drained()
        await world.check()
    finally:
        await world.stop()


async def test_one_folder_one_worker(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        first = await world.start("a")
        await ready(world, "a", 1)
        second = await world.start("a")
        assert await asyncio.wait_for(second.wait(), 30) == 78
        assert first.returncode is None
        assert "folder-in-use" in (tmp_path / "a.log").read_text()
    finally:
        await world.stop()


async def test_a_successor_prepares_and_then_ends_the_former_one(
    bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_SESSION_S", "15")
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        await two(world)
        mine, others = owned(tmp_path, "a")[-1], owned(tmp_path, "b")
        await world.produce(300)
        second = await world.start("a", replaces=1)
        assert await ready(world, "a", 3) == mine
        assert await asyncio.wait_for(world.workers[0].wait(), 10) == 0
        await world.produce(300)
        await world.drained()
        assert owned(tmp_path, "b") == others
        assert second.returncode is None
        assert "taking-over" in (tmp_path / "a.log").read_text()
        await world.check()
    finally:
        await world.stop()


async def test_a_number_in_the_lock_that_is_another_process_by_now_gets_no_signal(tmp_path: Path) -> None:
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    script = (
        "import fcntl, sys; f = open(sys.argv[1], 'ab'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    )
    path = tmp_path / "lock"
    path.write_text(str(bystander.pid))
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        await holder.stdout.readline()
        with path.open("a+b") as lock:
            claiming = asyncio.create_task(claim(lock, replace=True))
            await asyncio.sleep(0.5)
            assert not claiming.done()
            assert bystander.returncode is None
            holder.stdin.close()
            await asyncio.wait_for(claiming, 10)
            assert path.read_text() == str(os.getpid())
    finally:
        bystander.kill()
        await asyncio.gather(bystander.wait(), holder.wait())
