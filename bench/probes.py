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

EVERY_S = 0.25
LOOK_EVERY_S = 0.01
AGAIN_AFTER = 1 / 12
"""Of a probe's age: then it is asked for again. What is measured is too long by half of that on the average, and the
questions cost the reader little of what it needs for its work."""
HTTP_OK = 200
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
    """-> milliseconds until the user's row, and until the creator's row behind all three hops, were readable.

    One question is under way at any time, and none comes again soon: asking slows down what it measures.
    """
    probes = Probes(url)
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        asking = group.create_task(probes.ask(session, count))
        for number in range(count):
            probes.sent(number, await _append(producer, number, partitions))
            on_progress(number)
            await asyncio.sleep(EVERY_S)
        await asking
    return probes.users, probes.creators


async def _append(producer: AIOKafkaProducer, number: int, partitions: int) -> int:
    """Send the view of a probe -> the broker's time of its record (milliseconds)."""
    key, value = name(number).encode(), view(number, int(time.time() * 1000))
    appended = await (await producer.send("views", value, key, partition=partition_of(key, partitions)))
    return int(appended.timestamp)


class Probes:
    """Which of the probes can be read; `users` and `creators`: how long it took (milliseconds)."""

    def __init__(self, url: str) -> None:
        self.users: list[float] = []
        self.creators: list[float] = []
        self._url = url
        self._sent_ms: dict[int, int] = {}
        self._without_user: dict[int, float] = {}
        self._without_creator: dict[int, float] = {}
        """Probe -> when to ask for it (milliseconds since 1970)."""

    def sent(self, number: int, at_ms: int) -> None:
        """Follow it from now on."""
        self._sent_ms[number] = at_ms
        self._without_user[number] = at_ms

    async def ask(self, session: aiohttp.ClientSession, count: int) -> None:
        """Until so many are readable. BenchError: one of them is not within 30 s."""
        while len(self.creators) < count:
            for number in await self._ask_users(session, _due(self._without_user)):
                self.users.append(self._passed_ms(number))
                del self._without_user[number]
                self._without_creator[number] = 0.0
            for number in _due(self._without_creator):
                if await self._creator_is_there(session, number):
                    self.creators.append(self._passed_ms(number))
                    del self._without_creator[number]
                else:
                    self._without_creator[number] = self._again_ms(number)
            self._refuse_late()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _ask_users(self, session: aiohttp.ClientSession, numbers: list[int]) -> list[int]:
        """Those whose user's row came."""
        if not numbers:
            return []
        body = {"ids": [name(number) for number in numbers]}
        async with session.post(f"{self._url}/v1/users/interests", json=body) as answer:
            results = (await answer.json())["results"]
        for number in numbers:
            self._without_user[number] = self._again_ms(number)
        return [number for number, result in zip(numbers, results, strict=True) if result["status"] == "ok"]

    async def _creator_is_there(self, session: aiohttp.ClientSession, number: int) -> bool:
        async with session.get(f"{self._url}/v1/entities/creator/{name(number)}") as answer:
            return answer.status == HTTP_OK

    def _passed_ms(self, number: int) -> float:
        return time.time() * 1000 - self._sent_ms[number]

    def _again_ms(self, number: int) -> float:
        return time.time() * 1000 + self._passed_ms(number) * AGAIN_AFTER

    def _refuse_late(self) -> None:
        for number in self._without_user.keys() | self._without_creator.keys():
            if self._passed_ms(number) > VISIBLE_WITHIN_S * 1000:
                raise BenchError(f"{name(number)} was not readable within {VISIBLE_WITHIN_S:.0f} s")


def _due(waiting: dict[int, float]) -> list[int]:
    now_ms = time.time() * 1000
    return [number for number, at_ms in waiting.items() if at_ms <= now_ms]


def latency(took_ms: Sequence[float]) -> Latency:
    """Quantiles."""
    p50, p99, most = (round(float(ms), 1) for ms in np.percentile(took_ms, [50, 99, 100]))
    return Latency(p50, p99, most)
