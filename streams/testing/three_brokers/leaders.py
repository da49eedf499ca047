"""Who leads which partition and which replicas are in sync, as the brokers say."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

OFFSETS, TRANSACTIONS = "__consumer_offsets", "__transaction_state"
LOOK_EVERY_S = 0.25
ASK_S = 2.0


class Partition(NamedTuple):
    """Metadata of one partition; `leader` is -1 while there is none."""

    topic: str
    number: int
    leader: int
    in_sync: frozenset[int]
    preferred: int
    """The first of its replicas: the leader that Kafka elects when all is well."""


class Changes:
    """Counts partitions whose leader is another one than it was; those of a look without a leader keep the last."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._leaders: dict[tuple[str, int], int] = {}
        self.counts: Counter[str] = Counter()
        """By topic, and `coordinator` for the partition of offsets that coordinates the group."""

    def saw(self, partitions: Iterable[Partition]) -> None:
        """One look at all partitions."""
        there = list(partitions)
        place = coordinating(self._group, sum(partition.topic == OFFSETS for partition in there))
        for topic, number, leader, _, _ in there:
            if leader < 0:
                continue
            if self._leaders.get((topic, number), leader) != leader:
                self.counts[topic] += 1
                self.counts["coordinator"] += (topic, number) == (OFFSETS, place)
            self._leaders[topic, number] = leader

    def figures(self) -> dict[str, int]:
        """For the last line."""
        return {
            "leader_changes": self.counts.total() - self.counts["coordinator"],
            "group_coordinator_changes": self.counts["coordinator"],
            "transaction_coordinator_changes": self.counts[TRANSACTIONS],
        }


def coordinating(group: str, partitions: int) -> int:
    """Number of the partition of offsets whose leader coordinates the group: Java's hash of its name."""
    if not partitions:
        return -1
    value = 0
    for letter in group:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    return abs(value - (1 << 32) if value >= 1 << 31 else value) % partitions


class Leaders:
    """A client of the cluster. `watch` has to run for `changes` to be complete."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._admin = AdminClient(
            {
                "bootstrap.servers": bootstrap,
                # One that does not answer is left for another.
                "socket.timeout.ms": int(ASK_S * 1000),
                # That brokers go away is what is played here; the limit for lines of the client is `emergency`.
                "log_level": 0,
            }
        )
        self.changes = Changes(group)

    async def watch(self) -> None:
        """Look until cancelled; a look that fails is made again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> list[Partition]:
        """All partitions, those of Kafka's own topics too; empty if nobody answers now."""
        try:
            found = await asyncio.to_thread(self._admin.list_topics, timeout=ASK_S)
        except KafkaException:
            return []
        partitions = [
            Partition(name, number, partition.leader, frozenset(partition.isrs), partition.replicas[0])
            for name, topic in found.topics.items() for number, partition in topic.partitions.items()
        ]  # fmt: skip
        self.changes.saw(partitions)
        return partitions

    async def all_well(self, replicas: int, within_s: float) -> str | None:
        """Wait until all partitions have so many replicas in sync and the leader preferred -> None; else what lacks."""
        deadline_s = time.monotonic() + within_s
        while True:
            partitions = await self.look()
            ill = [item for item in partitions if item.leader != item.preferred or len(item.in_sync) < replicas]
            if partitions and not ill:
                return None
            if time.monotonic() > deadline_s:
                return f"{len(ill)} of {len(partitions)} partitions lack replicas or their leader, as {ill[:1]}"
            await asyncio.sleep(LOOK_EVERY_S)
