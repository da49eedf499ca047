"""A real Prometheus scrapes a running pipeline: every metric, panel and recording rule has data, alerts are right."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from threading import Event, Thread
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml

from deploy.dashboards import panels
from streams.ops.metric_list import DECLARED
from streams.tools.broker.probe import free_port
from streams.tools.produce import Pace, Writer, deliver
from streams.tools.simulate.job import Shape, job_events, job_facts
from tests.system.pipeline import ROOT, Pipeline
from tests.system.prometheus_stack import RULES, Prometheus, await_true, shortened

PARTITIONS = 4
NAMES = ("kafka", "broker", "worker-1", "worker-2", "reader", "audit", "prometheus")
SHAPE = Shape(users=400, videos=200)
RATE = 500.0
EVENTS = 45_000
HEALTHY_S = 20.0
EXPECTED = {"StreamsWorkerDown", "StreamsPartitionWithoutOwner"}
"""With all workers gone and nothing left to fold."""


class Stack:
    """The pipeline's processes and their ports."""

    def __init__(self, folder: Path) -> None:
        self.ports = {name: free_port() for name in NAMES}
        bootstrap = f"127.0.0.1:{self.ports['kafka']}"
        self.pipeline = Pipeline(
            bootstrap, "", folder, STREAMS_TIME_MODE="live", STREAMS_PARTITIONS=str(PARTITIONS),
            STREAMS_STANDBYS="1",
        )  # fmt: skip
        self.bootstrap = bootstrap

    def start_worker(self, name: str) -> None:
        own = {"STREAMS_WORKER_ID": name, "STREAMS_METRICS_PORT": str(self.ports[name])}
        self.pipeline.environ |= own
        self.pipeline.start()

    def targets(self, *names: str) -> list[str]:
        return [f"127.0.0.1:{self.ports[name]}" for name in names]

    def read(self, stop: Event) -> None:
        """Ask the reader for users again and again."""
        number = 0
        while not stop.wait(0.1):
            number += 1
            try:
                urlopen(f"http://{self.targets('reader')[0]}/v1/users/u{number % SHAPE.users}/interests", timeout=5)
            except HTTPError as error:
                assert error.code in {404, 503}  # noqa: PT017  # not folded yet, not caught up yet
            except URLError:  # not up yet
                continue

    async def load(self, stop: Event) -> None:
        """Facts, then events at a steady rate, their time being now, until told to stop."""
        end_ms = int((time.time() + EVENTS / RATE) * 1000)
        async with Writer(self.bootstrap, partitions=PARTITIONS) as writer:
            await deliver(writer, job_facts(end_ms, SHAPE))
            events = job_events(EVENTS, end_ms, SHAPE)
            await deliver(writer, takewhile(lambda _: not stop.is_set(), events), Pace(rate=RATE))


def _broker(stack: Stack) -> "subprocess.Popen[bytes]":
    """`streams broker` with its data in this test's folder, and the jars where they always are."""
    environ = {name: value for name, value in stack.pipeline.environ.items() if name != "STREAMS_STATE_DIR"}
    ports = ("--port", str(stack.ports["kafka"]), "--metrics-port", str(stack.ports["broker"]))
    data = stack.pipeline.folder / "kafka"
    command = [sys.executable, "-m", "streams", "broker", *ports, "--data", str(data)]
    with (stack.pipeline.folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=log, stderr=log)
    await_true(lambda: connects(stack.ports["kafka"]), 60, lambda: (data.parent / "broker.log").read_text("utf-8"))
    return process


def connects(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("prometheus"))
    pipeline = stack.pipeline
    broker = _broker(stack)
    try:
        pipeline.run("topics", "apply")
        stack.start_worker("worker-1")
        stack.start_worker("worker-2")
        pipeline.await_log("ready", 2)
        pipeline.background("serve", "--port", str(stack.ports["reader"]))
        pipeline.background(
            "audit", "--sample", "1/10", "--continuous", "--every", "5", "--metrics-port", str(stack.ports["audit"])
        )
        yield stack
    finally:
        pipeline.stop()
        broker.terminate()
        broker.wait(30)


@pytest.mark.prometheus
def test_a_running_pipeline_as_ops_see_it(stack: Stack, tmp_path: Path) -> None:
    targets = {
        "streams-worker": stack.targets("worker-1", "worker-2"), "streams-reader": stack.targets("reader"),
        "streams-broker": stack.targets("broker"), "streams-audit": stack.targets("audit"),
    }  # fmt: skip
    stop = Event()
    reads = Thread(target=stack.read, args=(stop,), daemon=True)
    load = Thread(target=lambda: asyncio.run(stack.load(stop)), daemon=True)
    with Prometheus(tmp_path / "prometheus", targets, stack.ports["prometheus"]) as prometheus:
        load.start()
        reads.start()
        try:
            await_true(
                lambda: len(prometheus.query("up == 1")) == sum(map(len, targets.values())),
                60,
                lambda: prometheus.query("up"),
            )
            await_true(lambda: bool(prometheus.query("streams_audit_runs_total > 0")), 120, stack.pipeline.said)
            _everything_has_data(prometheus)
            _healthy(prometheus)
            load.join(120)
            await_true(lambda: not prometheus.query("sum(streams_consumer_lag_records) > 0"), 60, lambda: "lag stays")
            _workers_gone(prometheus, stack.pipeline.workers[:2])
        finally:
            stop.set()
            load.join(30)
            reads.join(30)


def _workers_gone(prometheus: Prometheus, workers: "list[subprocess.Popen[bytes]]") -> None:
    for worker in workers:
        worker.terminate()
    assert [worker.wait(30) for worker in workers] == [0, 0]
    await_true(lambda: prometheus.firing() == EXPECTED, 30, prometheus.firing)
    time.sleep(5)
    assert prometheus.firing() == EXPECTED


def _everything_has_data(prometheus: Prometheus) -> None:
    wanted = [metric.exposed_name + ("_count" if metric.kind == "histogram" else "") for metric in DECLARED]
    shown = [panel for found in panels().values() for panel in found if not panel.zero]
    wanted += [shortened(query) for panel in shown for query in panel.queries.values()]
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    wanted += [rule["record"] for group in groups for rule in group["rules"] if "record" in rule]

    def empty() -> list[str]:
        return [query for query in wanted if not prometheus.query(query)]

    await_true(lambda: not empty(), 40, empty)


def _healthy(prometheus: Prometheus) -> None:
    """Start-up leaves the windows of the rules; from then on nothing fires for a while."""
    await_true(lambda: not prometheus.firing(), 90, prometheus.firing)
    end_s = time.monotonic() + HEALTHY_S / 2
    while time.monotonic() < end_s:
        assert prometheus.firing() == set()
        time.sleep(0.5)
