"""The audit in the order of the flow: commits, facts, users, videos, trends, dead letters."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from streams.core import tallies
from streams.core.keys import partition_of
from streams.core.published import Commit
from streams.core.reasons import Reason
from streams.core.upgrades import upgraded
from streams.testing.oracle.checks import SOURCES
from streams.testing.oracle.facts import Facts
from streams.testing.oracle.replay import Refused, Replay, read_facts
from streams.testing.oracle.trends import Scopes, Videos, entity_tables
from streams.testing.oracle.users import User
from streams.tools.audit import compare_counts, compare_ledger, compare_users
from streams.tools.audit.checkpoint import Checkpoint, plain
from streams.tools.audit.compare_charts import Charts
from streams.tools.audit.log import Entry, NotProvableError
from streams.tools.audit.rows import Images, latest, take_strays
from streams.tools.audit.verdict import Source, Verdict

TALLIES = ("video-tallies", "trend-tallies")
USER_TABLES = ("interests", "pairs", "parked")
Sent = list[tuple[int, bytes]]
"""(destination, message) of one flush; kept packed, since all origins' are read before any is judged."""


async def behind(source: Source) -> dict[str, int]:
    """Records that the last commits do not cover, by topic; tallies that carry only a watermark do not count."""
    found: dict[str, int] = defaultdict(int)
    for partition in range(source.partitions):
        entries = await source.read("commits", partition)
        commits = compare_ledger.read_commits(Verdict(), entries[-1:], partition)
        positions = commits[-1].positions if commits else {}
        for topic in SOURCES + TALLIES:
            for entry in await source.read(topic, partition, positions.get(topic, 0)):
                found[topic] += topic not in TALLIES or not _is_idle(entry)
    return {topic: count for topic, count in found.items() if count}


def _is_idle(entry: Entry) -> bool:
    try:
        return not tallies.unpack(entry.value or b"").names
    except ValueError:
        return False


