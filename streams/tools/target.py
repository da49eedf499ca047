"""Where a tool writes: the cluster of the settings, or a clear word that there is none."""

import asyncio
from collections.abc import Iterable
from uuid import uuid4

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.ops.acls import Role
from streams.ops.kafka_client import client_arguments, refusing
from streams.ops.rights import require
from streams.settings import Settings
from streams.tools.produce import Pace, Produced, Writer, deliver


def new_run_id() -> str:
    """An id no run had before."""
    return uuid4().hex[:12]


def bootstrap_of(settings: Settings) -> str:
    """host:port of the cluster; ends the command with the remedy if none is set."""
    if settings.broker_url is None:
        raise click.ClickException("no cluster to write to: set STREAMS_BROKER_URL=host:port, or use `make run`")
    return settings.broker_url


def write_all(settings: Settings, records: Iterable[Produced], pace: Pace, total: int | None, what: str) -> int:
    """Write the records with a progress bar on standard error; -> how many."""
    bootstrap = bootstrap_of(settings)
    with refusing(settings, bootstrap=bootstrap):
        return asyncio.run(_write_all(settings, records, pace, total, what))


async def _write_all(settings: Settings, records: Iterable[Produced], pace: Pace, total: int | None, what: str) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        await require(settings, Role.PRODUCER)
        async with Writer(
            bootstrap_of(settings),
            partitions=settings.partitions,
            prefix=settings.topic_prefix,
            client=client_arguments(settings),
        ) as writer:
            return await deliver(writer, records, pace, on_progress=lambda sent: progress.update(task, completed=sent))
