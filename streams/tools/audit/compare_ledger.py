"""Commits and dead letters: the book-keeping of the pipeline."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from streams.core.published import Commit
from streams.core.reasons import Reason
from streams.testing.oracle.replay import Refused
from streams.tools.audit.log import Entry, NotProvableError
from streams.tools.audit.verdict import Difference, Verdict, differing

_decode = msgspec.json.Decoder(Commit).decode


def read_commits(
    verdict: Verdict, entries: Iterable[Entry], partition: int, before: Commit | None = None
) -> list[Commit]:
    """The commits of a partition in order, `before` first; each is judged against the one before it."""
    commits = [before] if before else []
    tables = dict(before.tables) if before else {}
    for entry in entries:
        try:
            commit = _decode(entry.value or b"")
        except msgspec.DecodeError as error:
            found = Difference("value", "a commit", repr(error))
            verdict.row("commits", f"{partition}@{entry.offset}", [found])
            continue
        faults = _faults(commits[-1] if commits else None, commit, entry.key, partition)
        faults += _fallen("tables", tables, commit.tables, may_lack=True)
        verdict.row("commits", f"{partition}:{commit.flush}", faults)
        commits.append(commit)
        tables |= commit.tables
    return commits


def _faults(before: Commit | None, commit: Commit, key: bytes | None, partition: int) -> list[Difference]:
    flush = before.flush + 1 if before else 1
    differences = differing(
        [
            ("key", str(partition).encode(), key),
            ("partition", partition, commit.partition),
            ("flush", flush, commit.flush),
        ]
    )
    if before:
        differences += _fallen("positions", before.positions, commit.positions, may_lack=False)
        for topic, origins in before.folded.items():
            differences += _fallen(f"folded.{topic}", origins, commit.folded.get(topic, {}), may_lack=False)
        if commit.watermark_ms < before.watermark_ms:
            differences.append(Difference("watermark_ms", f"at least {before.watermark_ms}", commit.watermark_ms))
    return differences


def _fallen(field: str, before: Mapping[str, int], now: Mapping[str, int], *, may_lack: bool) -> list[Difference]:
    return [
        Difference(f"{field}.{name}", f"at least {least}", now.get(name))
        for name, least in before.items()
        if now.get(name, least if may_lack else -1) < least
    ]


def table_ends(commits: Iterable[Commit]) -> dict[str, int]:
    """The next changelog offset of each table, as these commits name it."""
    ends: dict[str, int] = {}
    for commit in commits:
        for table, end in commit.tables.items():
            ends[table] = max(end, ends.get(table, 0))
    return ends


def compare_ends(
    verdict: Verdict, commits: Sequence[Commit], table: str, entries: Sequence[Entry], partition: int
) -> None:
    """The last changelog offset that a commit names must be that of the last record of the table."""
    named = table_ends(commits).get(table, 0)
    # Idle units go on committing their own record (its key starts with NUL) while the audit reads.
    rows = [entry.offset + 1 for entry in entries if entry.offset < named or (entry.key or b"")[:1] != b"\x00"]
    verdict.row("commits", f"{partition}:tables.{table}", differing([("next offset", max(rows, default=0), named)]))


def compare_folded(verdict: Verdict, commit: Commit, topic: str, last_flush: Mapping[int, int], partition: int) -> None:
    """`last_flush`: greatest flush by origin among the tallies that lie before the commit's position."""
    named = {int(origin): flush for origin, flush in commit.folded.get(topic, {}).items()}
    verdict.row("commits", f"{partition}:folded.{topic}", differing([("last flushes", dict(last_flush), named)]))


class Expected(NamedTuple):
    """The dead letter that a refused record must have."""

    reason: Reason
    value: bytes
    key: bytes | None
    timestamp: int


Letters = dict[str, Expected]
"""By id: `topic:partition:offset`."""


def set_aside(entries: Iterable[Entry]) -> dict[int, set[tuple[str, int]]]:
    """By partition, the (topic, offset) of records that were not folded since a handler failed on them."""
    found: dict[int, set[tuple[str, int]]] = {}
    for entry in entries:
        if dict(entry.headers).get("reason") == Reason.HANDLER_FAILED.value.encode():
            topic, partition, offset = (entry.key or b"").decode().split(":")
            found.setdefault(int(partition), set()).add((topic, int(offset)))
    return found


def expect(letters: Letters, refused: Iterable[Refused], partition: int) -> None:
    """Note the dead letters of one partition's refused records (values as digests: they may be large)."""
    for topic, entry, reason in refused:
        letters[f"{topic}:{partition}:{entry.offset}"] = Expected(
            reason, _digest(entry.value), entry.key, entry.timestamp
        )


def _digest(value: bytes | None) -> bytes:
    return b"" if value is None else blake2b(value, digest_size=16).digest()


def compare_letters(
    verdict: Verdict, letters: Letters, entries: Iterable[Entry], settled: Callable[[str], bool]
) -> int:
    """Exactly one dead letter for each refused record and none besides -> how many there are (markers aside).

    Letters whose name is `settled` are about records before the checkpoint: they were judged then.
    """
    seen: dict[str, int] = {}
    for entry in entries:
        headers = dict(entry.headers)
        if headers.get("state") == b"retried":
            continue
        name = (entry.key or b"").decode("utf-8", "backslashreplace")
        if settled(name):
            continue
        seen[name] = seen.get(name, 0) + 1
        expected = letters.get(name)
        if seen[name] > 1:
            verdict.row("dead-letters", name, [Difference("letters", 1 if expected else 0, seen[name])])
        elif expected is None:
            verdict.row("dead-letters", name, [Difference("letter", "none", headers.get("reason"))])
        else:
            verdict.row("dead-letters", name, _letter(name, expected, entry, headers))
    for name in letters.keys() - seen.keys():
        verdict.row("dead-letters", name, [Difference("letter", letters[name].reason.value, "missing")])
    return sum(seen.values())


def _letter(name: str, expected: Expected, entry: Entry, headers: Mapping[str, bytes]) -> list[Difference]:
    topic, partition, offset = name.split(":")
    return differing(
        [
            ("reason", expected.reason.value.encode(), headers.get("reason")),
            ("value", expected.value, _digest(entry.value)),
            ("key", expected.key, headers.get("key")),
            ("timestamp", str(expected.timestamp).encode(), headers.get("timestamp")),
            ("topic", topic.encode(), headers.get("topic")),
            ("partition", partition.encode(), headers.get("partition")),
            ("offset", offset.encode(), headers.get("offset")),
        ]
    )


def demand_reach(topic: str, partition: int, start: int, needed: int) -> None:
    """NotProvableError if a log that is `needed` from an offset on begins later."""
    if start > needed:
        raise NotProvableError(
            f"{topic} partition {partition} begins at offset {start} and is needed from {needed} on: records are gone, "
            "so nobody can recount. Audit within the retention of the sources, tallies and commits, "
            "or with --from FILE from a checkpoint that an earlier audit saved with --save FILE."
        )
