"""The measurements of `bench recovery`, one after the other on the same topics."""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console

from bench.backlog import fill
from bench.drain import drain
from bench.recovery_pauses import Commits, first_after, longest_pauses
from bench.recovery_workers import Life, Workers, workers
from bench.stack import environment
from streams.ops.tether import tethered
from streams.settings import Settings
from streams.tools.broker import Broker
from streams.tools.run.watch import Watch

FLOW_S = 8.0
SETTLE_S = 6.0


class Plan(NamedTuple):
    """What to run. `rate`: events a second while workers come and go; `cache`: where a broker's jars may lie."""

    events: int
    partitions: int
    rate: int
    folder: Path
    cache: Path


class Restore(msgspec.Struct):
    """Changelog records read until ready. `ready_s`: from the start of the process, `import_s` of it before Kafka.

    `cpu_s`: of the process until it was ready, imports and reading the facts of all videos among it.
    """

    rows: int
    restore_s: float
    rows_per_s: int
    ready_s: float
    import_s: float
    cpu_s: float
    rss_mb: float


class Result(msgspec.Struct, kw_only=True):
    """Times in seconds. `failover_s`: from kill -9 to the first commit of the partition that took longest;
    `failover_ready_s`: until the survivor had opened it. `rolling`: a successor is started with `--replace` beside each
    worker; `restart`: each gets SIGTERM and is started after its end, as a pod is. Both are pauses of partitions of the
    worker concerned; `other`: of those of the other one.
    """

    partitions: int
    workers: int = 2
    session_timeout_s: float
    standbys: int
    copy_rows: int
    empty_disk: Restore
    warm: Restore
    failover_s: float
    failover_ready_s: float
    failover_after_session_s: float
    survivor_pause_s: float
    rolling_longest_pause_s: float
    rolling_other_pause_s: float
    restart_longest_pause_s: float
    restart_other_pause_s: float


def run(plan: Plan, console: Console) -> Result:
    """Measure. BenchError and BrokerError say what went wrong."""
    settings = Settings(
        partitions=plan.partitions, time_mode="history", state_dir=plan.folder / "state", standbys=1,
    )  # fmt: skip
    with Broker(plan.folder / "kafka", state_dir=plan.cache) as broker:
        console.print("Writing and folding the backlog", highlight=False)
        asyncio.run(fill(broker.bootstrap, settings, plan.events, lambda _: None))
        settings = settings.model_copy(update={"broker_url": broker.bootstrap})
        with workers(environment(settings), plan.folder) as running:
            asyncio.run(_fold(plan, settings, running))
            warm = _restart(running)
            shutil.rmtree(settings.state_dir / "one")
            console.print("Restoring from an empty disk", highlight=False)
            empty = _restart(running)
            console.print("Loss of a worker", highlight=False)
            failover = _failover(plan, settings, running)
            console.print("Rolling restart", highlight=False)
            rolling, restart = _restarts(plan, settings, running)
    return Result(
        partitions=plan.partitions, session_timeout_s=settings.session_timeout_s, standbys=settings.standbys,
        copy_rows=empty.rows, empty_disk=empty, warm=warm, failover_s=round(failover[0], 2),
        failover_ready_s=round(failover[2], 2),
        failover_after_session_s=round(failover[0] - settings.session_timeout_s, 2),
        survivor_pause_s=round(failover[1], 2), rolling_longest_pause_s=round(rolling[0], 2),
        rolling_other_pause_s=round(rolling[1], 2), restart_longest_pause_s=round(restart[0], 2),
        restart_other_pause_s=round(restart[1], 2),
    )  # fmt: skip


async def _fold(plan: Plan, settings: Settings, running: Workers) -> None:
    async with Watch(str(settings.broker_url), partitions=plan.partitions) as watch:
        life = running.start("one")
        await drain(watch, plan.events, lambda: None, lambda _: None)
    await asyncio.sleep(settings.sweep_s)
    await asyncio.to_thread(life.end)


def _restart(running: Workers) -> Restore:
    life = running.start("one")
    ready_s = life.await_event("ready")
    began_s, restored = life.await_event("starting"), life.events("restored")[0]
    cpu_s, rss_mb = life.cpu_s, life.rss_mb
    life.end()
    rows, took_s = int(restored["rows"]), float(restored["seconds"])
    return Restore(
        rows, round(took_s, 2), round(rows / took_s), round(ready_s - life.started_s, 2),
        round(began_s - life.started_s, 2), round(cpu_s, 2), round(rss_mb),
    )  # fmt: skip


@contextmanager
def _flow(plan: Plan, settings: Settings, seconds: float) -> Iterator[None]:
    argv = [sys.executable, "-m", "streams", "simulate", "--events", str(int(plan.rate * seconds))]
    with (plan.folder / "simulate.log").open("ab") as log:
        flow = subprocess.Popen(
            tethered([*argv, "--rate", str(plan.rate)]), env=environment(settings), stdout=log, stderr=log
        )
    try:
        yield
    finally:
        flow.terminate()
        flow.wait()


def _pair(running: Workers) -> tuple[Life, Life]:
    one = running.start("one")
    one.await_event("ready")
    two = running.start("two")
    two.await_event("ready")
    one.await_event("ready", 2)
    time.sleep(SETTLE_S)
    return one, two


def _failover(plan: Plan, settings: Settings, running: Workers) -> tuple[float, float, float]:
    """-> (kill -9 to the first commit of the partition that took longest, longest pause of the survivor's own,
    kill -9 until the survivor was ready).
    """
    one, two = _pair(running)
    lasts_s = FLOW_S + settings.session_timeout_s + 20
    with _flow(plan, settings, lasts_s):
        time.sleep(FLOW_S)
        own, orphans = one.owned(), two.owned()
        killed_s = two.end(signal.SIGKILL)
        ready_s = one.await_event("ready", 3)
        time.sleep(SETTLE_S)
        commits = asyncio.run(Commits(str(settings.broker_url), plan.partitions).read())
    one.end()
    back_s = max(first_after(commits[number], killed_s) for number in orphans)
    return back_s - killed_s, max(longest_pauses(commits, own, killed_s).values()), ready_s - killed_s


def _restarts(plan: Plan, settings: Settings, running: Workers) -> list[tuple[float, float]]:
    """-> longest pauses (of a partition whose worker was exchanged, of one whose was not): first with successors that
    take over, then with processes that are started after the end of the former one.
    """
    lives = {life.name: life for life in _pair(running)}
    found = []
    with _flow(plan, settings, FLOW_S + 120):
        time.sleep(FLOW_S)
        for way in (_succeed, _start_again):
            pauses = [_exchange(plan, settings, running, lives, name, way) for name in lives]
            found.append((max(own for own, _ in pauses), max(other for _, other in pauses)))
    return found


def _exchange(
    plan: Plan, settings: Settings, running: Workers, lives: dict[str, Life], name: str, way: Callable[..., Life]
) -> tuple[float, float]:
    numbers = lives[name].owned()
    rest = [number for other, life in lives.items() if other != name for number in life.owned()]
    began_s = time.time()
    lives[name] = way(running, lives[name])
    lives[name].await_event("ready")
    time.sleep(SETTLE_S)
    commits = asyncio.run(Commits(str(settings.broker_url), plan.partitions).read())
    own, other = longest_pauses(commits, numbers, began_s), longest_pauses(commits, rest, began_s)
    return max(own.values()), max(other.values())


def _succeed(running: Workers, life: Life) -> Life:
    return running.start(life.name, "--replace")


def _start_again(running: Workers, life: Life) -> Life:
    life.end()
    return running.start(life.name)
