"""What brokers know of transactions: two requests that aiokafka lacks (KIP-664)."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition, errors
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

AGAIN_S = 0.1
NO_TRANSACTION = -1
UNKNOWN_ID = 105
"""Error code: nobody has used this transactional id, or not for a week."""
TEXT = CompactString("utf-8")


def _array(*fields: tuple[str, Any]) -> Any:
    """Of structs with these fields, as versions with tags write them."""
    return CompactArray(*fields, ("tags", TaggedFields))


def _schema(*fields: tuple[str, Any]) -> Any:
    return Schema(*fields, ("tags", TaggedFields))


class _DescribeProducersResponse(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 61, 0
    _PRODUCERS = _array(
        ("producer_id", Int64), ("producer_epoch", Int32), ("last_sequence", Int32), ("last_timestamp", Int64),
        ("coordinator_epoch", Int32), ("current_txn_start_offset", Int64),
    )  # fmt: skip
    _PARTITIONS = _array(
        ("partition_index", Int32), ("error_code", Int16), ("error_message", TEXT), ("active_producers", _PRODUCERS)
    )
    SCHEMA = _schema(("throttle_time_ms", Int32), ("topics", _array(("name", TEXT), ("partitions", _PARTITIONS))))


class _DescribeProducersRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 61, 0, _DescribeProducersResponse
    SCHEMA = _schema(("topics", _array(("name", TEXT), ("partitions", CompactArray(Int32)))))


class DescribeProducers(Request[_DescribeProducersRequest]):  # type: ignore[misc]
    """Producers that wrote to these partitions of late."""

    API_KEY = 61

    def __init__(self, partitions: dict[str, list[int]]) -> None:
        self._topics: list[Any] = [(topic, numbers, {}) for topic, numbers in partitions.items()]

    def build(self, request_struct_class: type[_DescribeProducersRequest]) -> _DescribeProducersRequest:
        return request_struct_class(self._topics, {})


class _DescribeTransactionsResponse(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 65, 0
    _STATES = _array(
        ("error_code", Int16), ("transactional_id", TEXT), ("transaction_state", TEXT),
        ("transaction_timeout_ms", Int32), ("transaction_start_time_ms", Int64), ("producer_id", Int64),
        ("producer_epoch", Int16), ("topics", _array(("topic", TEXT), ("partitions", CompactArray(Int32)))),
    )  # fmt: skip
    SCHEMA = _schema(("throttle_time_ms", Int32), ("transaction_states", _STATES))


class _DescribeTransactionsRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 65, 0, _DescribeTransactionsResponse
    SCHEMA = _schema(("transactional_ids", CompactArray(TEXT)))


class DescribeTransactions(Request[_DescribeTransactionsRequest]):  # type: ignore[misc]
    """State of these transactional ids."""

    API_KEY = 65

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids

    def build(self, request_struct_class: type[_DescribeTransactionsRequest]) -> _DescribeTransactionsRequest:
        return request_struct_class(self._ids, {})


async def open_partitions(client: AIOKafkaClient, tps: Iterable[TopicPartition]) -> dict[TopicPartition, set[int]]:
    """By partition: ids of the producers that have a transaction open there. KafkaError for what does not pass.

    Waits, without a limit of its own, for partitions that have no leader or a new one.
    """
    found: dict[TopicPartition, set[int]] = {}
    left = set(tps)
    while left:
        by_node: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for tp in left:
            node = client.cluster.leader_for_partition(tp)
            if node is not None and node >= 0:
                by_node[node][tp.topic].append(tp.partition)
        for node, partitions in by_node.items():
            found |= await _open_at(client, node, partitions)
        left -= found.keys()
        if left:
            await client.force_metadata_update()
            await asyncio.sleep(AGAIN_S)
    return found


async def _open_at(
    client: AIOKafkaClient, node: int, partitions: dict[str, list[int]]
) -> dict[TopicPartition, set[int]]:
    found = {}
    try:
        answer: Any = await client.send(node, DescribeProducers(dict(partitions)))
    except errors.KafkaError as error:
        if not error.retriable:
            raise
        return {}
    for topic, described, _ in answer.topics:
        for number, code, _, producers, _ in described:
            refused = errors.for_code(code)
            if refused is errors.NoError:
                found[TopicPartition(topic, number)] = {one[0] for one in producers if one[5] != NO_TRANSACTION}
            elif not refused.retriable:
                raise refused(f"{topic}-{number}")
    return found


async def state_of(client: AIOKafkaClient, transactional_id: str) -> str:
    """State that the coordinator has: `Ongoing`, `CompleteCommit`, ...; empty if it does not know the id."""
    while True:
        try:
            node = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
            answer: Any = await client.send(node, DescribeTransactions([transactional_id]))
            code, _, state, *_ = answer.transaction_states[0]
            if code == UNKNOWN_ID:
                return ""
            refused = errors.for_code(code)
            if refused is errors.NoError:
                return str(state)
            if not refused.retriable:
                raise refused(transactional_id)
        except errors.KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(AGAIN_S)
