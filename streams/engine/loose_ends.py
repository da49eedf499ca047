"""Transactions whose end Kafka lost: found when a unit is taken over, and taken back before anything of it is read.

A broker that is fenced while a transaction ends takes its partitions, which have no leader just then, for deleted and
drops their markers ("Couldn't find leader endpoint ... likely deleted already" in its log). The records stay open, and
the next transaction of the same producer would decide about them as if they were its own.
"""

import asyncio
import copy
import time
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition

from streams.engine.exits import ExitCode, leave
from streams.engine.unit import Unit
from streams.wire.lookup import look_up

log = structlog.get_logger("streams.engine")

WITHIN_S = 30.0
AGAIN_S = 0.2
REQUEST_MS = 10_000
READ_UNCOMMITTED = 0


async def open_ends(consumer: Any, tps: Sequence[TopicPartition]) -> set[TopicPartition]:
    """Of these, the partitions with records of a transaction that has not ended. `consumer` reads committed records."""
    # A copy, as the consumer may be fetching: what it fetched meanwhile would not be committed.
    plain = copy.copy(consumer._fetcher)
    plain._isolation_level = READ_UNCOMMITTED
    stable = await consumer.end_offsets(tps)
    tops = await plain.end_offsets(tps, REQUEST_MS)
    return {tp for tp in tps if tops[tp] > stable[tp]}


async def take_back(units: Iterable[Unit], consumer: Any) -> None:
    """Abort what was left open by predecessors of these units, whose producers were fenced; exit 70 if that fails.

    After the fence no transaction of theirs is open, and nobody else writes to their tables: an open end is a lost one.
    """
    by_table = {TopicPartition(unit.real(table), unit.number): unit for unit in units for table in unit.tables}
    deadline_s = time.monotonic() + WITHIN_S
    await look_up(consumer, {tp.topic for tp in by_table})
    while by_table and (found := await open_ends(consumer, list(by_table))):
        if time.monotonic() > deadline_s:
            leave(ExitCode.RESTART, "transaction-without-end", partitions=sorted(f"{t}-{p}" for t, p in found))
        for unit in {by_table[tp] for tp in found}:
            log.warning("transaction-taken-back", partition=unit.number)
            source = TopicPartition(unit.real(unit.stages[0].topics[0]), unit.number)
            await asyncio.wait_for(unit.producer.abort(written_by(unit), source), unit.options.flush_timeout_s)
        await asyncio.sleep(AGAIN_S)


def written_by(unit: Unit) -> set[TopicPartition]:
    """Every partition that this unit may write to."""
    options, stages = unit.options, unit.stages
    own = {*unit.tables, options.commits_topic, options.dead_letters_topic, *(t for s in stages for t in s.outputs)}
    everywhere = {topic for stage in stages for topic in stage.internal}
    return {TopicPartition(unit.real(topic), unit.number) for topic in own} | {
        TopicPartition(unit.real(topic), number) for topic in everywhere for number in range(options.partitions)
    }
