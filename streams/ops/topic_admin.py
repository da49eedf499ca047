"""Creates the declared topics on a cluster and compares what is there with what is declared."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from streams.ops.kafka_client import client_arguments
from streams.settings import Settings
from streams.topics import Topic, specs

CREATE_TIMEOUT_S = 30.0
POLL_S = 0.1
ALREADY_EXISTS = 36
CHECKED = ("cleanup.policy", "message.timestamp.type")


class Mismatch(NamedTuple):
    """One topic is not what the settings demand; `remedy` is what to do about it."""

    topic: str
    what: str
    wanted: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, not {self.wanted}. {self.remedy}"


class TopicError(Exception):
    """The cluster refused to create a topic, or its partitions got no leader in time."""


async def apply_topics(bootstrap: str, settings: Settings) -> list[str]:
    """Create what is missing and wait until it can be written -> names created. What exists is left as it is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_arguments(settings))
    await admin.start()
    try:
        wanted = specs(settings)
        existing = set(await admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        if missing:
            await _create(admin, missing)
        await _await_leaders(admin, wanted)
    finally:
        await admin.close()
    return [topic.name for topic in missing]


async def check_topics(bootstrap: str, settings: Settings) -> list[Mismatch]:
    """Every difference in existence, partition count, cleanup policy and timestamp type; empty if all is well."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_arguments(settings))
    await admin.start()
    try:
        wanted = specs(settings)
        partitions = await _partition_counts(admin)
        configs = await _configs(admin, [topic.name for topic in wanted if topic.name in partitions])
    finally:
        await admin.close()
    found = []
    for topic in wanted:
        found += _compare(topic, partitions.get(topic.name), configs.get(topic.name, {}))
    return found


def _compare(topic: Topic, partitions: int | None, config: Mapping[str, str]) -> list[Mismatch]:
    if partitions is None:
        return [Mismatch(topic.name, "topic", "there", "missing", "Run `streams topics apply`.")]
    found = []
    if partitions != topic.partitions:
        remedy = f"Set STREAMS_PARTITIONS={partitions}, or use another STREAMS_TOPIC_PREFIX (keys cannot move)."
        found.append(Mismatch(topic.name, "partition count", str(topic.partitions), str(partitions), remedy))
    return found + [
        Mismatch(topic.name, name, topic.config[name], str(config.get(name)), _remedy(name, config))
        for name in CHECKED
        if config.get(name) != topic.config[name]
    ]


def _remedy(name: str, config: Mapping[str, str]) -> str:
    if name == "message.timestamp.type":
        mode = "history" if config.get(name) == "CreateTime" else "live"
        return f"Set STREAMS_TIME_MODE={mode}, or use another STREAMS_TOPIC_PREFIX."
    return "Set it on the cluster with Kafka's kafka-configs tool, or use another STREAMS_TOPIC_PREFIX."


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    new = [NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=topic.config) for topic in topics]
    response = cast("_Created", await admin.create_topics(new, timeout_ms=int(CREATE_TIMEOUT_S * 1000)))
    for name, code, message in response.topic_errors:
        # Workers that start together create together: whoever comes second finds it done.
        if code not in {0, ALREADY_EXISTS}:
            raise TopicError(f"Cannot create topic {name}: {message or for_code(code).description}")


async def _await_leaders(admin: AIOKafkaAdminClient, wanted: tuple[Topic, ...]) -> None:
    try:
        async with asyncio.timeout(CREATE_TIMEOUT_S):
            while not _all_led(await _describe(admin), wanted):  # noqa: ASYNC110 - another process leads them
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise TopicError(f"Topics got no leader within {CREATE_TIMEOUT_S:.0f} s: is every broker up?") from error


def _all_led(topics: Mapping[str, list[dict[str, Any]]], wanted: tuple[Topic, ...]) -> bool:
    return all(
        topics.get(topic.name) and all(partition["leader"] >= 0 for partition in topics[topic.name]) for topic in wanted
    )


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    return {name: len(partitions) for name, partitions in (await _describe(admin)).items()}


async def _describe(admin: AIOKafkaAdminClient) -> dict[str, list[dict[str, Any]]]:
    found = await admin.describe_topics()
    return {topic["topic"]: topic["partitions"] for topic in found if topic["error_code"] == 0}


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, configs=dict.fromkeys(CHECKED)) for name in names]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(wanted):
        for _code, _message, _type, name, entries in cast("_Described", response).resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


class _Created(Protocol):
    topic_errors: list[tuple[str, int, str | None]]


class _Described(Protocol):
    resources: list[tuple[int, str | None, int, str, list[tuple[Any, ...]]]]
