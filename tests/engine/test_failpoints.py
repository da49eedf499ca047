"""The process vanishes between each pair of steps of a commit, a sweep, an eviction and an opening: nothing changes."""

import asyncio
from pathlib import Path

import pytest

from streams.engine.failpoints import POINTS, Failpoint
from tests.engine.toy_world import ToyWorld


@pytest.mark.parametrize("points", [POINTS[:5], POINTS[5:9], POINTS[9:]], ids="-".join)
async def test_stop_at(points: tuple[str, ...], bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    await asyncio.gather(*(stop_at(point, bootstrap, f"{topic_prefix}{point}-", tmp_path / point) for point in points))


async def stop_at(point: str, bootstrap: str, prefix: str, folder: Path) -> None:
    folder.mkdir()
    world = ToyWorld(bootstrap, prefix, folder)
    await world.create()
    await world.produce(3_000)
    try:
        for passes in (1, 3):
            dying = await world.start(failpoint=f"{point}:{passes}")
            producing = asyncio.create_task(world.produce(2_000))
            assert await asyncio.wait_for(dying.wait(), 40) == -9, f"{point} was never passed {passes} times"
            await producing
        await world.start()
        await world.drained()
        await world.check()
    finally:
        await world.stop()


def test_unknown_point_is_refused() -> None:
    with pytest.raises(ValueError, match="no such point"):
        Failpoint("nowhere:1")