@dataclass
class Audit:
    """One run over a drained pipeline. `say` gets a line of progress now and then."""

    source: Source
    verdict: Verdict
    say: Callable[[str], None]
    base: Checkpoint | None = None
    facts: Facts = field(default_factory=Facts)
    videos: Videos = field(default_factory=Videos)
    commits: list[list[Commit]] = field(default_factory=list)
    letters: compare_ledger.Letters = field(default_factory=dict)
    events: int = 0
    dead_letters: int = 0
    watermark_ms: int = 0
    _holes: bool = False
    _aside: dict[int, set[tuple[str, int]]] = field(default_factory=dict)
    _users_of: list[dict[str, User]] = field(default_factory=list)
    _next_commits: list[int] = field(default_factory=list)
    _told_ms: list[int] = field(default_factory=list)
    _before: list[dict[str, Scopes]] = field(default_factory=list)
    _sent: dict[compare_counts.Flush, Sent] = field(default_factory=lambda: defaultdict(list))

    async def run(self) -> None:
        """Judge everything. NotProvableError if the log does not reach back far enough or goes on changing."""
        if self.base:
            base = self.base
            self.facts, self.videos, self._holes = base.facts, base.recounted(), base.holes
            self.events, self.watermark_ms = base.events, base.watermark_ms
            self._before = base.entities()
        await self._read_commits()
        self._aside = compare_ledger.set_aside(await self._read_letters())
        await self._read_facts()
        for destination in range(self.source.partitions):
            for value, tally in await self._read_tallies("video-tallies", destination):
                self._sent[compare_counts.Flush(tally.origin, tally.flush)].append((destination, value))
        for partition in range(self.source.partitions):
            await self._users(partition)
            self.say(f"users of partition {partition}: {self.verdict.rows_checked} rows checked so far")
        self._unknown_flushes()
        self.videos.cut(self.watermark_ms)
        for partition in range(self.source.partitions):
            await self._videos(partition)
            await self._trends(partition)
            self.say(f"videos and trends of partition {partition}: {self.verdict.rows_checked} rows checked so far")
        await self._dead_letters()

    def checkpoint(self) -> Checkpoint:
        """What was recounted. Only of a drained pipeline with which nothing is wrong."""
        if self.verdict.wrong_rows or not all(self.commits):
            raise NotProvableError("a checkpoint needs tables without a wrong row, and a commit of every partition")
        last = [
            msgspec.structs.replace(commits[-1], tables=compare_ledger.table_ends(commits)) for commits in self.commits
        ]
        return Checkpoint(
            self.source.partitions, last, self._next_commits, self._told_ms, self._users_of, self.facts,
            plain(self.videos), self.watermark_ms, self.events, self._holes,
        )  # fmt: skip

    def _since(self, topic: str, partition: int) -> int:
        """The offset from which a topic is read."""
        return self.base.position(topic, partition) if self.base else 0

    def _position(self, partition: int, topic: str) -> int:
        commits = self.commits[partition]
        return commits[-1].positions.get(topic, 0) if commits else 0

    async def _read_commits(self) -> None:
        for partition in range(self.source.partitions):
            since = self.base.next_commits[partition] if self.base else 0
            for topic in ("commits", *SOURCES, *TALLIES):
                needed = since if topic == "commits" else self._since(topic, partition)
                compare_ledger.demand_reach(topic, partition, await self.source.start(topic, partition), needed)
            entries = await self.source.read("commits", partition, since)
            before = self.base.commits[partition] if self.base else None
            self.commits.append(compare_ledger.read_commits(self.verdict, entries, partition, before))
            self._next_commits.append(entries[-1].offset + 1 if entries else since)

    async def _read_facts(self) -> None:
        for partition in range(self.source.partitions):
            since = self._since("videos", partition)
            entries = await self.source.read("videos", partition, since)
            self._holes = self._holes or _has_holes(entries, since)
            position = self._position(partition, "videos")
            aside = self._aside.get(partition, ())
            refused = read_facts(self.facts, entries, position, partition, self.source.partitions, aside)
            compare_ledger.expect(self.letters, refused, partition)
            self.events += sum(entry.offset < position for entry in entries)

    async def _read_tallies(self, topic: str, partition: int) -> list[tuple[bytes, tallies.Tally]]:
        """What was sent to one partition; also compares the flushes that its last commit says are folded."""
        found: list[tuple[bytes, tallies.Tally]] = []
        before = self.base.commits[partition].folded.get(topic, {}) if self.base else {}
        last = {int(origin): flush for origin, flush in before.items()}
        position = self._position(partition, topic)
        for entry in await self.source.read(topic, partition, self._since(topic, partition)):
            try:
                tally = tallies.unpack(entry.value or b"")
            except ValueError:
                refused = Refused(topic, entry, Reason.BAD_TALLY)
                compare_ledger.expect(self.letters, [refused], partition)
                continue
            if entry.offset < position:
                last[tally.origin] = max(last.get(tally.origin, 0), tally.flush)
            found.append((entry.value or b"", tally))
        if self.commits[partition]:
            compare_ledger.compare_folded(self.verdict, self.commits[partition][-1], topic, last, partition)
        return found

    async def _users(self, partition: int) -> None:
        replay = Replay(partition, self.source.partitions, self.facts, aside=self._aside.get(partition, ()))
        if self.base:
            replay.users.update(self.base.users[partition])
            replay.watermark_ms = self.base.commits[partition].watermark_ms
            for user in replay.users.values():
                user.learn(self.facts)
        log = {
            topic: await self.source.read(topic, partition, self._since(topic, partition))
            for topic in SOURCES
            if topic != "videos"
        }
        for commit in self.commits[partition][1 if self.base else 0 :]:
            cells = replay.commit(log, commit.positions)
            self.watermark_ms = max(self.watermark_ms, replay.watermark_ms)
            flush = compare_counts.Flush(partition, commit.flush)
            sent = _unpacked(self._sent.pop(flush, []))
            compare_counts.compare_flush(self.verdict, flush, cells, sent, self.source.partitions)
            for (video, region, code), number in cells.items():
                self.videos.add(video, region, code, number, self.watermark_ms)
        self.events += replay.events
        compare_ledger.expect(self.letters, replay.refused, partition)
        self._users_of.append(replay.users)
        images = {table: await self._table(table, partition) for table in USER_TABLES}
        gave_up = compare_users.who_gave_up(images["interests"])
        compare_users.compare_interests(self.verdict, replay.users, images["interests"], holes=self._holes)
        compare_users.compare_pairs(self.verdict, replay.users, images["pairs"])
        compare_users.compare_parked(self.verdict, replay.users, gave_up, images["parked"])
        self.videos.cut(self.watermark_ms)

    async def _table(self, table: str, partition: int) -> Images:
        entries = await self.source.read(table, partition)
        if self.commits[partition]:
            compare_ledger.compare_ends(self.verdict, self.commits[partition], table, entries, partition)
        images = {key: upgraded(table, key, value) for key, value in latest(entries).items()}
        take_strays(self.verdict, table, images, partition, self.source.partitions)
        return images

    def _unknown_flushes(self) -> None:
        for flush, messages in self._sent.items():
            sent = _unpacked(messages)
            if any(tally.names for _, tally in sent):
                known = self.commits[flush.origin]
                if flush.number > (known[-1].flush if known else 0):
                    raise NotProvableError("the pipeline went on while the audit read: stop the writers, then audit")
                compare_counts.compare_flush(self.verdict, flush, {}, sent, self.source.partitions)

    async def _videos(self, partition: int) -> None:
        def mine(video: str) -> bool:
            return partition_of(video.encode(), self.source.partitions) == partition

        videos = {video: regions for video, regions in self.videos.rows.items() if mine(video)}
        facts = {video: row for video, row in self.facts.rows.items() if mine(video)}
        images = await self._table("videos-table", partition)
        compare_counts.compare_videos(self.verdict, videos, facts, images, self.watermark_ms)

    async def _trends(self, partition: int) -> None:
        images = await self._table("trends", partition)
        before = self._before[partition] if self.base else {}
        sent, charts = compare_counts.TrendTallies(self.watermark_ms, before), Charts()
        newest_ms = self.base.told_ms[partition] if self.base else 0
        for _, tally in await self._read_tallies("trend-tallies", partition):
            sent.add(tally)
            newest_ms = max(newest_ms, tally.watermark_ms)
        self._told_ms.append(newest_ms)
        for name, rows in entity_tables(self.videos, self.facts.rows, partition, self.source.partitions):
            for row in rows.values():
                row.cut(self.watermark_ms)
            compare_counts.compare_trends(self.verdict, name, rows, images, self.watermark_ms)
            sent.compare(self.verdict, name, rows)
            charts.add(name, rows)
        compare_counts.compare_left_over(self.verdict, images, self.watermark_ms)
        sent.compare_left_over(self.verdict)
        shown = latest(await self.source.read("charts", partition))
        charts.compare(self.verdict, partition, shown, watermark_ms=newest_ms, cut_ms=self.watermark_ms)

    async def _read_letters(self) -> list[Entry]:
        entries: list[Entry] = []
        for partition in range(self.source.partitions):
            entries += await self.source.read("dead-letters", partition)
        return entries

    async def _dead_letters(self) -> None:
        entries = await self._read_letters()
        self.dead_letters = compare_ledger.compare_letters(self.verdict, self.letters, entries, self._is_settled)

    def _is_settled(self, name: str) -> bool:
        topic, _, place = name.partition(":")
        partition, _, offset = place.partition(":")
        known = topic in (*SOURCES, *TALLIES) and partition.isdecimal() and offset.isdecimal()
        return known and int(partition) < self.source.partitions and int(offset) < self._since(topic, int(partition))


def _unpacked(sent: Sent) -> list[tuple[int, tallies.Tally]]:
    return [(destination, tallies.unpack(value)) for destination, value in sent]


def _has_holes(entries: list[Entry], since: int) -> bool:
    return any(entry.offset != number for number, entry in enumerate(entries, since))
