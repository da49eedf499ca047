"""All three hops in this process, without Kafka: the same folds on the same records, step by step on the watch."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.limits import Logs
from bench.stopwatch import Stopwatch
from streams.agents.catalogue import Catalogue
from streams.core.interests import UserStage
from streams.core.ports import Output
from streams.core.trends import TrendStage
from streams.core.videos import VideoStage

FOLDED_AT_ONCE = 5_000
"""Records of one call of `fold`, at most; what the fetch of the worker hands over is of this order."""

Rows = dict[str, dict[bytes, bytes | None]]


class DictRows:
    """The rows of one partition in dictionaries; nothing is ever read back, for no fold forgets a row here."""

    def __init__(self) -> None:
        """No rows."""
        self.tables: Rows = defaultdict(dict)

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        rows = self.tables[table]
        return [rows.get(key) for key in keys]

    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        for key, value in list(self.tables[table].items()):
            if value is not None:
                yield key, value


class Pipeline:
    """The stages of all partitions. A `round` is one commit of each."""

    def __init__(self, partitions: int, facts: Mapping[int, Sequence[Any]], watch: Stopwatch) -> None:
        """`facts`: records of `videos` by partition; they are folded here, off the watch."""
        self.watch = watch
        self.flush = 0
        catalogue = Catalogue(partitions)
        for partition, records in facts.items():
            catalogue.apply(partition, records)
        numbers = range(partitions)
        self.rows = [DictRows() for _ in numbers]
        self.outputs: list[Output] = []
        self._users = [UserStage(n, partitions, self.rows[n], catalogue) for n in numbers]
        self._videos = [VideoStage(n, partitions, self.rows[n]) for n in numbers]
        self._trends = [TrendStage(n, partitions, self.rows[n]) for n in numbers]
        for partition, records in facts.items():
            self._videos[partition].fold("videos", records)
            self._videos[partition].collect(0)

    def round(self, logs: Logs) -> None:
        """Fold these records and what follows from them in the later hops, and collect everything once."""
        self.flush += 1
        self.outputs = []
        for (topic, partition), records in logs.items():
            with self.watch.time(f"fold_{topic}"):
                for at in range(0, len(records), FOLDED_AT_ONCE):
                    self._users[partition].fold(topic, records[at : at + FOLDED_AT_ONCE])
        sent = self._collect("collect_users", self._users)
        self._pass_on("fold_video_tallies", self._videos, sent, "video-tallies")
        sent = self._collect("collect_videos", self._videos)
        self._pass_on("fold_trend_tallies", self._trends, sent, "trend-tallies")
        self._collect("collect_trends", self._trends)

    def publish_charts(self) -> None:
        """Charts of all partitions, once."""
        for stage in self._trends:
            stage.charts_due = True
        self._collect("charts", self._trends)

    def _collect(self, step: str, stages: Sequence[Any]) -> list[Any]:
        found = []
        for number, stage in enumerate(stages):
            with self.watch.time(step):
                output: Output = stage.collect(self.flush)
            self.outputs.append(output)
            found += output.sends
            for table, (keys, values) in output.rows.items():
                self.rows[number].tables[table].update(zip(keys, values, strict=True))
        return found

    def _pass_on(self, step: str, stages: Sequence[Any], sends: Sequence[Any], topic: str) -> None:
        by_partition = defaultdict(list)
        for send in sends:
            by_partition[send.partition].append(Received(send.value))
        for partition, records in by_partition.items():
            with self.watch.time(step):
                stages[partition].fold(topic, records)


class Received:
    """A tally as it would be consumed."""

    __slots__ = ("value",)
    key = None
    offset = timestamp = 0

    def __init__(self, value: bytes) -> None:
        """Wrap a value."""
        self.value = value
