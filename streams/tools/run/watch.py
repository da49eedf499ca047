"""Reads, besides the workers, how far they are: `commits`, `dead-letters` and the ends of their input."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.tools.run.progress import EVENTS, INPUTS, Ends, Folding, decode_commit

ENDS_EVERY_S = 0.5
FETCH_WAIT_MS = 50


class Watch:
    """Call `look` again and again. `folding` and the other attributes are then as of the last look.

    `dead_letters`: since this run began. `written`: events in the topics since then. `lag`: records not yet folded.
    """

    def __init__(
        self, bootstrap: str, *, partitions: int, prefix: str = "", client: Mapping[str, Any] | None = None
    ) -> None:
        """Name the cluster; connects when entered."""
        self.folding = Folding()
        self.dead_letters = 0
        self.written = 0
        self.lag = 0
        self._partitions = partitions
        self._prefix = prefix
        self._written_before = 0
        self._looked_s = 0.0
        self._client = dict(client or {})
        self._consumer = self._make(bootstrap)
        self._probe = self._make(bootstrap)

    def _make(self, bootstrap: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # A fetch under way holds up the next assignment until it ends.
            fetch_max_wait_ms=FETCH_WAIT_MS,
            **self._client,
        )

    async def __aenter__(self) -> Self:
        """Connect, and read what was folded before."""
        await self._consumer.start()
        await self._probe.start()
        places = self._places("commits", "dead-letters")
        self._consumer.assign(places)
        # The last commit of each partition before this run tells what it had folded: read from the start.
        await self._consumer.seek_to_beginning(*self._places("commits"))
        await self._consumer.seek_to_end(*self._places("dead-letters"))
        await self._read_old_commits()
        ends = await self.ends(*EVENTS)
        self._written_before = sum(ends.values())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        try:
            await self._consumer.stop()
        finally:
            await self._probe.stop()

    async def look(self, timeout_s: float = 0.1) -> None:
        """Take in what is new, waiting for it up to `timeout_s`."""
        found = await self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=5_000)
        for place, records in found.items():
            if place.topic == self._prefix + "dead-letters":
                self.dead_letters += len(records)
                continue
            for record in records:
                self.folding.take(decode_commit(record.value), record.timestamp)
        if time.monotonic() - self._looked_s >= ENDS_EVERY_S:
            ends = await self.ends(*INPUTS)
            self.written = sum(end for (topic, _), end in ends.items() if topic in EVENTS) - self._written_before
            self.lag = self.folding.missing(ends)
            self._looked_s = time.monotonic()

    async def ends(self, *topics: str) -> Ends:
        """End offsets of these topics now."""
        found = await self._probe.end_offsets(self._places(*topics))
        start = len(self._prefix)
        return {(place.topic[start:], place.partition): end for place, end in found.items()}

    async def folded_to(self, ends: Ends) -> bool:
        """Whether no record below these ends is left to fold. Transaction markers, which take offsets, do not count."""
        for (topic, partition), end in ends.items():
            position = self.folding.position(topic, partition)
            if position < end and await self._holds_data(topic, partition, position, end):
                return False
        return True

    async def _holds_data(self, topic: str, partition: int, start: int, end: int) -> bool:
        place = TopicPartition(self._prefix + topic, partition)
        self._probe.assign([place])
        self._probe.seek(place, start)
        while await self._probe.position(place) < end:
            found = await self._probe.getmany(place, timeout_ms=500, max_records=1)
            for record in found.get(place, ()):
                return bool(record.offset < end)
            if not found and await self._probe.position(place) < end:
                return True
        return False

    async def _read_old_commits(self) -> None:
        ends = await self._probe.end_offsets(self._places("commits"))
        while any([await self._consumer.position(place) < end for place, end in ends.items()]):
            await self.look()
        base = {partition: sum(commit.positions.get(topic, 0) for topic in EVENTS)
                for partition, commit in self.folding.commits.items()}  # fmt: skip
        commits = self.folding.commits
        self.folding = Folding(commits=commits)
        self.folding.start_at(base)
        self.dead_letters = 0

    def _places(self, *topics: str) -> list[TopicPartition]:
        return [TopicPartition(self._prefix + topic, part) for topic in topics for part in range(self._partitions)]
