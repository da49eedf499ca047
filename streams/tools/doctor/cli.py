"""`streams doctor`: check everything a pipeline stands on, print remedies."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Iterator
from contextlib import closing
from typing import Any

import click
from aiokafka.errors import KafkaError

from streams.ops.acls import ALL, COMMITS, SOURCES, TALLIES, Acl, Role, group
from streams.ops.kafka_client import Refusal, client_arguments, diagnose, principal
from streams.ops.rights import missing
from streams.settings import EXIT_CONFIG, Settings, load_settings
from streams.tools.doctor import cluster, logs
from streams.tools.doctor.check import Check, Status, error, warning
from streams.tools.doctor.machine import machine
from streams.topics import topic_name

EXIT_FOUND = 1
WAIT_S = 20.0


@click.command(name="doctor")
@click.option("--broker-url", help="host:port of the cluster.  [default: STREAMS_BROKER_URL]")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.WORKER.value, show_default=True,
              help="Whose rights to look for.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def command(broker_url: str | None, role: str, *, as_json: bool) -> None:
    """Check settings, versions, disk, cluster, topics, rights, workers, producers and clock.

    Changes nothing. Exits 0 if nothing is wrong (warnings count as right), 1 if something is, 78 if these settings
    let nobody into Kafka.
    """
    settings = load_settings(broker_url=broker_url)
    checks = list(machine(settings, os.environ))
    refusal, found = asyncio.run(_cluster(settings, Role(role)))
    checks += found
    if as_json:
        click.echo(json.dumps({"ok": not _wrong(checks), "checks": [check._asdict() for check in checks]}))
    else:
        for line in lines(checks):
            click.echo(line)
    if refusal is not None and refusal.code == EXIT_CONFIG:
        sys.exit(EXIT_CONFIG)
    sys.exit(EXIT_FOUND if _wrong(checks) else 0)


def lines(checks: list[Check]) -> Iterator[str]:
    """A line for each check, and one for its remedy."""
    for check in checks:
        yield f"{check.status:<8} {check.name:<12} {check.found}"
        if check.remedy:
            yield f"{'':<8} {'':<12} -> {check.remedy}"


def _wrong(checks: list[Check]) -> bool:
    return any(check.status is Status.ERROR for check in checks)


async def _cluster(settings: Settings, role: Role) -> tuple[Refusal | None, list[Check]]:
    bootstrap = settings.broker_url
    if bootstrap is None:
        return None, [error("broker", "STREAMS_BROKER_URL is not set", "Set it to host:port of the Kafka cluster.")]
    try:
        client_arguments(settings)
        first = await cluster.broker(bootstrap, settings)
    except Exception:  # noqa: BLE001  # put into words by `diagnose`
        refusal = await diagnose(bootstrap, settings)
        found, _, remedy = refusal.line.partition(": ")
        return refusal, [error("broker", found, remedy)]
    checks = [first, await _asked("rights", (), settings, cluster.rights(settings, role))]
    described = _topics(settings, (*SOURCES, *TALLIES), "Describe")
    checks.append(
        await _asked("topics", _topics(settings, ALL, "DescribeConfigs"), settings, cluster.topics(bootstrap, settings))
    )
    if checks[-1].status is not Status.OK:
        # What else could be said would be about other topics.
        return None, checks
    for name, needed, ask in (
        ("replicas", _topics(settings, ALL, "Describe"), cluster.replicas),
        ("workers", (*described, Acl("group", group(settings), ("Describe",))), cluster.workers),
        ("partitioner", _topics(settings, SOURCES, "Read"), logs.partitioner),
        ("clock", _topics(settings, (COMMITS,), "Read"), logs.clock),
    ):
        checks.append(await _asked(name, needed, settings, ask(bootstrap, settings)))
    return None, checks


def _topics(settings: Settings, names: tuple[str, ...], operation: str) -> tuple[Acl, ...]:
    return tuple(Acl("topic", topic_name(settings, name), (operation,)) for name in names)


async def _asked(name: str, needed: tuple[Acl, ...], settings: Settings, asking: Coroutine[Any, Any, Check]) -> Check:
    """What it says; a warning if these settings have no right to ask, or Kafka fails to answer."""
    try:
        with closing(asking):
            async with asyncio.timeout(WAIT_S):
                denied = await missing(settings, needed) if needed else []
                if denied:
                    what = ", ".join(f"{acl.operations[0]} {acl}" for acl in denied)
                    remedy = "Look with the rights of the tools: `streams acls print tools`."
                    return warning(name, f"cannot be told: {principal(settings)} may not {what}", remedy)
                return await asking
    except (KafkaError, TimeoutError) as failed:
        told = str(failed) or type(failed).__name__
        return warning(name, f"cannot be told: {told}", "Mend what is named above, then look again.")
