"""The doctor: each check says ok, warning or error as it should, on a real Kafka where one is needed."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from click.testing import CliRunner, Result

from streams.core import compiled as kernels_package
from streams.ops.topic_admin import apply_topics
from streams.settings import Settings
from streams.tools.doctor import cluster, logs, machine
from streams.tools.doctor.check import Check, Status
from streams.tools.doctor.cli import command
from tests.system.pipeline import Pipeline

GIB = machine.GIB


def doctor(bootstrap: str, prefix: str, *arguments: str, **environ: str) -> Result:
    env = {"STREAMS_BROKER_URL": bootstrap, "STREAMS_TOPIC_PREFIX": prefix, "STREAMS_PARTITIONS": "2", **environ}
    return CliRunner(env=env).invoke(command, [*arguments])


def checks(result: Result) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(result.stdout.splitlines()[-1])["checks"]}


def settings_of(bootstrap: str, prefix: str, **more: Any) -> Settings:
    return Settings(broker_url=bootstrap, topic_prefix=prefix, partitions=2, **more)


async def flows(bootstrap: str, topic: str) -> None:
    """Return when the topic has a record."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await asyncio.wait_for(consumer.getone(), 40)
    finally:
        await consumer.stop()


def test_a_running_pipeline_is_well(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    pipeline = Pipeline(bootstrap, topic_prefix, tmp_path, STREAMS_PARTITIONS="2")
    pipeline.run("topics", "apply")
    try:
        pipeline.background("simulate", "--events", "100000", "--rate", "300")
        pipeline.start()
        pipeline.await_log("ready")
        asyncio.run(flows(bootstrap, topic_prefix + "views"))  # the simulator makes its events before it sends any
        found = checks(doctor(bootstrap, topic_prefix, "--json", STREAMS_TIME_MODE="history"))
    finally:
        pipeline.stop()
    names = [
        "settings",
        "versions",
        "kernels",
        "disk",
        "broker",
        "rights",
        "topics",
        "replicas",
        "workers",
        "partitioner",
    ]
    assert list(found) == [*names, "clock"]
    well = {name: check["found"] for name, check in found.items() if check["status"] == "ok"}
    # The machine's disk is what it is, and these sources may lack kernels.
    assert well.keys() >= set(names) - {"disk", "kernels"}
    assert "1 workers" in well["workers"]
    assert "agrees" in well["clock"]
    assert "lie where they belong" in well["partitioner"]


async def test_keys_in_wrong_partitions_are_found_by_topic(bootstrap: str, topic_prefix: str) -> None:
    settings = settings_of(bootstrap, topic_prefix)
    await apply_topics(bootstrap, settings)
    assert (await logs.partitioner(bootstrap, settings)).found == "no records yet"
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(20):
            await producer.send_and_wait(f"{topic_prefix}likes", b"{}", key=b"u%d" % number)
            await producer.send_and_wait(f"{topic_prefix}views", b"{}", key=b"u1", partition=number % 2)
        await producer.send_and_wait(f"{topic_prefix}shares", b"{}", partition=0)
    found = await logs.partitioner(bootstrap, settings)
    assert found.status is Status.ERROR
    assert (
        found.found == "in wrong partitions: 10 of the newest 20 records of views, 1 of the newest 1 records of shares"
    )
    assert "murmur2_random" in found.remedy


async def test_nobody_folds_and_no_commit_comes(
    bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(bootstrap, topic_prefix)
    await apply_topics(bootstrap, settings)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(f"{topic_prefix}views", b"{}", partition=1)
    found = await cluster.workers(bootstrap, settings)
    assert found.status is Status.WARNING
    assert (
        found.found
        == f"group {topic_prefix}streams: 0 workers, 1 records to fold, most in {topic_prefix}views partition 1"
    )
    monkeypatch.setattr(logs, "WATCHED_S", 0.2)
    assert (await logs.clock(bootstrap, settings)).found.startswith("cannot be told")


def test_missing_topics_are_an_error_and_the_rest_is_not_looked_at(bootstrap: str, topic_prefix: str) -> None:
    result = doctor(bootstrap, topic_prefix)
    assert result.exit_code == 1
    assert "error    topics" in result.stdout
    assert "-> Run `streams topics apply`." in result.stdout
    assert "clock" not in result.stdout


@pytest.mark.parametrize(
    ("url", "environ", "code", "told"),
    [
        (None, {}, 1, "STREAMS_BROKER_URL is not set"),
        ("127.0.0.1:1", {}, 1, "No Kafka answers at 127.0.0.1:1"),
        (
            "127.0.0.1:1", {"STREAMS_SECURITY_PROTOCOL": "SSL", "STREAMS_SSL_CA_FILE": "no-such.pem"}, 78,
            "STREAMS_SSL_CA_FILE=no-such.pem",
        ),
    ],
)  # fmt: skip
def test_without_a_cluster(url: str | None, environ: dict[str, str], code: int, told: str) -> None:
    result = CliRunner(env={"STREAMS_BROKER_URL": url, **environ}).invoke(command, ["--json"])
    assert result.exit_code == code
    assert told in checks(result)["broker"]["found"]


@pytest.mark.parametrize(
    ("judged", "status", "told"),
    [
        (lambda: machine.room(Path("d"), 100 * GIB, 50 * GIB), Status.OK, "50.0 of 100.0 GiB free"),
        (lambda: machine.room(Path("d"), 100 * GIB, 5 * GIB), Status.WARNING, "5.0 of"),
        (lambda: machine.room(Path("d"), 100 * GIB, GIB // 8), Status.ERROR, "0.1 of"),
        (lambda: machine.disk(Path("/proc/nothing")), Status.ERROR, "cannot be written"),
        (lambda: logs.skew(0.4, -0.2, Settings()), Status.OK, "within 0.6 s"),
        (lambda: logs.skew(5.2, 5.0, Settings()), Status.WARNING, "5.0 s ahead of ours"),
        (lambda: logs.skew(-6.0, -6.2, Settings()), Status.WARNING, "6.0 s behind ours"),
        (lambda: logs.skew(-600.0, -600.2, Settings()), Status.ERROR, "600.0 s behind"),
        (lambda: cluster.speaks("b:1", {}, "User:u"), Status.ERROR, "does not know Produce v3"),
        (lambda: cluster.replicated([part(-1, 3, 3)], 3), Status.ERROR, "1 partitions without a leader"),
        (lambda: cluster.replicated([part(1, 3, 2)], 3), Status.WARNING, "lack replicas"),
        (lambda: cluster.replicated([part(1, 1, 1)], 3), Status.WARNING, "one of 3 brokers only"),
        (lambda: cluster.replicated([part(1, 1, 1)], 1), Status.OK, "all in sync on 1 broker"),
        (lambda: cluster.folding("g", 2, {TopicPartition("t", 1): 3}), Status.OK, "3 records to fold, most in t"),
        (lambda: machine.settings_fit(Settings(), {"STREAMS_FLUSHMS": "1"}), Status.WARNING, "STREAMS_FLUSH_MS"),
        (lambda: machine.settings_fit(Settings(heartbeat_s=5), {}), Status.WARNING, "heartbeats every 5 s"),
        (lambda: machine.settings_fit(Settings(flush_timeout_s=5), {}), Status.WARNING, "15000 ms"),
        (lambda: machine.settings_fit(Settings(), os.environ), Status.OK, "8 partitions"),
    ],
)  # fmt: skip
def test_judgements(judged: Callable[[], Check], status: Status, told: str) -> None:
    found = judged()
    assert (found.status, bool(found.remedy)) == (status, status is not Status.OK)
    assert told in found.found


def part(leader: int, replicas: int, in_sync: int) -> dict[str, Any]:
    return {"leader": leader, "replicas": list(range(replicas)), "isr": list(range(in_sync))}


def test_versions_that_the_engine_was_not_written_for_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.versions().status is Status.OK
    monkeypatch.setattr(machine, "version", lambda name: "9.9" if name == "aiokafka" else "0.15.3")
    assert machine.versions().found == "aiokafka 9.9, not 0.14.0"


def test_kernels_that_were_not_built_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "counters.pyx").touch()
    (tmp_path / "cells.pyx").touch()
    (tmp_path / "cells.cpython-311.so").touch()
    monkeypatch.setattr(kernels_package, "__path__", [str(tmp_path)])
    found = machine.kernels()
    assert found.status is Status.WARNING
    assert "counters" in found.found
    assert "cells" not in found.found
