"""What the reader knows: the newest row of every key, names, charts and commits. No I/O: batches go in."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from streams.core.events import VideoFacts
from streams.core.keys import topic_hash
from streams.core.reading import KeysOf
from streams.core.upgrades import UPGRADES, upgraded
from streams.serving.commits import TABLES, CommitLog
from streams.wire.records import Records

CHARTS: Final = "charts"
COMMITS: Final = "commits"
VIDEOS: Final = "videos"
TAILED = (*TABLES, CHARTS, COMMITS, VIDEOS)
"""Topics the reader follows, by their names in the code."""

ChartName = tuple[str, str, str]
"""(kind, scope, window)"""


Column = Sequence[bytes | None]

_facts = msgspec.json.Decoder(VideoFacts)


class ReaderState:
    """The tables as of `positions`. Whole batches are applied at once, so an answer never sees half of one."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.changes = 0
        """Grows whenever something was applied or a position moved."""
        self.reset()

    def reset(self) -> None:
        """Forget everything: the topics were made anew."""
        self.rows: dict[str, dict[bytes, bytes]] = {table: {} for table in TABLES}
        self.regions: KeysOf = {}
        """Video -> keys of its rows in `videos-table`, ascending."""
        self.charts: dict[ChartName, dict[int, bytes]] = {}
        """Chart -> the value of each partition."""
        self.names: dict[int, tuple[str, str]] = {}
        """Hash of an interest topic -> (kind, name)."""
        self.commits = [CommitLog() for _ in range(self.partitions)]
        self.positions: dict[tuple[str, int], int] = {}
        """(topic, partition) -> offset up to which everything was applied."""
        self.applied = 0
        """Records taken over, of all topics."""
        self.ignored = 0
        """Records of `charts`, `commits` and `videos` that could not be read."""
        self.changes += 1
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        """Kind of topic -> names in `names`."""

    def apply(self, topic: str, partition: int, records: Records) -> None:
        """Take over the records of one partition, in order. Keys that are empty or start with NUL are no rows."""
        keys, values = records.keys, records.values
        if topic == COMMITS:
            self._apply_commits(partition, values, records.timestamps.tolist())
        elif topic == VIDEOS:
            self._learn(keys, values)
        elif topic == CHARTS:
            self._put_charts(keys, values)
        else:
            self._put_rows(topic, keys, values)
        if records:
            self.applied += len(records)
            self.changes += 1
            self.advance(topic, partition, int(records.offsets[-1]) + 1)

    def advance(self, topic: str, partition: int, position: int) -> None:
        """Everything before `position` was applied (markers of transactions have offsets of their own)."""
        if self.positions.get((topic, partition)) != position:
            self.positions[topic, partition] = position
            self.changes += 1

    def position(self, topic: str, partition: int) -> int:
        return self.positions.get((topic, partition), 0)

    def _put_rows(self, table: str, keys: Column, values: Column) -> None:
        rows = self.rows[table]
        index = self._index if table == "videos-table" else None
        for key, value in zip(keys, values, strict=True):
            if not key or not key[0]:
                continue
            if value is None:
                if rows.pop(key, None) is not None and index is not None:
                    index(key, present=False)
                continue
            if index is not None and key not in rows:
                index(key, present=True)
            rows[key] = upgraded(table, key, value) if UPGRADES else value

    def _index(self, key: bytes, *, present: bool) -> None:
        video = key.partition(b"\x00")[0]
        others = self.regions.get(video, ())
        if present:
            self.regions[video] = tuple(sorted((*others, key))) if others else (key,)
        elif len(others) > 1:
            self.regions[video] = tuple(other for other in others if other != key)
        else:
            self.regions.pop(video, None)

    def _put_charts(self, keys: Column, values: Column) -> None:
        for key, value in zip(keys, values, strict=True):
            if key and key[0]:
                self._put_chart(key, value)

    def _put_chart(self, key: bytes, value: bytes | None) -> None:
        try:
            rest, window, partition = key.decode().rsplit("|", 2)
            kind, scope = rest.split("|", 1)
            number = int(partition)
        except ValueError:  # also: no UTF-8
            self.ignored += 1
            return
        parts = self.charts.setdefault((kind, scope, window), {})
        if value is None:
            parts.pop(number, None)
        else:
            parts[number] = value

    def _learn(self, keys: Column, values: Column) -> None:
        """Take note of the topics' names in facts of videos."""
        known = self._known
        for key, value in zip(keys, values, strict=True):
            if value is None or not key or not key[0]:
                continue
            try:
                facts = _facts.decode(value)
            except msgspec.MsgspecError:
                self.ignored += 1
                continue
            for kind, name in (
                ("sound", facts.sound), ("creator", facts.creator),
                ("category", facts.category), ("language", facts.language),
            ):  # fmt: skip
                if name not in known[kind]:
                    self._name(kind, name)
            for tag in facts.tags:
                if tag not in known["tag"]:
                    self._name("tag", tag)

    def _name(self, kind: str, name: str) -> None:
        self._known[kind].add(name)
        self.names[topic_hash(kind, name)] = kind, name

    def _apply_commits(self, partition: int, values: Column, times_ms: Sequence[int]) -> None:
        log = self.commits[partition]
        for value, time_ms in zip(values, times_ms, strict=True):
            try:
                log.add(value or b"", time_ms)
            except msgspec.MsgspecError:
                self.ignored += 1
