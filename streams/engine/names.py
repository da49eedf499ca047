"""What a transaction writes to is named to its coordinator before anything is sent, as early as can be."""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import TopicPartition


class Names:
    """Partitions and the group, named to the coordinator of an AIOKafkaProducer's transaction.

    Named one by one, when something is sent to them, each would cost a round trip. Data may leave only when all of
    this is answered: in flight together, the broker refuses the produce requests for a while.
    """

    def __init__(self, producer: Any, group: str) -> None:
        self._manager = producer._txn_manager
        self._group = group
        self._group_wanted = False
        self._answered = asyncio.Event()
        self._hook()

    def _hook(self) -> None:
        """By itself, aiokafka names a group only with offsets for it, and tells nobody what was answered."""
        manager, answered = self._manager, self._answered
        partition_added, group_added, to_add = (
            manager.partition_added,
            manager.consumer_group_added,
            manager.consumer_group_to_add,
        )

        def on_partition(tp: TopicPartition) -> None:
            partition_added(tp)
            answered.set()

        def on_group(group: str) -> None:
            group_added(group)
            self._group_wanted = False  # else the next one would be named as soon as this transaction has ended
            answered.set()

        def wanted() -> str | None:
            if self._group_wanted and manager.is_in_transaction():
                return self._group
            group: str | None = to_add()
            return group

        manager.partition_added, manager.consumer_group_added = on_partition, on_group
        manager.consumer_group_to_add = wanted

    @property
    def named(self) -> Collection[TopicPartition]:
        """In this transaction, until it ends."""
        partitions: Collection[TopicPartition] = self._manager.txn_partitions
        return partitions

    async def add(self, places: Collection[TopicPartition], *, group: bool) -> None:
        """Name these, and return when the coordinator knows all. Raises why it does not take them."""
        manager = self._manager
        self._group_wanted = group and manager._txn_consumer_group is None
        for tp in places:
            manager.maybe_add_partition_to_txn(tp)
        manager.notify_task_waiter()
        ended = manager.wait_for_transaction_end()
        while manager.partitions_to_add() or self._group_wanted:
            self._answered.clear()
            answered = asyncio.create_task(self._answered.wait())
            try:
                await asyncio.wait((answered, ended), return_when=asyncio.FIRST_COMPLETED)
            finally:
                answered.cancel()
            if ended.done():
                ended.result()
                raise AssertionError("the transaction ended while it was being named")
