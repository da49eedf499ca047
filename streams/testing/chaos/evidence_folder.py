"""A run from the command line: its evidence in a folder that is kept on failure, its outcome as one line."""

import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from streams.settings import EXIT_CONFIG
from streams.testing.chaos.run import Outcome, line_of
from streams.tools.broker import BrokerError

Say = Callable[[str], None]
Play = Callable[[Path, Say], Coroutine[Any, Any, Outcome]]


def carry_out(name: str, seed: int, folder: Path | None, play: Play) -> None:
    """Play it in the folder (a new one if None). Exits 1 on a failure, 78 where no broker can be started."""
    place = folder or Path(tempfile.mkdtemp(prefix=f"streams-{name}-"))
    place.mkdir(parents=True, exist_ok=True)
    _quiet(place / "clients.log")
    click.echo(f"seed {seed}, all evidence in {place}", err=True)
    try:
        outcome = asyncio.run(play(place, lambda line: click.echo(line, err=True)))
    except BrokerError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIG)
    for failure in outcome.failures:
        click.echo(f"FAILED (seed {seed}, evidence in {place}): {failure}", err=True)
    click.echo(line_of(outcome))
    if outcome.failures:
        sys.exit(1)
    if folder is None:
        shutil.rmtree(place)


def _quiet(path: Path) -> None:
    """What Kafka's clients say while the broker is away belongs to the evidence, not on the terminal."""
    clients = logging.getLogger("aiokafka")
    clients.addHandler(logging.FileHandler(path))
    clients.propagate = False
