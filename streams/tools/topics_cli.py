"""`streams topics apply|check`: the declared topics, on the cluster."""

import asyncio
import sys
from typing import NoReturn

import click

from streams.ops.kafka_client import refusing
from streams.ops.topic_admin import Mismatch, TopicError, apply_topics, check_topics
from streams.settings import EXIT_CONFIG, Settings, load_settings


@click.group(name="topics")
def command() -> None:
    """Create the declared topics, or check the cluster against them."""


@command.command()
@click.option("--broker-url", help="host:port of the cluster.  [default: STREAMS_BROKER_URL]")
def apply(broker_url: str | None) -> None:
    """Create what is missing; exit 78 if what exists is not as declared."""
    settings = load_settings(broker_url=broker_url)
    _run(settings, create=True)


@command.command()
@click.option("--broker-url", help="host:port of the cluster.  [default: STREAMS_BROKER_URL]")
def check(broker_url: str | None) -> None:
    """Change nothing; exit 78 if anything is missing or not as declared."""
    settings = load_settings(broker_url=broker_url)
    _run(settings, create=False)


def _run(settings: Settings, *, create: bool) -> None:
    if settings.broker_url is None:
        _fail(["Which cluster? Set STREAMS_BROKER_URL or give --broker-url host:port (`streams broker` starts one)."])
    try:
        with refusing(settings):
            created, wrong = asyncio.run(_work(settings.broker_url, settings, create=create))
    except TopicError as error:
        _fail([str(error)])
    for name in created:
        click.echo(f"created {name}")
    if wrong:
        _fail([str(mismatch) for mismatch in wrong])
    click.echo(f"All topics are as declared ({settings.time_mode} mode, {settings.partitions} partitions).")


async def _work(bootstrap: str, settings: Settings, *, create: bool) -> tuple[list[str], list[Mismatch]]:
    created = await apply_topics(bootstrap, settings) if create else []
    return created, await check_topics(bootstrap, settings)


def _fail(lines: list[str]) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(EXIT_CONFIG)
