"""`python -m bench reads`: how fast a reader catches up and answers; the last line on stdout is JSON."""

import asyncio
import os
import random
from pathlib import Path

import click
import msgspec
from rich.console import Console

from bench.backlog import fill
from bench.drain import drain
from bench.http import Singles, singles
from bench.reading import CatchUp, Many, caught_up, many
from bench.stack import environment, own_cluster, serving
from bench.worker import Worker
from streams.serving.service import Service
from streams.settings import Settings
from streams.tools.broker.probe import free_port
from streams.tools.run.watch import Watch

PATHS = 20_000
KINDS = ("users", "videos")


class Reads(msgspec.Struct):
    """What the last line says. `get_many`: 500 users, and 500 videos, through the library."""

    partitions: int
    events: int
    catch_up: CatchUp
    get_many: dict[str, Many]
    http: dict[str, Singles]


@click.command("reads")
@click.option("--events", default=300_000, show_default=True, type=click.IntRange(min=10_000), help="Interactions.")
@click.option("--partitions", default=8, show_default=True, type=click.IntRange(1, 1024), help="Of every topic.")
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(min=0.5), help="HTTP, each kind.")
def command(events: int, partitions: int, seconds: float) -> None:
    """Measure the read side: catch-up, 500 rows at once (columns, `get_many`, JSON), single reads over HTTP."""
    console = Console(stderr=True)
    with own_cluster(partitions=partitions, time_mode="history") as (settings, folder):
        result = asyncio.run(_measure(settings, folder, events, seconds, console))
    print(msgspec.json.encode(result).decode())


async def _measure(settings: Settings, folder: Path, events: int, seconds: float, console: Console) -> Reads:
    console.print(f"Folding {events:,} events")
    await _fold(settings, folder, events)
    console.print("Catching up")
    service, catch_up = await caught_up(settings)
    tables = {"users": "interests", "videos": "videos-table"}
    found = {kind: many(service, table) for kind, table in tables.items()}
    console.print("Asking over HTTP")
    environ = {**os.environ, **environment(settings)}
    port = free_port()
    http = {}
    with serving(environ, port, folder / "serve.log") as pid:
        for kind in KINDS:
            http[kind] = await singles(port, pid, _paths(service, kind), seconds)
    return Reads(settings.partitions, events, catch_up, found, http)


async def _fold(settings: Settings, folder: Path, events: int) -> None:
    bootstrap = str(settings.broker_url)
    await fill(bootstrap, settings, events, lambda _: None)
    async with Watch(bootstrap, partitions=settings.partitions) as watch:
        with Worker(environment(settings), folder / "worker.log") as worker:
            await asyncio.to_thread(worker.await_ready)
            await drain(watch, events, worker.check, lambda _: None)


def _paths(service: Service, kind: str) -> list[str]:
    state = service.state
    rng = random.Random(7)
    if kind == "users":
        return [f"/v1/users/{rng.choice(users)}/interests" for users in [_names(state.rows["interests"])] * PATHS]
    return [f"/v1/videos/{rng.choice(videos)}" for videos in [_names(state.regions)] * PATHS]


def _names(keys: object) -> list[str]:
    assert isinstance(keys, dict)
    return [key.decode() for key in keys]
