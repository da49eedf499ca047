"""`streams audit --sample`: the self-audit of a pipeline that goes on, once or until it is stopped."""

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

from streams.core.compiled import built
from streams.ops import probes
from streams.ops.announce import announce
from streams.ops.health import Health
from streams.ops.kafka_client import client_arguments
from streams.settings import Settings
from streams.tools.audit.checkpoint import Checkpoint, load
from streams.tools.audit.log import KafkaSource
from streams.tools.audit.looks import Look, for_ever, look
from streams.tools.audit.sample import Sample, Sampled

EXIT_WRONG = 1


class Wanted(NamedTuple):
    """What was asked for on the command line. `say` gets lines of progress."""

    settings: Settings
    bootstrap: str
    wait_s: float
    max_report: int
    begin_at: Path | None
    save_to: Path | None
    say: Callable[[str], None]

    def source(self) -> KafkaSource:
        """The cluster's topics, not opened."""
        settings, client = self.settings, client_arguments(self.settings)
        return KafkaSource(self.bootstrap, partitions=settings.partitions, prefix=settings.topic_prefix, client=client)

    def base(self) -> Checkpoint | None:
        """The checkpoint to begin at, read anew: a recount changes it. NotProvableError, OSError."""
        return load(self.begin_at, self.settings.partitions) if self.begin_at else None


async def audit_sample(wanted: Wanted, fraction: float, every_s: float | None, metrics_port: int | None) -> int:
    """One look, or one every `every_s` until SIGTERM or SIGINT -> exit code. NotProvableError, OSError."""
    worst = 0

    def tell(found: Look) -> None:
        nonlocal worst
        worst = EXIT_WRONG if found.drift else worst
        for wrong in found.drift[: wanted.max_report]:
            for line in wrong.lines():
                click.echo(line, err=True)
        click.echo(json.dumps(found.result()))

    async with wanted.source() as source:
        sampled = Sampled(source, Sample(fraction), wanted.base())
        if every_s is None:
            tell(await look(sampled))
            return worst
        announce("audit", compiled=bool(built()))
        stop = probes.serve(Health(), metrics_port)[1] if metrics_port is not None else None
        try:
            await _until_told_to_stop(for_ever(sampled, every_s, tell))
        finally:
            if stop:
                await asyncio.to_thread(stop)
    return worst


async def _until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
