"""Single reads over HTTP: kept-alive connections that ask again as soon as they have an answer."""

import asyncio
import random
import time
from collections.abc import Sequence

import msgspec
import numpy as np

from bench.errors import BenchError
from bench.usage import cpu_s as used_s

CONNECTIONS = 16
TIMEOUT_S = 10.0


class Singles(msgspec.Struct):
    """`reads_per_cpu_s`: by CPU seconds of the service's process; the asking process runs on another core."""

    reads: int
    failed: int
    reads_per_s: float
    reads_per_cpu_s: float
    p50_ms: float
    p99_ms: float


async def singles(port: int, pid: int, paths: Sequence[str], seconds: float) -> Singles:
    """Ask for single rows for so long."""
    end_s = time.perf_counter() + seconds
    began_s, began_cpu_s = time.perf_counter(), used_s(pid)
    asking = [_ask(port, random.Random(number), paths, end_s) for number in range(CONNECTIONS)]
    found = await asyncio.gather(*asking)
    wall_s, cpu_s = time.perf_counter() - began_s, used_s(pid) - began_cpu_s
    times = [took for took_s, _ in found for took in took_s]
    failed = sum(bad for _, bad in found)
    p50, p99 = (round(float(ms), 2) for ms in np.percentile(times, [50, 99]) * 1000)
    return Singles(len(times), failed, round(len(times) / wall_s), round(len(times) / cpu_s), p50, p99)


async def _ask(port: int, rng: random.Random, paths: Sequence[str], end_s: float) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took_s: list[float] = []
    failed = 0
    try:
        while (began_s := time.perf_counter()) < end_s:
            writer.write(f"GET {rng.choice(paths)} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            async with asyncio.timeout(TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head))
            failed += not head.startswith(b"HTTP/1.1 200 ")
            took_s.append(time.perf_counter() - began_s)
    finally:
        writer.close()
    return took_s, failed


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise BenchError(f"an answer without content-length: {head[:80]!r}")
