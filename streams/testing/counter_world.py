"""A small random world of videos that runs the stages of videos and trends next to their naive twins."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import msgspec
import numpy as np

from streams.core import tallies
from streams.core.events import VideoFacts
from streams.core.keys import Entity, entity_key, entity_name, parse_entity_key, partition_of, video_row_key
from streams.core.panes import TOTAL_ONLY
from streams.core.params import MINUTE_MS
from streams.core.ports import Fold, Output
from streams.core.rows import Counts
from streams.core.tallies import Tally
from streams.core.trends import TrendStage
from streams.core.videos import VideoStage
from streams.testing.naive_counters import NaiveTrends, NaiveVideos

PARTITIONS = 2
REGIONS = ("de", "fr", "unknown")
START_MINUTE = 29_000_000


class FakeRecord(NamedTuple):
    """A consumed record."""

    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = 0


@dataclass
class MemoryRows:
    """Rows of one partition in dictionaries, written as an engine would at each commit."""

    tables: dict[str, dict[bytes, bytes]] = field(default_factory=dict)

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.tables.get(table, {}).get(key) for key in keys]

    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        yield b"\x00identity", b"{}"
        yield from list(self.tables.get(table, {}).items())

    def write(self, output: Output) -> None:
        for table, (keys, values) in output.rows.items():
            rows = self.tables.setdefault(table, {})
            for key, value in zip(keys, values, strict=True):
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value


def tally_message(origin: int, flush: int, watermark_ms: int, cells: dict[tuple[bytes, int], Counts]) -> list[bytes]:
    """Packed tallies of cells by (name, code)."""
    order = sorted(cells)
    names = sorted({name for name, _ in order})
    per_name = Counter(name for name, _ in order)
    counts = np.array([cells[cell] for cell in order], np.int64).reshape(-1, 3)
    per = np.array([per_name[name] for name in names], np.int64)
    codes = np.array([code for _, code in order], np.int64)
    return tallies.pack(Tally(origin, flush, watermark_ms, names, per, codes, counts), 400)


class World:
    """Random steps; after `settle`, rows, sends and charts are to equal those of the twins."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.minute = START_MINUTE
        self.naive_videos, self.naive_trends = NaiveVideos(), NaiveTrends()
        self.rows = [MemoryRows() for _ in range(PARTITIONS)]
        self.videos = [VideoStage(p, PARTITIONS, self.rows[p]) for p in range(PARTITIONS)]
        self.trends = [TrendStage(p, PARTITIONS, self.rows[p]) for p in range(PARTITIONS)]
        self.queues: list[list[FakeRecord]] = [[] for _ in range(PARTITIONS)]
        self.charts: dict[bytes, bytes] = {}
        self.undoable: list[tuple[str, str, int, int]] = []
        self.flush = 0
        self.offset = 0
        self.names = [f"video{i}" for i in range(self.random.choice((3, 12)))]

    @property
    def watermark_ms(self) -> int:
        return self.minute * MINUTE_MS + 17

    def step(self) -> None:
        """One random thing happens."""
        steps = (
            self.send_tally, self.send_tally, self.send_tally, self.send_facts, self.collect_videos, self.fold_trends,
            self.collect_trends, self.evict, self.restart, self.pass_time,
        )  # fmt: skip
        self.random.choice(steps)()

    def settle(self) -> None:
        """Everything on its way arrives and is collected; charts are published."""
        self.send_tally()
        for _ in range(4):
            self.tell_watermark()
            self.collect_videos()
        self.fold_trends(everything=True)
        self.collect_trends(charts=True)

    def send_tally(self) -> None:
        """Random cells: most recent, some old, some taken back."""
        cells: dict[tuple[str, str, int], list[int]] = {}
        for _ in range(self.random.randint(1, 12)):
            video, region, code, kind = self._event()
            cells.setdefault((video, region, code), [0, 0, 0])[kind] += 1
            self.undoable.append((video, region, code, kind))
        self.random.shuffle(self.undoable)
        for _ in range(min(self.random.choice((0, 0, 1, 6)), len(self.undoable))):
            video, region, code, kind = self.undoable.pop()
            cells.setdefault((video, region, code), [0, 0, 0])[kind] -= 1
        for (video, region, code), counts in cells.items():
            self.naive_videos.add(video, region, code, (counts[0], counts[1], counts[2]))
        self._tell(cells)

    def tell_watermark(self) -> None:
        self._tell({})

    def send_facts(self) -> None:
        """A video appears, is re-tagged, hidden, removed or spoiled."""
        for _ in range(self.random.randint(1, 3)):
            video = self.random.choice(self.names)
            self.offset += 1
            value = self._facts(video)
            p = partition_of(video.encode(), PARTITIONS)
            self.videos[p].fold("videos", [FakeRecord(video.encode(), value, self.offset)])

    def pass_time(self) -> None:
        self.minute += self.random.choice((0, 1, 1, 5, 40, 130, 60 * 25, 60 * 340))

    def collect_videos(self) -> None:
        self.flush += 1
        for p, stage in enumerate(self.videos):
            output = stage.collect(self.flush)
            self.rows[p].write(output)
            for send in output.sends:
                self.queues[send.partition].append(FakeRecord(None, send.value))
                self._check(send.partition, tallies.unpack(send.value or b""))
        self.naive_trends.add(self.naive_videos.sent)
        self.naive_videos.sent = []

    def fold_trends(self, *, everything: bool = False) -> None:
        for stage, queue in zip(self.trends, self.queues, strict=True):
            count = len(queue) if everything else self.random.randint(0, len(queue))
            stage.restore(self.random.randrange(4))
            stage.fold("trend-tallies", queue[:count])
            del queue[:count]

    def collect_trends(self, *, charts: bool = False) -> None:
        self.flush += 1
        for p, stage in enumerate(self.trends):
            stage.charts_due = charts or self.random.random() < 0.3
            output = stage.collect(self.flush)
            self.rows[p].write(output)
            self.charts.update((send.key or b"", send.value or b"") for send in output.sends)

    def evict(self) -> None:
        stages: list[Fold] = [*self.videos, *self.trends]
        for stage in stages:
            before, wanted = stage.resident(), self.random.choice((1, 3, 1000))
            gone = stage.evict(wanted)
            assert before - stage.resident() == gone <= wanted

    def restart(self) -> None:
        """One partition's stages stop after a commit and start again from the rows."""
        p = self.random.randrange(PARTITIONS)
        self.collect_videos()
        self.collect_trends()
        self.videos[p] = VideoStage(p, PARTITIONS, self.rows[p])
        self.trends[p] = TrendStage(p, PARTITIONS, self.rows[p])

    def _event(self) -> tuple[str, str, int, int]:
        age = self.random.choice((0, 0, 0, self.random.randint(0, 130), self.random.randint(0, 1440)))
        code = TOTAL_ONLY if self.random.random() < 0.05 else self.minute - age
        return self.random.choice(self.names), self.random.choice(REGIONS), code, self.random.randrange(3)

    def _tell(self, cells: dict[tuple[str, str, int], list[int]]) -> None:
        self.flush += 1
        for p, stage in enumerate(self.videos):
            mine: dict[tuple[bytes, int], Counts] = {
                (video_row_key(video, region), code): (counts[0], counts[1], counts[2])
                for (video, region, code), counts in cells.items()
                if partition_of(video.encode(), PARTITIONS) == p
            }
            messages = tally_message(self.random.randrange(3), self.flush, self.watermark_ms, mine)
            stage.fold("video-tallies", [FakeRecord(None, message) for message in messages])

    def _facts(self, video: str) -> bytes | None:
        choice = self.random.random()
        if choice < 0.1:
            return b'{"creator": 1}'
        if choice < 0.2:
            self.naive_videos.change(video, None)
            return None
        facts = VideoFacts(
            creator=self.random.choice("AB"), sound="s",
            tags=tuple(self.random.sample("xyz", self.random.randint(0, 3))),
            category=self.random.choice(("fun", "news")), duration_ms=1000, language="en", published_ms=1,
            visibility=self.random.choice(("public", "public", "public", "private")),
            status=self.random.choice(("active", "active", "active", "removed")),
        )  # fmt: skip
        self.naive_videos.change(video, facts)
        return msgspec.json.encode(facts)

    def _check(self, partition: int, tally: Tally) -> None:
        for name in tally.names:
            entity = parse_entity_key(name)
            assert partition_of(entity_name(entity.kind, entity.id).encode(), PARTITIONS) == partition
            assert entity_key(*entity) == name


def live_regions(world: World, entity: Entity) -> Iterator[tuple[str, str]]:
    """(video, region) of all rows that count for an entity."""
    for video, region in world.naive_videos.rows:
        if entity.scope not in ("*", region):
            continue
        if any((kind, name) == entity[:2] for kind, name, _ in world.naive_videos.entities(video, region)):
            yield video, region
