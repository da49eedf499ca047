"""What a rebuild deletes and resets, in an order that leaves no state a worker would go on from wrongly."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from streams.ops.acls import COMMITS, DEAD_LETTERS, SOURCES, TABLES, TALLIES, group
from streams.ops.kafka_client import client_arguments
from streams.ops.topic_admin import apply_topics
from streams.settings import Settings
from streams.topics import TOPICS, topic_name

DERIVED = (*TABLES, *TALLIES, COMMITS, DEAD_LETTERS)
"""The tables first: a worker that finds offsets and no tables stops (`tables-lost`)."""
TRIMMED_IN_TIME = tuple(spec.name for spec in TOPICS if spec.name in SOURCES and spec.cleanup_policy == "delete")
WITHIN_S, POLL_S = 60.0, 0.2
UNKNOWN_TOPIC = 3


class RebuildError(Exception):
    """The rebuild cannot go on; the message is one line with the remedy."""


class Plan(NamedTuple):
    """What there is. Names without the prefix."""

    deleted: dict[str, int]
    """Derived topics that exist -> records in them (those compacted away counted too)."""
    begins: dict[tuple[str, int], int]
    """Where each partition of each source begins: the group's offsets to be."""
    lost: dict[str, int]
    """Sources -> records that retention deleted. The tables know them, the rebuilt ones cannot."""


class Cluster:
    """The topics and the group of these settings on a cluster. Use it as an async context manager."""

    def __init__(self, bootstrap: str, settings: Settings) -> None:
        self._bootstrap, self._settings = bootstrap, settings
        self._group = group(settings)
        client = client_arguments(settings)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=self._group, enable_auto_commit=False, **client
        )

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def members(self) -> int:
        """Workers that the group counts as alive. One that was stopped still does, for the session timeout."""
        (answer,) = await self._admin.describe_consumer_groups([self._group])
        ((_, _, _, _, _, members, *_),) = cast("Any", answer).groups
        return len(members)

    async def await_no_members(self, say: Callable[[str], None]) -> None:
        """Return when no worker is left. RebuildError if there is one after a session timeout and 5 s."""
        left_s = self._settings.session_timeout_s + 5
        if await self.members():
            say(f"Waiting up to {left_s:.0f} s for the workers of group {self._group} to be gone.")
        while alive := await self.members():
            if left_s <= 0:
                raise RebuildError(f"{alive} workers of group {self._group} are alive: stop them first.")
            await asyncio.sleep(POLL_S)
            left_s -= POLL_S

    async def plan(self) -> Plan:
        """Look; nothing is changed."""
        there = set(await self._admin.list_topics())
        missing = [name for name in SOURCES if self._real(name) not in there]
        if missing:
            raise RebuildError(f"No topic {', '.join(missing)}: is STREAMS_TOPIC_PREFIX right?")
        derived = [name for name in DERIVED if self._real(name) in there]
        tps = {TopicPartition(self._real(name), n): name for name in (*derived, *SOURCES) for n in self._numbers()}
        begins = await self._consumer.beginning_offsets(list(tps))
        ends = await self._consumer.end_offsets(list(tps))
        deleted, lost = dict.fromkeys(derived, 0), dict.fromkeys(TRIMMED_IN_TIME, 0)
        for tp, name in tps.items():
            if name in deleted:
                deleted[name] += ends[tp] - begins[tp]
            elif name in lost:
                lost[name] += begins[tp]
        positions = {(tps[tp], tp.partition): at for tp, at in begins.items() if tps[tp] in SOURCES}
        return Plan(deleted, positions, {name: count for name, count in lost.items() if count})

    async def rebuild(self, plan: Plan) -> None:
        """Do it. Cut off anywhere, it can be repeated, and no worker starts before it is done."""
        for step in (TABLES, DERIVED):
            await self._delete([name for name in step if name in plan.deleted])
        await self._reset({TopicPartition(self._real(topic), n): at for (topic, n), at in plan.begins.items()})
        await apply_topics(self._bootstrap, self._settings)
        await self._reset({TopicPartition(self._real(topic), n): 0 for topic in TALLIES for n in self._numbers()})

    async def _delete(self, names: Iterable[str]) -> None:
        gone = {self._real(name) for name in names} & set(await self._admin.list_topics())
        if not gone:
            return
        answer = cast("Any", await self._admin.delete_topics(sorted(gone), timeout_ms=int(WITHIN_S * 1000)))
        for topic, code in answer.topic_error_codes:
            if code not in {0, UNKNOWN_TOPIC}:
                raise RebuildError(f"Cannot delete {topic}: {for_code(code).description}")
        try:
            async with asyncio.timeout(WITHIN_S):
                while gone & set(await self._admin.list_topics()):  # noqa: ASYNC110  # another process deletes them
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise RebuildError(f"Topics were not deleted within {WITHIN_S:.0f} s: repeat the command.") from error

    async def _reset(self, offsets: dict[TopicPartition, int]) -> None:
        self._consumer.assign(list(offsets))
        await asyncio.wait_for(self._consumer.commit(offsets), WITHIN_S)

    def _real(self, name: str) -> str:
        return topic_name(self._settings, name)

    def _numbers(self) -> range:
        return range(self._settings.partitions)
