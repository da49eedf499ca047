"""Pauses of partitions by their commits."""

from itertools import pairwise

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.errors import BenchError


class Commits:
    """When each partition committed (seconds since 1970, as the broker stamped it)."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._bootstrap = bootstrap
        self._places = [TopicPartition("commits", number) for number in range(partitions)]

    async def read(self) -> dict[int, list[float]]:
        """All commits until now, by partition number."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign(self._places)
            await consumer.seek_to_beginning(*self._places)
            ends = await consumer.end_offsets(self._places)
            found: dict[int, list[float]] = {place.partition: [] for place in self._places}
            while not all([await consumer.position(place) >= ends[place] for place in self._places]):
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[place.partition] += [record.timestamp / 1000 for record in records]
            return found
        finally:
            await consumer.stop()


def first_after(times: list[float], at_s: float) -> float:
    """The first commit after an instant. BenchError if there was none."""
    after = [time for time in times if time > at_s + 0.5]  # one that was under way does not count
    if not after:
        raise BenchError("a partition was not taken over")
    return min(after)


def longest_pauses(commits: dict[int, list[float]], numbers: list[int], since_s: float) -> dict[int, float]:
    """By partition: the longest time between two commits that ended after `since_s`."""
    pauses = {}
    for number in numbers:
        times = sorted(commits[number])
        gaps = [after - before for before, after in pairwise(times) if after > since_s]
        if not gaps:
            raise BenchError(f"partition {number} has not committed since")
        pauses[number] = max(gaps)
    return pauses
