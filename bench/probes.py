"""Single events whose way is followed: from the broker's append until two rows can be read over HTTP."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import aiohttp
import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer

from bench.errors import BenchError
from streams.core.keys import partition_of

EVERY_S = 0.15
ASK_EVERY_S = 0.01
VISIBLE_WITHIN_S = 30.0


class Latency(msgspec.Struct):
    """From append to readable."""

    p50_ms: float
    p99_ms: float
    max_ms: float


def name(number: int) -> str:
    """The user, the video and the creator of a probe."""
    return f"probe-{number}"


def facts(number: int, now_ms: int) -> bytes:
    """Facts of a probe's video."""
    creator = name(number)
    return (
        f'{{"creator":"{creator}","sound":"s1","tags":["t1"],"category":"g1","duration_ms":15000,"language":"en",'
        f'"published_ms":{now_ms}}}'
    ).encode()


def view(number: int, now_ms: int) -> bytes:
    """The view of a probe."""
    it = name(number)
    return f'{{"id":"{it}","user":"{it}","video":"{it}","at_ms":{now_ms},"watch_ms":9000,"duration_ms":15000}}'.encode()


async def announce(producer: AIOKafkaProducer, numbers: Iterable[int], partitions: int) -> None:
    """Write the facts of all probes."""
    for number in numbers:
        key = name(number).encode()
        value = facts(number, int(time.time() * 1000))
        await producer.send("videos", value, key, partition=partition_of(key, partitions))
    await producer.flush()


async def follow(
    producer: AIOKafkaProducer, url: str, count: int, partitions: int, on_progress: Callable[[int], None]
) -> tuple[list[float], list[float]]:
    """-> milliseconds until the user's row, and until the creator's row behind all three hops, were readable."""
    users: list[float] = []
    creators: list[float] = []
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_one(producer, session, url, number, partitions, users, creators))
            on_progress(number)
            await asyncio.sleep(EVERY_S)
    return users, creators


async def _one(
    producer: AIOKafkaProducer, session: aiohttp.ClientSession, url: str, number: int, partitions: int,
    users: list[float], creators: list[float],
) -> None:  # fmt: skip
    it = name(number)
    key = it.encode()
    value = view(number, int(time.time() * 1000))
    appended = await (await producer.send("views", value, key, partition=partition_of(key, partitions)))
    users.append(await _visible(session, f"{url}/v1/users/{it}/interests", appended.timestamp))
    creators.append(await _visible(session, f"{url}/v1/entities/creator/{it}", appended.timestamp))


async def _visible(session: aiohttp.ClientSession, url: str, since_ms: int) -> float:
    deadline_s = time.monotonic() + VISIBLE_WITHIN_S
    while time.monotonic() < deadline_s:
        async with session.get(url) as answer:
            if answer.status == 200:
                return time.time() * 1000 - since_ms
        await asyncio.sleep(ASK_EVERY_S)
    raise BenchError(f"{url} was not readable within {VISIBLE_WITHIN_S:.0f} s")


def latency(took_ms: Sequence[float]) -> Latency:
    """Quantiles."""
    p50, p99, most = (round(float(ms), 1) for ms in np.percentile(took_ms, [50, 99, 100]))
    return Latency(p50, p99, most)
