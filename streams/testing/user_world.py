"""A small world for tests of the user stage: records, catalogue, rows in a dictionary, random histories."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.core.events import VideoFacts
from streams.core.keys import partition_of
from streams.core.ports import Output

START_MS = 1_700_000_000_000
PARTITIONS = 4


class FakeRecord(NamedTuple):
    """A consumed record."""

    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = START_MS


class FakeCatalogue:
    """A catalogue that learns when it is told to."""

    def __init__(self) -> None:
        self._facts: dict[str, VideoFacts] = {}
        self._changed: set[str] = set()
        self._log: list[str] = []
        self._news: list[str] = []

    def learn(self, video: str, facts: VideoFacts) -> None:
        if video not in self._facts:
            self._log.append(video)
        elif facts != self._facts[video]:
            self._changed.add(video)
        self._facts[video] = facts
        self._news.append(video)

    def get(self, video: str) -> VideoFacts | None:
        return self._facts.get(video)

    def changed(self, video: str) -> bool:
        return video in self._changed

    def known_since(self, cursor: int) -> tuple[int, Sequence[str]]:
        return len(self._log), self._log[cursor:]

    def news_since(self, cursor: int) -> tuple[int, Sequence[str] | None]:
        return len(self._news), self._news[cursor:]


@dataclass(slots=True)
class DictRows:
    """Tables as dictionaries: what was collected last."""

    tables: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        self.asked.append((table, len(keys)))
        return [self.tables.get(table, {}).get(key) for key in keys]

    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        yield from sorted(self.tables.get(table, {}).items())

    def take(self, output: Output) -> None:
        for name, (keys, values) in output.rows.items():
            table = self.tables.setdefault(name, {})
            for key, value in zip(keys, values, strict=True):
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value


class Step(NamedTuple):
    """One thing that happens: a record of a topic, or (topic `learn`) facts of the video `learned`."""

    topic: str
    record: FakeRecord
    learned: tuple[str, VideoFacts] | None = None


def names_here(count: int, partition: int, prefix: str = "u") -> list[str]:
    """Names whose key belongs to the partition."""
    found, i = list[str](), 0
    while len(found) < count:
        if partition_of(f"{prefix}{i}".encode(), PARTITIONS) == partition:
            found.append(f"{prefix}{i}")
        i += 1
    return found


@dataclass(slots=True)
class Worlds:
    """Makes random histories of one partition."""

    seed: int
    users: int = 5
    videos: int = 30
    tags: int = 12
    step_ms: int = 60_000
    partition: int = 1
    reactions: float = 0.4
    unknown: float = 0.2
    facts_change: float = 0.01
    run: int = 20
    """Mean number of records of one topic in a row."""

    def history(self, length: int) -> list[Step]:
        rng = random.Random(self.seed)
        people = names_here(self.users, self.partition)
        late_videos = [f"v{i}" for i in range(self.videos) if rng.random() < self.unknown]
        steps = [self._learn(rng, f"v{i}") for i in range(self.videos) if f"v{i}" not in late_videos]
        now, dice, sent = START_MS, 0.9, list[Step]()
        for offset in range(length):
            now += int(rng.expovariate(1 / self.step_ms))
            if rng.random() < 0.02 and late_videos:
                steps.append(self._learn(rng, late_videos.pop()))
            if rng.random() < self.facts_change:
                steps.append(self._learn(rng, f"v{rng.randrange(self.videos)}"))
            if rng.random() < 1 / self.run:
                dice = rng.random()
            again = rng.choice(sent[-60:]) if sent and rng.random() < 0.1 else None
            if again is not None and again.topic == sent[-1].topic:
                step = again._replace(record=again.record._replace(offset=offset, timestamp=now))
            else:
                step = self._event(rng, rng.choice(people), dice, offset, now)
                sent.append(step)
            steps.append(step)
        return steps

    def _learn(self, rng: random.Random, video: str) -> Step:
        tags = tuple(f"t{i}" for i in rng.sample(range(self.tags), rng.randrange(min(5, self.tags))))
        facts = VideoFacts(
            creator=f"c{rng.randrange(4)}", sound=f"s{rng.randrange(6)}", tags=tags, category=f"g{rng.randrange(3)}",
            duration_ms=rng.choice((8_000, 20_000, 45_000)), language=rng.choice(("en", "de")), published_ms=START_MS,
        )  # fmt: skip
        return Step("learn", FakeRecord(None, None), (video, facts))

    def _event(self, rng: random.Random, user: str, dice: float, offset: int, now: int) -> Step:
        if dice < 0.02:
            return Step("accounts", self._record(user, self._account(rng), offset, now))
        event: dict[str, Any] = {
            "id": f"{rng.getrandbits(64):016x}" if rng.random() < 0.9 else f"id-{offset}",
            "user": user,
            "video": f"v{min(int(rng.paretovariate(0.7)), self.videos) - 1}",
            "at_ms": max(0, now + rng.choice((0, -500, 60_000, -3_600_000, -80_000_000, -90_000_000, -1000, -10))),
        }
        if rng.random() < 0.7:
            event["region"] = rng.choice(("eu", "us", "asia"))
        if dice > self.reactions:
            event["watch_ms"] = rng.choice((0, 500, 1_999, 4_000, 10_000, 20_000, 30_000, 200_000))
            if rng.random() < 0.8:
                event["duration_ms"] = rng.choice((8_000, 20_000, 45_000))
            return Step("views", self._record(user, event, offset, now))
        if dice < self.reactions * 0.6:
            event["op"] = rng.choice(("like", "unlike"))
            return Step("likes", self._record(user, event, offset, now))
        event |= {"op": rng.choice(("share", "unshare")), "channel": rng.choice(("copy", "dm"))}
        return Step("shares", self._record(user, event, offset, now))

    @staticmethod
    def _account(rng: random.Random) -> dict[str, Any] | None:
        if rng.random() < 0.3:
            return None
        return {
            "private": rng.random() < 0.2,
            "status": rng.choice(("active", "active", "active", "banned")),
            "age_band": rng.choice(("adult", "adult", "adult", "teen")),
        }

    @staticmethod
    def _record(user: str, event: dict[str, Any] | None, offset: int, now: int) -> FakeRecord:
        return FakeRecord(user.encode(), None if event is None else json.dumps(event).encode(), offset, now)
