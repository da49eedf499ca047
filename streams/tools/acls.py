"""`streams acls print`: the rights our processes need at Kafka, as commands for Kafka's own tool or as JSON."""

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import click

from streams.ops.acls import MEANING, Acl, Role, acls
from streams.settings import load_settings

TOOL = "kafka-acls.sh"
RESOURCE = {"topic": "--topic", "group": "--group", "transactional-id": "--transactional-id"}


@click.group(name="acls")
def command() -> None:
    """List the rights that workers, readers, producers and tools need at Kafka."""


def _principals(decorated: Callable[..., None]) -> Callable[..., None]:
    for role in reversed(Role):
        decorated = click.option(
            f"--principal-{role}",
            default=f"streams-{role}",
            show_default=True,
            metavar="USER",
            help=f"{MEANING[role]}.",
        )(decorated)
    return decorated


@command.command(name="print")
@click.argument("roles", type=click.Choice([role.value for role in Role]), nargs=-1)
@_principals
@click.option("--bootstrap-server", metavar="HOST:PORT", help="In the commands.  [default: STREAMS_BROKER_URL]")
@click.option("--command-config", default="admin.properties", show_default=True, help="In the commands.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of commands.")
def print_(
    roles: tuple[str, ...], bootstrap_server: str | None, command_config: str, *, as_json: bool, **principals: str
) -> None:
    """Print the least rights of ROLES (all of them by default) as kafka-acls commands. Changes nothing.

    Names are those of the settings (STREAMS_TOPIC_PREFIX, STREAMS_APP_ID).
    """
    settings = load_settings()
    wanted = [(role, principals[f"principal_{role}"]) for role in map(Role, roles or Role)]
    found = [(role, user, acl) for role, user in wanted for acl in acls(settings, role)]
    if as_json:
        click.echo(json.dumps([describe(role, user, acl) for role, user, acl in found], indent=1))
        return
    cluster = bootstrap_server or settings.broker_url or "HOST:PORT"
    for role, user in wanted:
        click.echo(f"# {MEANING[role]}")
        for line in commands(f"User:{user}", acls(settings, role), cluster, command_config):
            click.echo(line)


def describe(role: Role, user: str, acl: Acl) -> dict[str, Any]:
    """One entry of the JSON array."""
    return {
        "role": role, "principal": f"User:{user}", "resource_type": acl.kind, "name": acl.name,
        "pattern_type": "prefixed" if acl.prefixed else "literal", "operations": list(acl.operations),
    }  # fmt: skip


def commands(principal: str, wanted: tuple[Acl, ...], cluster: str, config: str) -> Iterator[str]:
    """One command for all resources of a sort that need the same operations."""
    sorts: dict[tuple[str, tuple[str, ...], bool], list[str]] = {}
    for acl in wanted:
        sorts.setdefault((acl.kind, acl.operations, acl.prefixed), []).append(acl.name)
    for (kind, operations, prefixed), names in sorts.items():
        words = [TOOL, "--bootstrap-server", cluster, "--command-config", config]
        words += ["--add", "--allow-principal", principal]
        for operation in operations:
            words += ["--operation", operation]
        if prefixed:
            words += ["--resource-pattern-type", "prefixed"]
        for name in names:
            words += [RESOURCE[kind], name]
        yield shlex.join(words)
