"""`python -m bench freshness`: from append to readable over HTTP under a steady load; the last line is JSON."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from aiokafka import AIOKafkaProducer
from rich.console import Console

from bench.errors import BenchError
from bench.probes import EVERY_S, Latency, announce, follow, latency
from bench.stack import environment, own_cluster, serving
from bench.usage import cpu_s
from bench.worker import Worker
from streams.ops.tether import tethered
from streams.ops.topic_admin import apply_topics
from streams.settings import Settings
from streams.tools.broker.probe import free_port
from streams.tools.produce import Writer, deliver
from streams.tools.simulate.job import job_facts

WARM_UP_S = 15.0
SPARE_S = 15.0
"""The load outlasts the last probe."""


class Freshness(msgspec.Struct):
    """`user`: one hop; `creator`: all three. CPU as a share of one core, under the load and without any."""

    rate: float
    partitions: int
    probes: int
    user: Latency
    creator: Latency
    worker_cpu: float
    reader_cpu: float
    idle_worker_cpu: float
    idle_reader_cpu: float


class _Cores:
    """Shares of a core that processes use from now on."""

    def __init__(self, *pids: int) -> None:
        self._pids, self._since_s = pids, time.monotonic()
        self._before = [cpu_s(pid) for pid in pids]

    def used(self) -> list[float]:
        passed_s = time.monotonic() - self._since_s
        return [round((cpu_s(pid) - had) / passed_s, 3) for pid, had in zip(self._pids, self._before, strict=True)]


@click.command("freshness")
@click.option("--rate", default=20_000.0, show_default=True, type=float, help="Events a second.")
@click.option("--probes", default=300, show_default=True, type=click.IntRange(min=10), help="Events followed.")
@click.option("--partitions", default=8, show_default=True, type=click.IntRange(1, 1024), help="Of every topic.")
def command(rate: float, probes: int, partitions: int) -> None:
    """Measure how long an event takes until the read service shows it, through one hop and through three."""
    console = Console(stderr=True)
    with own_cluster(partitions=partitions) as (settings, folder):
        result = asyncio.run(_measure(settings, folder, rate, probes, console))
    print(msgspec.json.encode(result).decode())


async def _measure(settings: Settings, folder: Path, rate: float, probes: int, console: Console) -> Freshness:
    bootstrap = str(settings.broker_url)
    await apply_topics(bootstrap, settings)
    async with Writer(bootstrap, partitions=settings.partitions) as writer:
        await deliver(writer, job_facts(int(time.time() * 1000)))
    environ = {**os.environ, **environment(settings)}
    port = free_port()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0)
    await producer.start()
    try:
        await announce(producer, range(probes), settings.partitions)
        with (
            Worker(environment(settings), folder / "worker.log") as worker,
            serving(environ, port, folder / "serve.log") as reader,
        ):
            await asyncio.to_thread(worker.await_ready)
            console.print("Making the events: worker and reader are idle meanwhile")
            idle = _Cores(worker.pid, reader)
            with _load(environ, rate, WARM_UP_S + probes * EVERY_S + SPARE_S, folder / "load.log"):
                idle_worker, idle_reader = idle.used()
                console.print(f"{rate:,.0f} events a second, warming up")
                await asyncio.sleep(WARM_UP_S)
                cores = _Cores(worker.pid, reader)
                times = await follow(producer, f"http://127.0.0.1:{port}", probes, settings.partitions, lambda _: None)
                worker_cpu, reader_cpu = cores.used()
            user, creator = map(latency, times)
            return Freshness(
                rate, settings.partitions, probes, user, creator, worker_cpu, reader_cpu, idle_worker, idle_reader
            )
    finally:
        await producer.stop()


@contextmanager
def _load(environ: dict[str, str], rate: float, seconds: float, log: Path) -> Iterator[None]:
    """Events at this rate; begins when the first are sent."""
    command_line = [sys.executable, "-m", "bench", "load", "--rate", str(rate), "--seconds", str(seconds)]
    with log.open("wb") as out:
        process = subprocess.Popen(tethered(command_line), stdout=out, stderr=out, env=environ)
    try:
        while not log.read_text("utf-8").startswith("sending"):
            if process.poll() is not None:
                raise BenchError(f"the load ended ({process.returncode}): {log.read_text('utf-8')[-300:]}")
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()
