"""`streams audit`: recount everything from the topics and report every wrong row."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
from aiokafka.errors import KafkaConnectionError

from streams.ops.acls import Role
from streams.ops.kafka_client import Refusal, diagnose, refuse, refusing
from streams.ops.rights import require
from streams.serving.layout import PartitionCountError, TopicsMissingError, check_topics
from streams.settings import EXIT_CONFIG, Settings, load_settings
from streams.tools.audit.log import KafkaSource, NotProvableError
from streams.tools.audit.run import Audit, behind
from streams.tools.audit.sampling import EXIT_WRONG, Wanted, audit_sample
from streams.tools.audit.verdict import Verdict
from streams.topics import specs

CHARTS_SETTLE_S = 6.0
"""Charts are published every 5 s: they may be that much behind the rows."""
EXIT_NOT_PROVABLE = 2
FILE = click.Path(path_type=Path, dir_okay=False)


class Fraction(click.ParamType):
    """`1/1000` or `0.001`."""

    name = "fraction"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        above, _, below = str(value).partition("/")
        try:
            found = float(above) / float(below or 1)
        except (ValueError, ZeroDivisionError):
            found = 0.0
        if not 0 < found <= 1:
            self.fail(f"{value!r} is no share of the rows: give for example 1/1000", param, context)
        return found


@click.command(name="audit")
@click.option("--broker-url", help="host:port of the cluster.  [default: STREAMS_BROKER_URL]")
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=0.0, help="Seconds to wait for the pipeline.")
@click.option("--json", "only_json", is_flag=True, help="Print nothing but the result.")
@click.option("--max-report", default=20, show_default=True, help="Wrong rows to describe on stderr.")
@click.option("--save", "save_to", type=FILE, help="Write a checkpoint: what was recounted, if nothing is wrong.")
@click.option("--from", "begin_at", type=FILE, help="Recount from a checkpoint on; the log before it is not needed.")
@click.option("--sample", type=Fraction(), help="Recount this share of users, videos and entities, in full flow.")
@click.option("--continuous", is_flag=True, help="With --sample: again and again, until stopped.")
@click.option("--every", "every_s", default=300.0, show_default=True, help="With --continuous: seconds between begins.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="With --continuous: serve /metrics there.")
def command(
    broker_url: str | None, wait_s: float, max_report: int, save_to: Path | None, begin_at: Path | None,
    sample: float | None, every_s: float, metrics_port: int | None, *, only_json: bool, continuous: bool,
) -> None:  # fmt: skip
    """Recount everything from the topics and compare every row of every table.

    The last line is one JSON object. Exits 0 if all is right, 1 on any wrong row, 2 if nothing can be proven:
    the pipeline is behind, or the log no longer reaches back far enough.

    With --sample nobody has to stop: each row is judged as of the last commits. See docs/guarantees.md for what that
    leaves out. With --continuous drift is exported as a metric and every audit prints one JSON object.
    """
    if (continuous and not sample) or (sample and save_to):
        raise click.UsageError("--continuous needs --sample 1/1000 or another share; --save needs the whole audit")
    settings = load_settings(broker_url=broker_url)
    if settings.broker_url is None:
        click.echo("Which cluster? Set STREAMS_BROKER_URL or give --broker-url host:port.", err=True)
        sys.exit(EXIT_CONFIG)

    def say(line: str) -> None:
        if not only_json:
            click.echo(line, err=True)

    with refusing(settings):
        asyncio.run(_admit(settings))
    started_s = time.monotonic()
    wanted = Wanted(settings, settings.broker_url, wait_s, max_report, begin_at, save_to, say)
    try:
        if sample:
            code = asyncio.run(audit_sample(wanted, sample, every_s if continuous else None, metrics_port))
        else:
            code = _whole(wanted, started_s)
    except NotProvableError as error:
        _not_provable(str(error), started_s)
    except KafkaConnectionError:
        refuse(asyncio.run(diagnose(settings.broker_url, settings)))
    except OSError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIG)
    sys.exit(code)


async def _admit(settings: Settings) -> None:
    await require(settings, Role.TOOLS)
    try:
        await check_topics(settings, [spec.name for spec in specs(settings)])
    except (PartitionCountError, TopicsMissingError) as error:
        refuse(Refusal(EXIT_CONFIG, str(error)))


def _whole(wanted: Wanted, started_s: float) -> int:
    audit = asyncio.run(_audit(wanted))
    for wrong in audit.verdict.kept:
        for line in wrong.lines():
            click.echo(line, err=True)
    if wanted.save_to and not audit.verdict.wrong_rows:
        audit.checkpoint().save(wanted.save_to)
    click.echo(json.dumps(_result(audit, time.monotonic() - started_s)))
    return EXIT_WRONG if audit.verdict.wrong_rows else 0


def _not_provable(reason: str, started_s: float) -> NoReturn:
    click.echo(f"not provable: {reason}", err=True)
    click.echo(json.dumps({"not_provable": reason, "seconds": round(time.monotonic() - started_s, 1)}))
    sys.exit(EXIT_NOT_PROVABLE)


async def _audit(wanted: Wanted) -> Audit:
    async with wanted.source() as source:
        await _drained(source, wanted.wait_s, wanted.say)
        audit = Audit(source, Verdict(wanted.max_report), wanted.say, wanted.base())
        await audit.run()
        if audit.verdict.wrong and set(audit.verdict.wrong) == {"charts"}:
            wanted.say("only charts differ: they may be about to be published, so look again")
            await asyncio.sleep(CHARTS_SETTLE_S)
            audit = Audit(source, Verdict(wanted.max_report), wanted.say, wanted.base())
            await audit.run()
        if left := await behind(source):
            raise NotProvableError(
                f"the pipeline went on while the audit read ({_named(left)}): stop the writers first"
            )
        return audit


async def _drained(source: KafkaSource, wait_s: float, say: Callable[[str], None]) -> None:
    deadline_s = time.monotonic() + wait_s
    while left := await behind(source):
        if time.monotonic() >= deadline_s:
            raise NotProvableError(f"the pipeline is behind ({_named(left)}): let it catch up, or use --wait SECONDS")
        say(f"waiting for the pipeline: {_named(left)}")
        await asyncio.sleep(1.0)


def _named(left: dict[str, int]) -> str:
    return ", ".join(f"{count} records of {topic}" for topic, count in left.items())


def _result(audit: Audit, seconds: float) -> dict[str, object]:
    verdict = audit.verdict
    return {
        "events": audit.events,
        "rows_checked": verdict.rows_checked,
        "wrong_rows": verdict.wrong_rows,
        "wrong_by_table": dict(verdict.wrong),
        "rows_excused": dict(verdict.excused),
        "dead_letters": audit.dead_letters,
        "partitions": audit.source.partitions,
        "watermark_ms": audit.watermark_ms,
        "seconds": round(seconds, 1),
    }
