"""Where the next record of a table's partition goes: only one producer writes there, so it can say so beforehand."""

from collections.abc import Collection, Mapping

from aiokafka import TopicPartition


class Ends:
    """Of the partitions that one producer alone writes to."""

    def __init__(self) -> None:
        self._next: dict[TopicPartition, int] = {}

    def after(self, records: Mapping[TopicPartition, int]) -> dict[TopicPartition, int] | None:
        """Next offsets once so many records are written; None: of one of them it is not known."""
        if not records.keys() <= self._next.keys():
            return None
        return {tp: self._next[tp] + count for tp, count in records.items()}

    def committed(self, ends: Mapping[TopicPartition, int], named: Collection[TopicPartition]) -> None:
        """A transaction ended behind these records: with a marker in each partition that it had named."""
        self._next |= ends
        for tp in named:
            if tp in self._next:
                self._next[tp] += 1

    def forget(self) -> None:
        """Something else may have been written: a marker once more, or the end of what was found open."""
        self._next.clear()
