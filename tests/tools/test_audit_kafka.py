"""The audit and the dead letters on a real Kafka: the logs of the pipeline in memory, written to topics."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from click.testing import CliRunner, Result

from streams.core.rows import CounterRow
from streams.testing.audit_world import Logs, busy
from streams.tools.audit import cli as audit_cli
from streams.tools.audit.checkpoint import Checkpoint, load
from streams.tools.audit.log import Entry, KafkaSource
from streams.tools.broker.probe import free_port
from streams.tools.dead_letters import cli as letters_cli
from streams.topics import NAMES

PARTITIONS = 2


async def publish(bootstrap: str, prefix: str, logs: Logs) -> None:
    """All topics with these records; tallies in transactions, so that markers lie between and behind them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    kept = {"retention.ms": "-1"}
    await admin.create_topics([NewTopic(prefix + name, PARTITIONS, 1, topic_configs=kept) for name in NAMES])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{prefix}test", linger_ms=5)
    await producer.start()
    async with producer.transaction():
        sent = [
            await producer.send(
                prefix + topic, entry.value, entry.key, place, timestamp_ms=entry.timestamp, headers=list(entry.headers)
            )
            for (topic, place), log in logs.items()
            for entry in log
        ]
        await asyncio.gather(*sent)
    await producer.stop()


@pytest.fixture
def invoke(bootstrap: str, topic_prefix: str) -> Any:
    environment = {
        "STREAMS_BROKER_URL": bootstrap, "STREAMS_TOPIC_PREFIX": topic_prefix, "STREAMS_PARTITIONS": str(PARTITIONS),
        "STREAMS_APP_ID": topic_prefix.strip("."),
    }  # fmt: skip

    def run(command: Any, *arguments: str) -> Result:
        return CliRunner(env=environment).invoke(command, list(arguments))

    run.environment = environment  # type: ignore[attr-defined]
    return run


def test_audit_then_retry(bootstrap: str, topic_prefix: str, invoke: Any) -> None:
    made = busy(5, events=200)
    asyncio.run(publish(bootstrap, topic_prefix, made.logs))
    found = invoke(audit_cli.command, "--json")
    assert found.exit_code == 0, found.output
    result = json.loads(found.output.splitlines()[-1])
    letters = sum(len(made.logs["dead-letters", p]) for p in range(PARTITIONS))
    assert (result["wrong_rows"], result["partitions"], result["dead_letters"]) == (0, PARTITIONS, letters)
    assert result["rows_checked"] > 200

    listed = invoke(letters_cli.command, "list", "--json")
    ids = [json.loads(line)["id"] for line in listed.output.splitlines()]
    assert len(ids) == letters
    assert f"id         {ids[0]}" in invoke(letters_cli.command, "show", ids[0]).output
    assert invoke(letters_cli.command, "show", "views:9:9").exit_code == 1

    assert "1 sent back, 0 had" in invoke(letters_cli.command, "retry", ids[0]).output
    assert "0 sent back, 1 had" in invoke(letters_cli.command, "retry", ids[0]).output
    assert f"{letters - 1} sent back, 1 had" in invoke(letters_cli.command, "retry", "--all").output
    assert f"0 sent back, {letters} had" in invoke(letters_cli.command, "retry", "--all").output

    behind = invoke(audit_cli.command, "--json")
    assert behind.exit_code == 2
    reason = json.loads(behind.output.splitlines()[-1])["not_provable"]
    assert "the pipeline is behind" in reason

    again = asyncio.run(read_sources(bootstrap, topic_prefix))
    assert again == sum(len(log) for (topic, _), log in made.logs.items() if topic == "views") + sum(
        letter_id.startswith("views") for letter_id in ids
    )


async def read_sources(bootstrap: str, prefix: str) -> int:
    async with KafkaSource(bootstrap, partitions=PARTITIONS, prefix=prefix) as source:
        return sum([len(await source.read("views", partition)) for partition in range(PARTITIONS)])


def test_an_altered_row_exits_1_and_is_described(bootstrap: str, topic_prefix: str, invoke: Any) -> None:
    made = busy(6, events=100)
    row = next(entry for entry in reversed(made.logs["pairs", 0]) if entry.value is not None)
    made.logs["pairs", 0] = [entry for entry in made.logs["pairs", 0] if entry.key != row.key]
    asyncio.run(publish(bootstrap, topic_prefix, made.logs))
    found = invoke(audit_cli.command)
    assert found.exit_code == 1
    assert json.loads(found.stdout.splitlines()[-1])["wrong_by_table"]["pairs"] == 1
    assert "pairs" in found.stderr
    assert "expected present, found missing" in found.stderr


