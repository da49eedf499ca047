"""Checks of the cluster: versions, topics, replicas, rights, the workers' group."""

from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn

from streams.engine.membership import members
from streams.ops.acls import SOURCES, TALLIES, Acl, Role, acls, group
from streams.ops.kafka_client import client_arguments, principal
from streams.ops.rights import missing
from streams.ops.topic_admin import check_topics
from streams.settings import Settings
from streams.tools.doctor.check import Check, error, ok, warning
from streams.tools.doctor.logs import ends
from streams.topics import specs, topic_name

NEEDED = {
    "Produce": (0, 3), "Fetch": (1, 4), "ListOffsets": (2, 1), "Metadata": (3, 8), "OffsetFetch": (9, 1),
    "JoinGroup": (11, 5), "DescribeGroups": (15, 3), "InitProducerId": (22, 0), "AddPartitionsToTxn": (24, 0),
    "AddOffsetsToTxn": (25, 0), "EndTxn": (26, 0), "TxnOffsetCommit": (28, 0), "DescribeConfigs": (32, 0),
}  # fmt: skip
"""Requests we send: API key and the version we cannot do without. JoinGroup 5 keeps a restarted worker's seat."""


async def broker(bootstrap: str, settings: Settings) -> Check:
    """Whether it speaks the versions needed; that it lets us in was found out before."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].strip().rpartition(":")
    connection = await create_conn(host, int(port), **client_arguments(settings))
    spoken = dict(connection._versions)  # noqa: SLF001
    connection.close()
    return speaks(bootstrap, spoken, principal(settings))


def speaks(bootstrap: str, spoken: dict[int, tuple[int, int]], who: str) -> Check:
    """Judge the API versions a broker offers."""
    lacking = [f"{name} v{least}" for name, (key, least) in NEEDED.items() if spoken.get(key, (0, -1))[1] < least]
    if lacking:
        return error("broker", f"{bootstrap} does not know {', '.join(lacking)}", "Use Kafka 2.4 or newer.")
    return ok("broker", f"{bootstrap} lets {who} in and speaks all versions needed")


async def topics(bootstrap: str, settings: Settings) -> Check:
    """Existence, partition count, cleanup policy, timestamp type."""
    wrong = await check_topics(bootstrap, settings)
    if not wrong:
        return ok("topics", f"all {len(specs(settings))} as declared")
    found = "; ".join(f"{item.topic}: {item.what} is {item.found}, not {item.wanted}" for item in wrong)
    return error("topics", found, " ".join(dict.fromkeys(item.remedy for item in wrong)))


async def replicas(bootstrap: str, settings: Settings) -> Check:
    """Whether every partition of ours has a leader and all its replicas."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_arguments(settings))
    await admin.start()
    try:
        described = await admin.describe_topics([topic.name for topic in specs(settings)])
        brokers = len((await admin.describe_cluster())["brokers"])
    finally:
        await admin.close()
    return replicated([part for topic in described for part in topic["partitions"]], brokers)


def replicated(partitions: Sequence[dict[str, Any]], brokers: int) -> Check:
    """Judge partitions as Kafka describes them."""
    leaderless = sum(part["leader"] < 0 for part in partitions)
    behind = sum(len(part["isr"]) < len(part["replicas"]) for part in partitions)
    single = sum(len(part["replicas"]) == 1 for part in partitions)
    if leaderless:
        return error("replicas", f"{leaderless} partitions without a leader", "Start the broker that is away.")
    if behind:
        return warning("replicas", f"{behind} partitions lack replicas in sync", "Look at the brokers' logs and disks.")
    if single and brokers > 1:
        remedy = "Set STREAMS_REPLICATION=3 before topics are created; raise it later with kafka-reassign-partitions."
        return warning("replicas", f"{single} partitions lie on one of {brokers} brokers only", remedy)
    return ok("replicas", f"{len(partitions)} partitions, all in sync on {brokers} broker{'s' * (brokers > 1)}")


async def rights(settings: Settings, role: Role) -> Check:
    """Whether we may do what `role` does."""
    lacking = await missing(settings, acls(settings, role))
    if lacking:
        found = f"{principal(settings)} as {role} may not " + ", ".join(
            f"{' and '.join(acl.operations)} {acl}" for acl in lacking
        )
        return error("rights", found, f"Grant them: `streams acls print {role}`.")
    return ok("rights", f"{principal(settings)} may do what a {role} does")


async def workers(bootstrap: str, settings: Settings) -> Check:
    """Who folds, and how many records wait."""
    client = client_arguments(settings)
    # Returns once a new cluster has made the coordinator of its first group.
    await missing(settings, [Acl("group", group(settings), ("Describe",))])
    seated = await members(bootstrap, client, group(settings))
    names = [topic_name(settings, name) for name in (*SOURCES, *TALLIES)]
    places = [TopicPartition(name, number) for name in names for number in range(settings.partitions)]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client)
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(group(settings), partitions=places)
    finally:
        await admin.close()
    begun = {place: (begin, end) for place, (begin, end) in (await ends(bootstrap, settings, places)).items()}
    waiting = {place: end - max(begin, committed[place].offset) for place, (begin, end) in begun.items()}
    return folding(group(settings), len(seated), {place: lag for place, lag in waiting.items() if lag > 0})


def folding(name: str, seated: int, waiting: dict[TopicPartition, int]) -> Check:
    """Judge members and lag of the group."""
    lag = sum(waiting.values())
    found = f"group {name}: {seated} workers, {lag} records to fold"
    if waiting:
        worst = max(waiting, key=lambda place: waiting[place])
        found += f", most in {worst.topic} partition {worst.partition}"
    if not seated:
        return warning("workers", found, "Start `streams worker`; if one runs, compare STREAMS_APP_ID and the prefix.")
    return ok("workers", found)
