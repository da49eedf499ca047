"""`streams dead-letters list|show|retry`."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from contextlib import closing
from typing import Any, NoReturn, TypeVar

import click
from aiokafka.errors import ProducerFenced

from streams.core.reasons import Reason
from streams.ops.acls import DEAD_LETTERS, FOLDED, Role
from streams.ops.kafka_client import client_arguments, refusing
from streams.ops.rights import require
from streams.serving.layout import PartitionCountError, TopicsMissingError, check_topics
from streams.settings import EXIT_CONFIG, Settings, load_settings
from streams.tools.audit.log import KafkaSource, NotProvableError
from streams.tools.dead_letters import letters as letters_of
from streams.tools.dead_letters.letters import Letter
from streams.tools.dead_letters.retry import read_letters
from streams.tools.dead_letters.retry import retry as send_again
from streams.topics import topic_name

TOUCHED = {Role.TOOLS: (DEAD_LETTERS,), Role.RETRY: (DEAD_LETTERS, *FOLDED)}
"""Topics that are read or written in each role."""
T = TypeVar("T")
_REASON = click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only of this reason.")
_TOPIC = click.option("--topic", help="Only of this topic.")
_BROKER = click.option("--broker-url", help="host:port of the cluster.  [default: STREAMS_BROKER_URL]")


@click.group(name="dead-letters")
def command() -> None:
    """List, show and retry records that could not be used."""


@command.command(name="list")
@_BROKER
@_REASON
@_TOPIC
@click.option("--json", "as_json", is_flag=True, help="One JSON object per letter instead of the table.")
@click.option("--limit", default=20, show_default=True, help="Letters to name below the table.")
def list_(broker_url: str | None, reason: str | None, topic: str | None, limit: int, *, as_json: bool) -> None:
    """Count the letters by reason and topic, and name the newest."""
    chosen = letters_of.choose(_read(broker_url).values(), reason=reason, topic=topic)
    if as_json:
        for letter in chosen:
            click.echo(json.dumps(_facts(letter)))
        return
    click.echo(f"{'reason':<18} {'topic':<16} {'letters':>8} {'retried':>8}")
    for found, origin, count, retried in letters_of.counts(chosen):
        click.echo(f"{found:<18} {origin:<16} {count:>8} {retried:>8}")
    click.echo(f"{len(chosen)} letters")
    for letter in sorted(chosen, key=lambda one: one.timestamp)[-limit:] if limit else ():
        click.echo(f"{letter.id}  {letter.reason}  {letter.detail}")


@command.command()
@_BROKER
@click.argument("letter_id", metavar="ID")
def show(broker_url: str | None, letter_id: str) -> None:
    """Show one letter: ID is topic:partition:offset."""
    letter = _read(broker_url).get(letter_id)
    if letter is None:
        _fail(f"No dead letter {letter_id}: `streams dead-letters list` names them.", 1)
    for line in letters_of.render(letter):
        click.echo(line)


@command.command()
@_BROKER
@_REASON
@_TOPIC
@click.option("--all", "everything", is_flag=True, help="All that were not retried.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
def retry(
    broker_url: str | None, reason: str | None, topic: str | None, ids: tuple[str, ...], *, everything: bool
) -> None:
    """Send letters back to their topics, once each: by ID, by --reason and --topic, or --all."""
    if not (ids or reason or topic or everything):
        raise click.UsageError("Which letters? Give ids, --reason, --topic or --all.")
    if ids and (reason or topic or everything):
        raise click.UsageError("Give ids or filters, not both.")
    settings, bootstrap = _settings(broker_url)
    try:
        sent, before = _run(
            settings, send_again(settings, bootstrap, ids or None, reason=reason, topic=topic), Role.RETRY
        )
    except KeyError as error:
        _fail(f"No dead letter {error.args[0]}: `streams dead-letters list` names them.", 1)
    except ProducerFenced:
        _fail("Another retry began meanwhile and goes on with it: nothing was sent twice.", 1)
    click.echo(f"{sent} sent back, {before} had been retried before")


def _facts(letter: Letter) -> dict[str, object]:
    return {
        "id": letter.id, "reason": letter.reason, "detail": letter.detail, "topic": letter.topic,
        "partition": letter.partition, "offset": letter.offset, "arrival_ms": letter.timestamp,
        "retried": letter.retried,
    }  # fmt: skip


def _read(broker_url: str | None) -> dict[str, Letter]:
    settings, bootstrap = _settings(broker_url)

    async def read() -> dict[str, Letter]:
        client = client_arguments(settings)
        async with KafkaSource(
            bootstrap, partitions=settings.partitions, prefix=settings.topic_prefix, client=client
        ) as source:
            return await read_letters(source)

    return _run(settings, read(), Role.TOOLS)


def _settings(broker_url: str | None) -> tuple[Settings, str]:
    settings = load_settings(broker_url=broker_url)
    if settings.broker_url is None:
        _fail("Which cluster? Set STREAMS_BROKER_URL or give --broker-url host:port.")
    return settings, settings.broker_url


def _run(settings: Settings, work: Coroutine[Any, Any, T], role: Role) -> T:
    async def allowed() -> T:
        with closing(work):
            await require(settings, role)
            await check_topics(settings, [topic_name(settings, name) for name in TOUCHED[role]])
            return await work

    try:
        with refusing(settings):
            return asyncio.run(allowed())
    except (NotProvableError, PartitionCountError, TopicsMissingError) as error:
        _fail(str(error))


def _fail(line: str, code: int = EXIT_CONFIG) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)
