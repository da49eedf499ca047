"""Whether the topics are there, with the partitions that the settings say."""

import asyncio
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from streams.ops.acls import Role
from streams.ops.kafka_client import NotAuthorizedError, client_arguments, diagnose
from streams.ops.rights import require
from streams.settings import EXIT_CONFIG, Settings

WAIT_S = 15.0


class TopicsMissingError(Exception):
    """Some topics do not exist (yet)."""


class PartitionCountError(Exception):
    """A topic has another number of partitions than the settings say. Waiting does not help."""


async def admit(settings: Settings) -> None:
    """NotAuthorizedError if the settings let nobody in, or rights are missing; KafkaError if no Kafka answers."""
    try:
        await require(settings, Role.READER)
    except KafkaConnectionError:
        refusal = await diagnose(str(settings.broker_url), settings)
        if refusal.code == EXIT_CONFIG:
            raise NotAuthorizedError(refusal.line) from None
        raise


async def check_topics(settings: Settings, topics: Sequence[str]) -> None:
    """Raise one of the errors above; KafkaError or TimeoutError if the broker cannot be asked."""
    counts = await _partition_counts(settings, topics)
    absent = [topic for topic in topics if topic not in counts]
    if absent:
        raise TopicsMissingError(f"no such topics: {', '.join(absent)}; run `streams topics apply`")
    wrong = {topic: counts[topic] for topic in topics if counts[topic] != settings.partitions}
    if wrong:
        found = ", ".join(f"{topic} has {count}" for topic, count in wrong.items())
        raise PartitionCountError(
            f"expected {settings.partitions} partitions: {found}. Set STREAMS_PARTITIONS to what the topics have."
        )


async def _partition_counts(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.broker_url, request_timeout_ms=int(WAIT_S * 1000), **client_arguments(settings)
    )
    async with asyncio.timeout(2 * WAIT_S):
        await admin.start()
        try:
            there = set(await admin.list_topics())
            wanted = [topic for topic in topics if topic in there]
            described = await admin.describe_topics(wanted) if wanted else []
        finally:
            await admin.close()
    return {str(topic["topic"]): len(topic["partitions"]) for topic in described}
