"""`streams run`: Kafka, worker and read service on this machine, with input and a live view."""

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import NamedTuple

import click

from streams.ops.kafka_client import refusing
from streams.ops.supervisor import Supervisor
from streams.ops.topic_admin import TopicError, apply_topics, check_topics
from streams.settings import EXIT_CONFIG, Settings, load_settings, variable
from streams.tools.broker import Broker, BrokerError
from streams.tools.replay.cli import Replay
from streams.tools.run import children
from streams.tools.run.inputs import Input, replayed, simulated
from streams.tools.run.lock import FolderInUseError, folder_lock
from streams.tools.run.session import Outcome, Session, Wanted
from streams.tools.run.verdict import audit, exit_code, verdict

INTERRUPTED = 130


class _Run(NamedTuple):
    settings: Settings
    bootstrap: str
    env: dict[str, str]
    url: str


@click.command(name="run")
@click.option("--events", type=click.IntRange(min=1), help="Simulate so many events instead of a replay.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the simulation.")
@click.option("--replay", is_flag=True, help="Replay the KuaiRand sample (what happens without --events).")
@click.option("--speed", type=click.FloatRange(min=0), help="Times real time; 0: as fast as it goes.")
@click.option("--until-caught-up", is_flag=True, help="End when all is folded: audit, print one JSON object.")
@click.option("--keep-going", is_flag=True, help="At the end of the input, write it again as new events.")
def command(
    *, events: int | None, seed: int, replay: bool, speed: float | None, until_caught_up: bool, keep_going: bool
) -> None:
    """Start everything here, replay interactions, show what comes out.

    Starts Kafka (unless STREAMS_BROKER_URL names a cluster), the worker and the read service, writes input and shows
    what becomes of it until Ctrl-C. State stays in STREAMS_STATE_DIR: the next run goes on from it.
    """
    if events is not None and replay:
        raise click.UsageError("--events simulates, --replay replays: choose one")
    if until_caught_up and keep_going:
        raise click.UsageError("--until-caught-up never comes with --keep-going: choose one")
    settings = load_settings(time_mode="history")
    settings = settings.model_copy(update={"state_dir": settings.state_dir.absolute()})
    signal.signal(signal.SIGTERM, _interrupt)
    # Leaders of new topics take a moment: aiokafka asks again and calls each answer an error.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if events is None:
        given = replayed(Replay.load(), 0.0 if until_caught_up and speed is None else speed)
    else:
        given = simulated(events, seed, settings.partitions, speed)
    try:
        sys.exit(_run(settings, given, Wanted(until_caught_up, keep_going)))
    except (BrokerError, FolderInUseError, TopicError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIG)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(settings: Settings, given: Input, wanted: Wanted) -> int:
    with ExitStack() as stack:
        stack.enter_context(folder_lock(settings.state_dir))
        bootstrap = settings.broker_url or _start_broker(settings, stack)
        http_port = children.port_for_reads(settings)
        env = children.environment(settings, bootstrap, http_port)
        run = _Run(settings, bootstrap, env, f"http://{settings.http_host}:{http_port}")
        with refusing(settings, bootstrap=bootstrap):
            return asyncio.run(_session(run, given, wanted))


def _start_broker(settings: Settings, stack: ExitStack) -> str:
    if settings.security_protocol != "PLAINTEXT":
        raise BrokerError("STREAMS_SECURITY_PROTOCOL is of a cluster: name it in STREAMS_BROKER_URL, or unset both.")
    click.echo("starting Kafka (the first time, it is fetched: 46 MB) ...")
    broker = Broker(settings.state_dir / "kafka", state_dir=settings.state_dir)
    # Also when the start is interrupted: stop knows what there is to stop.
    stack.callback(broker.stop, children.BROKER_STOP_S)
    return broker.start()


async def _session(run: _Run, given: Input, wanted: Wanted) -> int:
    logs = run.settings.state_dir / "logs"
    await _topics(run)
    async with Supervisor() as supervisor:
        session = Session(
            run.settings, run.bootstrap, run.url, given, wanted,
            failure=partial(children.failure, supervisor), restarts=partial(children.restarts, supervisor),
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, session.stop.set)
        for spec in children.specs(run.env, logs):
            await supervisor.start(spec)
        click.echo(f"Kafka {run.bootstrap}, read service {run.url}, logs in {logs}")
        told = " ".join(f"{name}={run.env[name]}" for name in map(variable, ("broker_url", "time_mode")))
        click.echo(f"before other commands: export {told}")
        outcome = await session.run()
        if outcome.failure is not None:
            click.echo(outcome.failure, err=True)
            return EXIT_CONFIG
        if not wanted.until_caught_up:
            return 0
        return await _judge(run, outcome, session.stop) if outcome.caught_up else INTERRUPTED


async def _topics(run: _Run) -> None:
    await apply_topics(run.bootstrap, run.settings)
    wrong = await check_topics(run.bootstrap, run.settings)
    if wrong:
        raise TopicError("\n".join(str(mismatch) for mismatch in wrong))


async def _judge(run: _Run, outcome: Outcome, stop: asyncio.Event) -> int:
    click.echo(f"all folded: {outcome.events:,} events; recounting everything from the topics ...")
    code, found = await audit({**os.environ, **run.env}, stop)
    if not stop.is_set():
        click.echo(json.dumps(verdict(outcome, found)))
    return INTERRUPTED if stop.is_set() else exit_code(code, found)
