"""`streams rebuild`: delete what is derived, so that the workers fold everything again."""

import asyncio
import sys

import click

from streams.ops.kafka_client import refusing
from streams.settings import EXIT_CONFIG, Settings, load_settings
from streams.tools.rebuild.steps import Cluster, Plan, RebuildError
from streams.tools.target import bootstrap_of

AFTER = "Done. Start the workers, then restart the read services: they hold the old tables."


@click.command(name="rebuild")
@click.option("--yes", is_flag=True, help="Do it. Without, it says what it would do.")
@click.option("--accept-loss", is_flag=True, help="Go on although sources were trimmed: the tables will lack that.")
@click.option("--broker-url", help="host:port of the cluster.  [default: STREAMS_BROKER_URL]")
def command(broker_url: str | None, *, yes: bool, accept_loss: bool) -> None:
    """Recompute all tables from the source topics, after a change of parameters or of what rows mean.

    All workers have to be stopped. Tables, charts, tallies, commits and dead letters are deleted; records that cannot
    be used become dead letters again, without the marks of those that were retried.
    """
    settings = load_settings(broker_url=broker_url)
    bootstrap = bootstrap_of(settings)
    with refusing(settings, bootstrap=bootstrap):
        try:
            asyncio.run(_rebuild(bootstrap, settings, sure=yes, accept_loss=accept_loss))
        except RebuildError as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_CONFIG)


async def _rebuild(bootstrap: str, settings: Settings, *, sure: bool, accept_loss: bool) -> None:
    async with Cluster(bootstrap, settings) as cluster:
        plan = await cluster.plan()
        for line in _lines(plan, settings):
            click.echo(line)
        if not sure:
            click.echo("Nothing was changed: --yes does it.")
            return
        if plan.lost and not accept_loss:
            raise RebuildError(
                "Retention deleted records that the tables still count: rebuilt, they would count less. "
                "--accept-loss rebuilds from what is left."
            )
        await cluster.await_no_members(click.echo)
        await cluster.rebuild(plan)
    click.echo(AFTER)


def _lines(plan: Plan, settings: Settings) -> list[str]:
    prefix = settings.topic_prefix
    lines = [f"delete {prefix}{name} ({records:,} records), create it empty" for name, records in plan.deleted.items()]
    sources = sorted({topic for topic, _ in plan.begins})
    lines.append(f"fold again from the beginning: {', '.join(prefix + topic for topic in sources)}")
    return lines + [
        f"{prefix}{topic}: {count:,} records are gone by retention and cannot be folded again"
        for topic, count in plan.lost.items()
    ]
