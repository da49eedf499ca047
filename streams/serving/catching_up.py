"""While a reader catches up, it asks only for partitions that have more: a fetch without data waits at the broker.

aiokafka has one fetch under way at a time, so one that waits for partitions already read would hold up all others.
"""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition


class CatchingUp:
    """Pauses each partition that reached the end seen at the start, and resumes all when the last one did."""

    def __init__(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> None:
        self._consumer = consumer
        self._left = dict(ends)
        self._paused: list[TopicPartition] = []

    def reached(self, tp: TopicPartition, position: int) -> None:
        """Tell how far a partition was read."""
        end = self._left.get(tp)
        if end is None or position < end:
            return
        del self._left[tp]
        if self._left:
            self._consumer.pause(tp)
            self._paused.append(tp)
        else:
            self._consumer.resume(*self._paused)
            self._paused.clear()
