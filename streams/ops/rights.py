"""Asks Kafka, before any work, for rights that are missing: all of them at once, by name."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    NotCoordinatorError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.transaction import EndTxnRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from streams.ops.acls import Acl, Role, acls
from streams.ops.kafka_client import NotAuthorizedError, client_arguments, principal
from streams.settings import Settings

WAIT_S = 15.0
POLL_S = 0.1
NO_ERROR = 0
NOT_YET = {error.errno for error in (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)}
NEITHER_CREATE_NOR_CLUSTER, TOPIC_RIGHTS, GROUP_RIGHTS, ABORT = (False, False), True, True, False
TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
CODES = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
"""Kafka's numbers of operations: a bit each in `authorized_operations`."""


class MetadataResponse_v8(Response):  # type: ignore[misc]  # noqa: N801  # untyped; aiokafka's way to name versions
    """Metadata that say what the asker may do; aiokafka itself asks up to version 5."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class MetadataRequest_v8(RequestStruct):  # type: ignore[misc]  # noqa: N801  # the same
    """The request for it."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse_v8
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class DescribeGroupsRequest_v3(RequestStruct):  # type: ignore[misc]  # noqa: N801  # the same
    """aiokafka's own reads the answer of version 2, without the rights."""

    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String())), ("include_authorized_operations", Boolean))


class _TopicRights(Request[MetadataRequest_v8]):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[MetadataRequest_v8]) -> MetadataRequest_v8:
        return request_struct_class(self._topics, *NEITHER_CREATE_NOR_CLUSTER, TOPIC_RIGHTS)


class _GroupRights(Request[DescribeGroupsRequest_v3]):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY: ClassVar[int] = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[DescribeGroupsRequest_v3]) -> DescribeGroupsRequest_v3:
        return request_struct_class([self._group], GROUP_RIGHTS)


async def require(settings: Settings, *roles: Role) -> None:
    """NotAuthorizedError names every right of the roles that is missing; KafkaError if Kafka cannot be asked."""
    wanted = [acl for role in roles for acl in acls(settings, role)]
    found = await missing(settings, wanted)
    if found:
        who = principal(settings)
        lines = [f"{who} has no right to {' and '.join(acl.operations)} {acl}." for acl in found]
        raise NotAuthorizedError(
            "\n".join([*lines, f"Grant it: `streams acls print {roles[0]}` lists all rights needed."])
        )


async def missing(settings: Settings, wanted: Iterable[Acl]) -> list[Acl]:
    """Of these rights, those that Kafka denies; without an authorizer it denies none. Nothing is written.

    A topic that may not even be described is returned with all that was wanted of it: Kafka says no more.
    """
    wanted = list(wanted)
    admin = AIOKafkaAdminClient(bootstrap_servers=str(settings.broker_url), **client_arguments(settings))
    try:
        async with asyncio.timeout(WAIT_S):
            await admin.start()
            topics = await _topics(admin, [acl.name for acl in wanted if acl.kind == "topic"])
            allowed = {acl: await _allowed(admin, acl, topics) for acl in wanted}
    except TimeoutError as error:
        raise KafkaConnectionError(f"no answer within {WAIT_S:.0f} s") from error
    finally:
        await admin.close()
    denied = [(acl, tuple(op for op in acl.operations if op not in allowed[acl])) for acl in wanted]
    return [acl._replace(operations=operations) for acl, operations in denied if operations]


async def _allowed(admin: AIOKafkaAdminClient, acl: Acl, topics: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if acl.kind == "topic":
        return topics[acl.name]
    if acl.kind == "group":
        return await _group(admin, acl.name)
    # No worker has this producer id: Kafka checks the right, then refuses the transaction it does not know.
    name = acl.name + ("0" if acl.prefixed else "")
    answer = cast("Any", await admin._send_request(EndTxnRequest(name, -1, -1, ABORT)))  # noqa: SLF001
    denied = answer.error_code == TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    return frozenset() if denied else frozenset(acl.operations)


async def _topics(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, frozenset[str]]:
    if not names:
        return {}
    answer = cast("Any", await admin._send_request(_TopicRights(names)))  # noqa: SLF001
    found = {}
    for error, name, _internal, _partitions, bits in answer.topics:
        # A topic that is not there is no question of rights; who may not even describe it is told otherwise.
        absent = error == UnknownTopicOrPartitionError.errno
        found[name] = frozenset(CODES) if absent else _operations(bits)
    return found


async def _group(admin: AIOKafkaAdminClient, name: str) -> frozenset[str]:
    """Asked again while the cluster's first group waits for its coordinator: `missing` ends the wait."""
    while True:
        try:
            node = await admin.find_coordinator(name)
        except GroupAuthorizationFailedError:
            return frozenset()
        except CoordinatorNotAvailableError:
            await asyncio.sleep(POLL_S)
            continue
        answer = cast("Any", await admin._send_request(_GroupRights(name), node))  # noqa: SLF001
        ((error, _group_name, _state, _type, _protocol, _members, bits),) = answer.groups
        if error not in NOT_YET:
            return _operations(bits) if error == NO_ERROR else frozenset()
        await asyncio.sleep(POLL_S)


def _operations(bits: int) -> frozenset[str]:
    return frozenset(name for name, code in CODES.items() if bits > 0 and bits >> code & 1)