async def delete_before(bootstrap: str, prefix: str, base: Checkpoint) -> None:
    """Trim all logs of which the checkpoint says enough (Kafka's DeleteRecords)."""
    gone = {
        TopicPartition(prefix + topic, number): RecordsToDelete(before_offset=base.position(topic, number))
        for topic in ("views", "likes", "shares", "video-tallies", "trend-tallies")
        for number in range(PARTITIONS)
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.delete_records(gone)
    await admin.close()


def test_a_trimmed_log_is_provable_from_a_checkpoint_only(
    bootstrap: str, topic_prefix: str, invoke: Any, tmp_path: Path
) -> None:
    made = busy(5, events=200)
    asyncio.run(publish(bootstrap, topic_prefix, made.logs))
    path = tmp_path / "checkpoint"
    found = invoke(audit_cli.command, "--json", "--save", str(path))
    assert found.exit_code == 0, found.output
    asyncio.run(delete_before(bootstrap, topic_prefix, load(path, PARTITIONS)))
    without = invoke(audit_cli.command, "--json")
    assert without.exit_code == 2
    assert "from a checkpoint that an earlier audit saved" in without.output
    with_it = invoke(audit_cli.command, "--json", "--from", str(path))
    assert with_it.exit_code == 0, with_it.output
    right = json.loads(with_it.output.splitlines()[-1])
    assert right["rows_checked"] > 200
    assert right["events"] == json.loads(found.output.splitlines()[-1])["events"]
    sampled = invoke(audit_cli.command, "--sample", "1/1", "--from", str(path))
    assert sampled.exit_code == 0, sampled.output
    assert invoke(audit_cli.command, "--sample", "1/2").exit_code == 2


async def plant(bootstrap: str, topic: str, log: list[Entry]) -> None:
    """Overwrite a row, as a worker that was not fenced would."""
    newest = {entry.key: entry for entry in log if entry.value}
    row = CounterRow.decode(next(e.value for e in newest.values() if e.value and CounterRow.decode(e.value).hours))
    key = next(e.key for e in newest.values() if e.value == row.encode())
    row.totals = (row.totals[0] + 1, *row.totals[1:])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    await producer.send_and_wait(topic, row.encode(), key, 0)
    await producer.stop()


def test_the_self_audit_exports_drift(bootstrap: str, topic_prefix: str, invoke: Any) -> None:
    made = busy(6, events=200)
    asyncio.run(publish(bootstrap, topic_prefix, made.logs))
    environment = {**os.environ, **invoke.environment}
    port = free_port()
    command = [sys.executable, "-m", "streams", "audit", "--sample", "1/1", "--continuous", "--every", "1"]
    with subprocess.Popen(
        [*command, "--metrics-port", str(port)], env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            first = json.loads(running.stdout.readline())
            assert first["drift_rows"] == 0, first
            assert first["rows_checked"] > 200
            asyncio.run(plant(bootstrap, f"{topic_prefix}trends", made.logs["trends", 0]))
            while not (found := json.loads(running.stdout.readline()))["drift_rows"]:
                pass
            assert found["drift_by_table"] == {"trends": 1}
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        finally:
            running.terminate()
            running.wait(20)
    assert "streams_audit_drift_rows 1.0" in text
    assert running.returncode == 1


WRONG_PARTITIONS = [
    (letters_cli.command, ["list"]),
    (letters_cli.command, ["show", "views:0:1"]),
    (letters_cli.command, ["retry", "--all"]),
    (audit_cli.command, ["--json"]),
    (audit_cli.command, ["--sample", "1/10"]),
]


def test_wrong_partitions_and_a_wrong_prefix_are_refused_at_once(
    bootstrap: str, topic_prefix: str, invoke: Any
) -> None:
    asyncio.run(publish(bootstrap, topic_prefix, {}))
    began_s = time.monotonic()
    for command, arguments in WRONG_PARTITIONS:
        for wrong in (PARTITIONS - 1, PARTITIONS + 1):
            invoke.environment["STREAMS_PARTITIONS"] = str(wrong)
            found = invoke(command, *arguments)
            assert found.exit_code == 78, found.output
            assert f"expected {wrong} partitions" in found.stderr
            assert f"{topic_prefix}dead-letters has {PARTITIONS}" in found.stderr
            assert "Set STREAMS_PARTITIONS" in found.stderr
            assert found.stdout == ""
    invoke.environment["STREAMS_TOPIC_PREFIX"] = "elsewhere."
    elsewhere = invoke(letters_cli.command, "list")
    assert (elsewhere.exit_code, "no such topics: elsewhere.dead-letters" in elsewhere.stderr) == (78, True)
    assert time.monotonic() - began_s < 20
