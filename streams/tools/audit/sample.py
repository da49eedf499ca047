"""A hash-sample of users, videos and entities, recounted stage by stage while the pipeline goes on.

Each stage is judged by what it was given: users by the source records, videos by the video tallies, entities by the
trend tallies, all up to the same commit as the rows. That the tallies say what the events say is left to the full
audit, which has to know the last view ids of every user. So memory grows with the sample, not with the log.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from streams.core import tallies
from streams.core.keys import Kind, parse_entity_key, partition_of, split_key
from streams.core.published import Commit
from streams.core.rows import FactsRow
from streams.core.types import ALL_REGIONS
from streams.testing.oracle.checks import SOURCES
from streams.testing.oracle.counts import Tallied
from streams.testing.oracle.facts import Facts
from streams.testing.oracle.replay import Log, Replay, read_facts
from streams.testing.oracle.trends import Scopes
from streams.testing.oracle.users import User
from streams.tools.audit import compare_counts, compare_ledger
from streams.tools.audit.checkpoint import Checkpoint
from streams.tools.audit.log import Entry
from streams.tools.audit.rows import Images, owner
from streams.tools.audit.verdict import Difference, Source, Verdict

TALLIES = ("video-tallies", "trend-tallies")
TABLES = ("interests", "pairs", "parked", "videos-table", "trends")
BY_USER = tuple(topic for topic in SOURCES if topic != "videos")
SOME = 1 << 64


class Sample:
    """Which names are looked at: always the same ones for the same fraction."""

    def __init__(self, fraction: float) -> None:
        self._below = int(fraction * SOME)

    def has(self, name: bytes) -> bool:
        """Whether this user, video or entity name is among them."""
        return int.from_bytes(blake2b(name, digest_size=8).digest(), "big") < self._below


class _About(msgspec.Struct):
    video: str


_about = msgspec.json.Decoder(_About).decode


@dataclass
class Part:
    """What is known of one partition number: everything up to its commit `cut`."""

    cut: Commit | None = None
    next_commit: int = 0
    users: dict[str, User] = field(default_factory=lambda: defaultdict(User))
    videos: dict[str, dict[str, Tallied]] = field(default_factory=dict)
    facts: dict[str, FactsRow] = field(default_factory=dict)
    entities: dict[str, Scopes] = field(default_factory=dict)
    images: dict[str, Images] = field(default_factory=lambda: {table: {} for table in TABLES})
    read: dict[str, int] = field(default_factory=dict)
    """Next changelog offset of each table to be read for `images`."""
    beyond: dict[str, dict[bytes, int]] = field(default_factory=lambda: {table: {} for table in TABLES})
    """Offset of the last row of each key that no commit covers: about to be covered, or nobody's."""
    aside: set[tuple[str, int]] = field(default_factory=set)
    """(topic, offset) of records that were not folded since a handler failed on them."""
    next_letter: int = 0
    """Next offset in `dead-letters`."""
    last: dict[str, dict[int, int]] = field(default_factory=lambda: {topic: {} for topic in TALLIES})
    """Tally topic -> origin -> its last flush."""
    turns: list[tuple[dict[str, int], dict[str, int]]] = field(default_factory=list)
    """Positions before and after each commit with records of `accounts`, which come before all others in it."""

    def position(self, topic: str) -> int:
        """Next offset of a source or tally topic."""
        return self.cut.positions.get(topic, 0) if self.cut else 0

    def end(self, table: str) -> int:
        """Next changelog offset of a table."""
        return self.cut.tables.get(table, 0) if self.cut else 0


