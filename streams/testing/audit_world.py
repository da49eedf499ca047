"""Logs of a small pipeline: the real folds over records in memory, committed as the engine commits."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import msgspec

from streams.core.events import VideoFacts
from streams.core.interests import UserStage
from streams.core.keys import partition_of
from streams.core.ports import Fold, Output
from streams.core.trends import TrendStage
from streams.core.videos import VideoStage
from streams.testing.user_world import DictRows, FakeCatalogue
from streams.tools.audit.log import Entry

START_MS = 1_700_000_000_000
FIRST = ("accounts", "videos")
STAGE_OF = {
    "accounts": 0, "views": 0, "likes": 0, "shares": 0, "feedback": 0, "videos": 1, "video-tallies": 1,
    "trend-tallies": 2,
}  # fmt: skip
Logs = dict[tuple[str, int], list[Entry]]


@dataclass
class MemorySource:
    """Logs by (topic, partition); `starts` for those that lost their beginning."""

    logs: Logs
    partitions: int
    starts: dict[tuple[str, int], int] = field(default_factory=dict)

    async def start(self, topic: str, partition: int) -> int:
        return self.starts.get((topic, partition), 0)

    async def read(self, topic: str, partition: int, start: int = 0) -> list[Entry]:
        return [entry for entry in self.logs.get((topic, partition), []) if entry.offset >= start]

    async def visit(
        self, topic: str, partition: int, start: int, take: Callable[[Entry], None], until: int | None = None
    ) -> None:
        for entry in await self.read(topic, partition, start):
            if until is None or entry.offset < until:
                take(entry)

    def copy(self) -> "MemorySource":
        return replace(self, logs={place: list(log) for place, log in self.logs.items()}, starts=dict(self.starts))


class Pipeline:
    """One unit per partition; `step` folds what is there in random bits and commits."""

    def __init__(self, partitions: int = 2, seed: int = 1) -> None:
        self.partitions, self.rng, self.now = partitions, Random(seed), START_MS
        self.logs: Logs = defaultdict(list)
        self.catalogue = FakeCatalogue()
        self.rows = [DictRows() for _ in range(partitions)]
        self.stages: list[tuple[Fold, ...]] = [
            (UserStage(p, partitions, rows, self.catalogue), VideoStage(p, partitions, rows),
             TrendStage(p, partitions, rows))
            for p, rows in enumerate(self.rows)
        ]  # fmt: skip
        self.positions = [dict.fromkeys(STAGE_OF, 0) for _ in range(partitions)]
        self.folded: list[dict[str, dict[str, int]]] = [{} for _ in range(partitions)]
        self.flush = [0] * partitions

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, **more: Any) -> int:
        log = self.logs[topic, partition]
        offset = log[-1].offset + 1 if log else 0
        log.append(Entry(key, value, offset, more.get("timestamp", self.now), more.get("headers", ())))
        return offset

    def send(self, topic: str, key: str, value: Any, *, partition: int | None = None) -> None:
        """A record of a source topic; value is bytes, None or what becomes JSON."""
        raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        place = partition_of(key.encode(), self.partitions) if partition is None else partition
        self.append(topic, place, key.encode(), raw)

    def facts(self, video: str, facts: dict[str, Any] | None) -> None:
        """Good facts: into the log and, at once, into the catalogue."""
        self.send("videos", video, facts)
        if facts is not None:
            self.catalogue.learn(video, msgspec.convert(facts, VideoFacts))

    def step(self, partition: int, *, all_of_it: bool = False) -> None:
        topics = sorted(STAGE_OF, key=lambda topic: (topic not in FIRST, self.rng.random()))
        for topic in topics:
            log = self.logs[topic, partition]
            waiting = [entry for entry in log if entry.offset >= self.positions[partition][topic]]
            if not all_of_it and topic not in FIRST:
                waiting = waiting[: self.rng.randrange(40)]
            if waiting:
                self.stages[partition][STAGE_OF[topic]].fold(topic, waiting)
                self.positions[partition][topic] = waiting[-1].offset + 1
        self._commit(partition)

    def drain(self) -> None:
        for _ in range(4):
            for partition in range(self.partitions):
                for stage in self.stages[partition]:
                    if isinstance(stage, TrendStage):
                        stage.charts_due = True
                self.step(partition, all_of_it=True)

    def _commit(self, partition: int) -> None:
        self.flush[partition] += 1
        tables: dict[str, int] = {}
        for stage in self.stages[partition]:
            self._write(partition, stage.collect(self.flush[partition]), tables)
        commit = {
            "v": 1, "partition": partition, "flush": self.flush[partition], "positions": self.positions[partition],
            "tables": tables, "folded": self.folded[partition], "behind": {},
            "watermark_ms": max(getattr(stage, "watermark_ms", 0) for stage in self.stages[partition]),
        }  # fmt: skip
        self.append("commits", partition, str(partition).encode(), msgspec.json.encode(commit))

    def _write(self, partition: int, output: Output, tables: dict[str, int]) -> None:
        self.rows[partition].take(output)
        for table, (keys, values) in output.rows.items():
            for key, value in zip(keys, values, strict=True):
                tables[table] = self.append(table, partition, key, value) + 1
        for send in output.sends:
            self.append(send.topic, send.partition, send.key, send.value)
        for topic, origins in output.folded.items():
            self.folded[partition].setdefault(topic, {}).update({str(o): flush for o, flush in origins.items()})
        for topic, record, reason, detail in output.rejected:
            headers = {
                "reason": reason.value, "detail": detail, "topic": topic, "partition": str(partition),
                "offset": str(record.offset), "timestamp": str(record.timestamp),
            }  # fmt: skip
            listed = [(name, text.encode()) for name, text in headers.items()]
            listed += [("key", record.key)] if record.key is not None else []
            key = f"{topic}:{partition}:{record.offset}".encode()
            self.append("dead-letters", partition, key, record.value, headers=tuple(listed))


def facts_of(rng: Random, tags: int = 12) -> dict[str, Any]:
    """Facts of a video as JSON."""
    return {
        "creator": f"c{rng.randrange(4)}", "sound": f"s{rng.randrange(6)}", "language": rng.choice(("en", "de")),
        "tags": [f"t{i}" for i in rng.sample(range(tags), 2)], "category": f"g{rng.randrange(3)}",
        "duration_ms": rng.choice((8_000, 20_000, 45_000)), "published_ms": START_MS,
    }  # fmt: skip


def busy(
    seed: int, events: int = 400, *, tags: int = 12, changes: bool = True,
    between: Callable[[Pipeline], None] = lambda _made: None,
) -> Pipeline:  # fmt: skip
    """A pipeline that has lived through a bit of everything and is drained. `between` is called after commits."""
    made = Pipeline(seed=seed)
    known = {f"v{i}": facts_of(made.rng, tags) for i in range(16)}
    live(made, known, range(events), tags=tags, changes=changes, between=between)
    return made


def live(  # noqa: PLR0913  # of tests: each has a default
    made: Pipeline, known: dict[str, dict[str, Any]], numbers: range, *, tags: int = 12, changes: bool = True,
    between: Callable[[Pipeline], None] = lambda _made: None,
) -> None:  # fmt: skip
    """A bit of everything happens, events with these numbers, and the pipeline is drained."""
    rng = made.rng
    for video, facts in known.items():
        made.facts(video, facts)
    sent: list[tuple[str, str, dict[str, Any]]] = []
    for number in numbers:
        made.now += rng.randrange(240_000)
        _something(made, number, f"u{rng.randrange(8)}", sent)
        if rng.random() < 0.04:
            video = f"v{rng.randrange(20)}"
            facts = known.setdefault(video, facts_of(rng, tags))
            if changes and rng.random() < 0.3:
                facts = known[video] = facts_of(rng, tags)
            made.facts(video, {**facts, "visibility": rng.choice(("public", "public", "private"))})
        if rng.random() < 0.15:
            made.step(rng.randrange(made.partitions))
            between(made)
    made.drain()


def _something(made: Pipeline, number: int, user: str, sent: list[tuple[str, str, dict[str, Any]]]) -> None:
    rng, dice = made.rng, made.rng.random()
    at_ms = made.now - rng.choice((0, 500, 3_600_000, 100_000_000))
    more: dict[str, Any]
    event: dict[str, Any] = {"id": f"e{number}", "user": user, "video": f"v{rng.randrange(24)}", "at_ms": at_ms}
    if rng.random() < 0.7:
        event["region"] = rng.choice(("NL", "DE"))
    if sent and dice < 0.08:
        made.send(*rng.choice(sent[-30:]))
        return
    if dice < 0.12:
        made.send("views", user, rng.choice((b"{", b'{"id": 5}', None, b"[]")))
        return
    if dice < 0.16:
        state = {"private": rng.random() < 0.3, "age_band": rng.choice(("adult", "adult", "teen"))}
        made.send("accounts", user, rng.choice((state, None)))
        return
    if dice < 0.55:
        topic, more = "views", {"watch_ms": rng.choice((500, 5_000, 20_000, 90_000))}
        more |= {"duration_ms": rng.choice((8_000, 30_000))} if rng.random() < 0.5 else {}
    elif dice < 0.8:
        topic, more = "likes", {"op": rng.choice(("like", "like", "unlike"))}
    else:
        topic, more = "shares", {"op": rng.choice(("share", "unshare")), "channel": rng.choice(("sms", "mail"))}
    made.send(topic, user, event | more)
    sent.append((topic, user, event | more))
