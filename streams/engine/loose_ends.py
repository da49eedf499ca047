"""Transactions whose end Kafka lost: found when a unit is taken over, and ended before anything of it is read.

A broker that is fenced while a transaction ends takes partitions that have no leader just then for deleted and drops
their markers ("Couldn't find leader endpoint ... likely deleted already" in its log). The records there stay open, and
the next transaction of the same producer would decide about them as if they were its own.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from streams.engine.exits import ExitCode, leave
from streams.engine.unit import Unit
from streams.wire.lookup import look_up
from streams.wire.transactions import open_partitions, state_of

WITHIN_S = 30.0
COMMITTED = ("PrepareCommit", "CompleteCommit")


async def last_states(units: Sequence[Unit], consumer: Any) -> dict[int, str]:
    """By number: the state of the last transaction of each unit's predecessors. Before the fence: it forgets."""
    ids = [unit.producer.transactional_id for unit in units]
    async with asyncio.timeout(WITHIN_S):
        states = await asyncio.gather(*(state_of(consumer._client, each) for each in ids))
    return {unit.number: state for unit, state in zip(units, states, strict=True)}


async def end_all(units: Sequence[Unit], states: Mapping[int, str], consumer: Any) -> None:
    """End what predecessors of these units left open as their last transaction did; exit 70 if that fails.

    After the fence they have no transaction under way: an open one has lost its end. Brokers are asked once for all
    units: most write to the same partitions.
    """
    places = {unit: written_by(unit) for unit in units}
    everywhere = set().union(*places.values())
    try:
        async with asyncio.timeout(WITHIN_S):
            await look_up(consumer, {tp.topic for tp in everywhere})
            writers = await open_partitions(consumer._client, everywhere)
            await asyncio.gather(
                *(
                    unit.producer.end_surely(own, commit=states[unit.number] in COMMITTED)
                    for unit, own in places.items()
                    if unit.producer.mine(writers)
                )
            )
    except TimeoutError:
        leave(ExitCode.RESTART, "transaction-without-end", partitions=[unit.number for unit in units])


def written_by(unit: Unit) -> set[TopicPartition]:
    """Every partition that this unit may write to."""
    options, stages = unit.options, unit.stages
    own = {*unit.tables, options.commits_topic, options.dead_letters_topic, *(t for s in stages for t in s.outputs)}
    everywhere = {topic for stage in stages for topic in stage.internal}
    return {TopicPartition(unit.real(topic), unit.number) for topic in own} | {
        TopicPartition(unit.real(topic), number) for topic in everywhere for number in range(options.partitions)
    }
