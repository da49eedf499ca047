"""Reads measured in this process: the reader's catch-up, and look-ups of many rows through the library."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from streams.serving import routes_users, routes_videos
from streams.serving.columns import user_columns, video_columns
from streams.serving.memory import spare_collector
from streams.serving.reader import TableReader
from streams.serving.service import Service
from streams.serving.state import ReaderState
from streams.settings import Settings

CATCH_UP_WITHIN_S = 300.0
MANY = 500
ROUNDS = 200
LIMIT = 20


class CatchUp(msgspec.Struct):
    """A reader that starts from nothing: rows it holds, records it read for them."""

    rows: int
    records: int
    seconds: float
    cpu_s: float
    records_per_s: float
    records_per_cpu_s: float


class Asked(msgspec.Struct):
    """One way to ask for `at_once` ids, again and again: by the clock, and by CPU time, as others may run too."""

    p50_ms: float
    p99_ms: float
    rows_per_s: float
    rows_per_cpu_s: float


class Many(msgspec.Struct):
    """Many rows of `at_once` ids. `columns`: as numpy arrays (`streams.serving.columns`).

    `library`: the decoded rows of `get_many`; `json`: these, encoded as the service sends them.
    """

    at_once: int
    columns: Asked
    library: Asked
    json: Asked


async def caught_up(settings: Settings) -> tuple[Service, CatchUp]:
    """Read all tables from their begin."""
    spare_collector()
    service = Service(ReaderState(settings.partitions))
    reader = TableReader(settings, service)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    task = asyncio.create_task(reader.run())
    try:
        async with asyncio.timeout(CATCH_UP_WITHIN_S):
            while not service.opened and not task.done():  # noqa: ASYNC110  # as whoever asks /readyz does
                await asyncio.sleep(0.02)
        seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        if task.done():
            raise BenchError(f"the reader ended: {task.exception()}")
    finally:
        task.cancel()
        await asyncio.wait([task])
    rows = sum(map(len, service.state.rows.values()))
    records = service.state.applied
    rates = round(records / seconds), round(records / cpu_s)
    return service, CatchUp(rows, records, round(seconds, 3), round(cpu_s, 3), *rates)


def many(service: Service, table: str) -> Many:
    """Time reads of users or videos chosen at random among those there are: each round, and each way, others."""
    rng = random.Random(7)
    users = table == "interests"
    names = [key.decode() for key in (service.state.rows[table] if users else service.state.regions)]
    handler: Callable[[Service, Any], Any] = routes_users.get_many if users else routes_videos.get_many
    encode = msgspec.json.Encoder().encode
    columns, library, as_json = [], [], []
    for _ in range(ROUNDS):
        ids = rng.sample(names, MANY)
        began = _now_s()
        _ = user_columns(service, ids, LIMIT) if users else video_columns(service, ids)
        columns.append(_now_s() - began)
        values = {"ids": rng.sample(names, MANY), "limit": LIMIT}
        began = _now_s()
        answer = handler(service, values)
        library.append(_now_s() - began)
        encode(answer)
        as_json.append(_now_s() - began)
    return Many(MANY, _asked(columns), _asked(library), _asked(as_json))


def _now_s() -> NDArray[np.float64]:
    """By the clock, and of this thread's CPU time."""
    return np.array([time.perf_counter(), time.thread_time()])


def _asked(took_s: Sequence[NDArray[np.float64]]) -> Asked:
    wall_s, cpu_s = np.array(took_s).T
    p50, p99 = np.percentile(wall_s, [50, 99]) * 1000
    rows = MANY * len(wall_s)
    return Asked(round(float(p50), 2), round(float(p99), 2), round(rows / wall_s.sum()), round(rows / cpu_s.sum()))