class Sampled:
    """The recount of the sample; `advance` takes it to the newest commits."""

    def __init__(self, source: Source, sample: Sample, base: Checkpoint | None = None) -> None:
        self.source, self.sample, self.facts = source, sample, Facts()
        self.watermark_ms = 0
        self.parts = [Part() for _ in range(source.partitions)]
        self._touched: set[bytes] = set()
        if base:
            self._begin(base)

    def _begin(self, base: Checkpoint) -> None:
        has, entities = self.sample.has, base.entities()
        videos, self.watermark_ms = base.recounted().rows, base.watermark_ms
        for number, part in enumerate(self.parts):
            part.cut, part.next_commit = base.commits[number], base.next_commits[number]
            part.users.update({name: user for name, user in base.users[number].items() if has(name.encode())})
            part.entities = {name: rows for name, rows in entities[number].items() if has(name.encode())}
            for topic in TALLIES:
                part.last[topic] = {int(o): flush for o, flush in part.cut.folded.get(topic, {}).items()}
        for video in base.facts.rows.keys() | videos.keys():
            if has(video.encode()):
                part = self.parts[partition_of(video.encode(), len(self.parts))]
                if video in videos:
                    part.videos[video] = videos[video]
                if video in base.facts.rows:
                    part.facts[video] = base.facts.rows[video]

    async def advance(self, verdict: Verdict) -> None:
        """Take in what was committed since. NotProvableError if some of it is gone."""
        before = [{topic: part.position(topic) for topic in (*SOURCES, *TALLIES)} for part in self.parts]
        for number in range(len(self.parts)):
            await self._commits(verdict, number, before[number])
            await self._letters(number)
        self.watermark_ms = max([self.watermark_ms, *(part.cut.watermark_ms for part in self.parts if part.cut)])
        logs = [await self._log(number, before[number]) for number in range(len(self.parts))]
        for number in range(len(self.parts)):
            await self._facts(number, before[number]["videos"])
        for number, log in enumerate(logs):
            self._fold(number, log)
            for topic in TALLIES:
                await self._tallies(verdict, number, topic, before[number][topic])
            for table in TABLES:
                await self._rows(number, table)

    async def _commits(self, verdict: Verdict, number: int, before: dict[str, int]) -> None:
        part = self.parts[number]
        for topic in ("commits", *SOURCES, *TALLIES):
            needed = part.next_commit if topic == "commits" else before[topic]
            compare_ledger.demand_reach(topic, number, await self.source.start(topic, number), needed)
        part.turns.clear()

        def take(entry: Entry) -> None:
            part.next_commit = entry.offset + 1
            new = compare_ledger.read_commits(verdict, [entry], number, part.cut)[-1:]
            if not new or new[0] is part.cut:
                return
            was = part.cut.positions if part.cut else {}
            if new[0].positions.get("accounts", 0) > was.get("accounts", 0):
                part.turns.append((was, new[0].positions))
            tables = part.cut.tables if part.cut else {}
            part.cut = msgspec.structs.replace(new[0], tables={**tables, **new[0].tables})

        await self.source.visit("commits", number, part.next_commit, take)

    async def _letters(self, number: int) -> None:
        """After the commits: the letter of a record is in the same transaction as the commit that passes it."""
        part = self.parts[number]

        def take(entry: Entry) -> None:
            part.next_letter = entry.offset + 1
            part.aside |= compare_ledger.set_aside([entry]).get(number, set())

        await self.source.visit("dead-letters", number, part.next_letter, take)

    async def _log(self, number: int, before: dict[str, int]) -> Log:
        """New records of the users of the sample."""
        part, log = self.parts[number], {}
        for topic in BY_USER:
            found: list[Entry] = []
            end = part.position(topic)

            def take(entry: Entry, found: list[Entry] = found, end: int = end) -> None:
                if entry.offset < end and entry.key is not None and self.sample.has(entry.key):
                    found.append(entry)
                    try:
                        self._touched.add(_about(entry.value or b"").video.encode())
                    except (msgspec.DecodeError, UnicodeError):
                        return  # the recount says what is wrong with it

            await self.source.visit(topic, number, before[topic], take, end)
            log[topic] = found
        return log

    async def _facts(self, number: int, since: int) -> None:
        """All facts again, since users may have met old videos for the first time; of the sample those from `since`."""
        part, partitions = self.parts[number], len(self.parts)
        end = part.position("videos")
        mine = Facts(rows=part.facts)

        def take(entry: Entry) -> None:
            key = entry.key or b""
            if since <= entry.offset < end and self.sample.has(key):
                read_facts(mine, [entry], end, number, partitions, part.aside)
            known = self.facts.rows.get(key.decode(errors="replace"))
            if key in self._touched and (known is None or entry.offset > known.offset):
                # The catalogue of the user stage learns what the video's owner failed on.
                read_facts(self.facts, [entry], entry.offset + 1, number, partitions)

        await self.source.visit("videos", number, 0, take)

    def _fold(self, number: int, log: Log) -> None:
        part = self.parts[number]
        for user in part.users.values():
            user.learn(self.facts)
        replay = Replay(number, len(self.parts), self.facts, part.users, aside=part.aside)
        accounts = [entry.offset for entry in log["accounts"]]
        for was, now in part.turns:
            if any(was.get("accounts", 0) <= offset < now["accounts"] for offset in accounts):
                replay.commit(log, was)
                replay.commit(log, now)
        replay.commit(log, part.cut.positions if part.cut else {})

    async def _tallies(self, verdict: Verdict, number: int, topic: str, start: int) -> None:
        part = self.parts[number]
        end, last = part.position(topic), part.last[topic]

        def take(entry: Entry) -> None:
            if entry.offset >= end:
                return
            try:
                tally = tallies.unpack(entry.value or b"")
            except ValueError:
                return  # a dead letter: the full audit looks at them
            least = last.get(tally.origin, 0)
            if tally.flush < least:
                late = Difference("flush", f"at least {least}", tally.flush)
                verdict.row(topic, f"{number}:{tally.origin}@{entry.offset}", [late])
            last[tally.origin] = max(least, tally.flush)
            if any(self.sample.has(split_key(name)[0].encode()) for name in tally.names):
                self._add(part, topic, tally)

        await self.source.visit(topic, number, start, take, end)
        if part.cut:
            compare_ledger.compare_folded(verdict, part.cut, topic, last, number)

    def _add(self, part: Part, topic: str, tally: tallies.Tally) -> None:
        for name, codes, numbers in compare_counts.by_name(tally):
            first, scope = split_key(name)
            if not self.sample.has(first.encode()):
                continue
            if topic == "video-tallies":
                rows = [part.videos.setdefault(first, {}).setdefault(scope, Tallied())]
            else:
                kind, _, region = parse_entity_key(name)
                scopes = part.entities.setdefault(first, {})
                wanted = (ALL_REGIONS,) if kind == Kind.REGION else (region, ALL_REGIONS)
                rows = [scopes.setdefault(each, Tallied()) for each in wanted]
            for row in rows:
                for code, many in zip(codes, numbers, strict=True):
                    row.add(code, many, self.watermark_ms)

    async def _rows(self, number: int, table: str) -> None:
        part = self.parts[number]
        end, images, beyond = part.end(table), part.images[table], part.beyond[table]
        beyond.clear()

        def take(entry: Entry) -> None:
            key = entry.key or b"\x00"
            if key[0] == 0 or not self._is_mine(table, key):
                return
            if entry.offset >= end:
                beyond[key] = entry.offset
            elif entry.value is None:
                images.pop(key, None)
            else:
                images[key] = entry.value

        await self.source.visit(table, number, part.read.get(table, 0), take)
        part.read[table] = end

    def _is_mine(self, table: str, key: bytes) -> bool:
        try:
            return self.sample.has(owner(table, key))
        except (ValueError, KeyError, IndexError):
            return False
