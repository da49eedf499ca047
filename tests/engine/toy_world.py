"""Toy workers on a real Kafka: topics, input, processes, and the recount that every table must equal."""

import asyncio
import collections
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.engine import toy

ROOT = Path(__file__).parents[2]


async def read(bootstrap: str, topic: str, *, committed: bool = True) -> list[Any]:
    """All records of a topic, to the ends seen now."""
    level = "read_committed" if committed else "read_uncommitted"
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level=level, auto_offset_reset="earliest")
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(toy.PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        records: list[Any] = []
        async with asyncio.timeout(30):
            while not all([await consumer.position(tp) >= ends[tp] for tp in tps]):
                for fetched in (await consumer.getmany(timeout_ms=100)).values():
                    records += fetched
        return records
    finally:
        await consumer.stop()


class ToyWorld:
    """One prefix of topics with its input and its workers, processes of `module`."""

    module = "tests.engine.toy"

    def __init__(self, bootstrap: str, prefix: str, folder: Path) -> None:
        self.bootstrap, self.prefix, self.folder = bootstrap, prefix, folder
        self.random = random.Random(prefix)
        self.by_key: collections.Counter[bytes] = collections.Counter()
        self.by_word: collections.Counter[bytes] = collections.Counter()
        self.bad = 0
        self.workers: list[asyncio.subprocess.Process] = []

    async def create(self, **configs: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        compact = {"cleanup.policy": "compact", **configs}
        await admin.create_topics(
            [
                NewTopic(self.prefix + name, toy.PARTITIONS, 1, topic_configs=compact if name.startswith("by-") else {})
                for name in toy.TOPICS
            ]
        )
        await admin.close()
        await self.produce(1)

    async def produce(self, count: int, keys: int = 300) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5, enable_idempotence=True)
        await producer.start()
        futures = []
        for _ in range(count):
            key = b"k%d" % self.random.randrange(keys)
            word = bytes([97 + self.random.randrange(26)]) if self.random.random() > 0.01 else b"4!"
            if word.isalpha():
                self.by_key[key] += 1
                self.by_word[word] += 1
            else:
                self.bad += 1
            partition = sum(key) % toy.PARTITIONS
            futures.append(await producer.send(self.prefix + "words", word, key=key, partition=partition))
        await asyncio.gather(*futures)
        await producer.stop()

    async def start(self, name: str = "a", failpoint: str = "", **options: float) -> asyncio.subprocess.Process:
        log = (self.folder / f"{name}.log").open("ab")
        environ = {**os.environ, "STREAMS_FAILPOINT": failpoint}
        given = {"flush_s": 0.05, "sweep_s": 0.3, "row_budget": 60, "flush_timeout_s": 20.0, **options}
        arguments = [f"{option}={value}" for option, value in given.items()]
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.module, self.bootstrap, self.prefix, str(self.folder / name), *arguments,
            cwd=ROOT, env=environ, stdout=log, stderr=log,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    async def table(self, name: str) -> dict[bytes, int]:
        rows: dict[bytes, bytes | None] = {}
        for record in await read(self.bootstrap, self.prefix + name):
            if not record.key.startswith(b"\0"):
                rows[b"%d/" % record.partition + record.key] = record.value
        merged: collections.Counter[bytes] = collections.Counter()
        for key, value in rows.items():
            if value is None:
                continue
            merged[key.split(b"/", 1)[1]] += int(value)
        return dict(merged)

    async def drained(self, within_s: float = 40.0) -> None:
        """Wait until both tables hold as many words as were written."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            totals = [sum((await self.table(name)).values()) for name in ("by-key", "by-word")]
            if min(totals) >= self.by_key.total():
                return
            await asyncio.sleep(0.3)
        raise TimeoutError(f"{self.prefix}: {totals} of {self.by_key.total()}; logs in {self.folder}")

    async def check(self) -> None:
        """Every count equals the recount, every bad record has one dead letter."""
        assert await self.table("by-key") == dict(self.by_key)
        assert await self.table("by-word") == dict(self.by_word)
        letters = await read(self.bootstrap, self.prefix + "dead-letters")
        assert len({letter.key for letter in letters}) == len(letters) == self.bad

    async def stop(self) -> None:
        for worker in self.workers:
            if worker.returncode is None:
                worker.terminate()
        for worker in self.workers:
            try:
                await asyncio.wait_for(worker.wait(), 15)
            except TimeoutError:
                worker.kill()
                await worker.wait()
