"""What `streams broker` says of its Kafka: up, topics, partitions, bytes on disk. Looked at every 5 s from a thread."""

import asyncio
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.ops.health import Health
from streams.ops.metrics import METRICS
from streams.tools.broker import probe
from streams.tools.broker.process import Broker

EVERY_S = 5.0
WAIT_S = 10.0
KAFKA = "kafka"
TRIES = 3
STARTS = "starts"


def count_start(data_dir: Path) -> int:
    """Count one more start in this data folder -> starts so far."""
    path = data_dir / STARTS
    try:
        starts = int(path.read_text("utf-8")) + 1
    except (OSError, ValueError):  # none yet, or cut off by a kill
        starts = 1
    path.write_text(str(starts), "utf-8")
    return starts


class BrokerMeasures(threading.Thread):
    """Keeps the metrics and the health up to date as long as the process lives."""

    def __init__(self, broker: Broker, health: Health) -> None:
        super().__init__(name="broker-measures", daemon=True)
        self._broker = broker
        self._health = health

    def run(self) -> None:
        while True:
            self.look()
            time.sleep(EVERY_S)

    def look(self) -> None:
        """Measure what is there now. What cannot be asked keeps its last value; `broker_up` says so."""
        host, _, port = self._broker.bootstrap.partition(":")
        # A busy machine misses one now and then.
        up = any(probe.answers(host, int(port)) for _ in range(TRIES))
        METRICS.broker_up.set(up)
        if up:
            self._health.ready(KAFKA)
            self._topics()
        else:
            self._health.not_ready(KAFKA, "Kafka does not answer")
        METRICS.broker_log_bytes.set(log_bytes(self._broker.data_dir / "logs"))
        usage = shutil.disk_usage(self._broker.data_dir)
        METRICS.disk_free_bytes.set(usage.free)
        METRICS.disk_size_bytes.set(usage.total)
        try:
            METRICS.broker_resident_bytes.set(psutil.Process(self._broker.pid).memory_info().rss)
        except psutil.Error:
            METRICS.broker_resident_bytes.set(0)

    def _topics(self) -> None:
        try:
            topics = asyncio.run(_describe(self._broker.bootstrap))
        except (KafkaError, TimeoutError):
            return
        partitions = [partition for topic in topics for partition in topic["partitions"]]
        METRICS.broker_topics.set(len(topics))
        METRICS.broker_partitions.set(len(partitions))
        METRICS.broker_under_replicated_partitions.set(sum(len(p["isr"]) < len(p["replicas"]) for p in partitions))


async def _describe(bootstrap: str) -> list[dict[str, Any]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(WAIT_S * 1000))
    async with asyncio.timeout(WAIT_S):
        await admin.start()
        try:
            return list(await admin.describe_topics())
        finally:
            await admin.close()


def log_bytes(logs: Path) -> int:
    """Size of all files under `logs`; those that Kafka deletes meanwhile count nothing."""
    total = 0
    for path in logs.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
