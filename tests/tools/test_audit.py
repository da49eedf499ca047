"""The audit: nothing wrong with what the real folds write; wrong rows, charts and dead letters are found."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from streams.core.keys import partition_of
from streams.core.rows import CounterRow, PairRow, UserRow
from streams.testing.audit_world import MemorySource, Pipeline, busy
from streams.tools.audit.log import Entry, NotProvableError
from streams.tools.audit.run import behind
from streams.topics import NAMES
from tests.tools.tampering import ALTERED, alter_row, audited, replaced, shown


@pytest.mark.parametrize("seed", range(8))
def test_what_the_folds_write_is_right(seed: int) -> None:
    made = busy(seed)
    source = MemorySource(dict(made.logs), made.partitions)
    assert asyncio.run(behind(source)) == {}
    audit = audited(source)
    assert shown(audit) == []
    assert audit.verdict.wrong_rows == 0
    assert audit.verdict.rows_checked > 300
    assert audit.dead_letters > 5
    assert audit.events == sum(
        len(log)
        for (topic, _), log in made.logs.items()
        if topic in ("views", "likes", "shares", "feedback", "accounts", "videos")
    )


def test_nothing_is_excused_where_no_facts_change(right: MemorySource) -> None:
    audit = audited(right.copy())
    assert shown(audit) == []
    assert audit.verdict.excused.total() == 0


def test_evicted_topics_are_excused_and_bounded() -> None:
    made = Pipeline()
    rng = made.rng
    for number in range(60):
        made.facts(f"v{number}", {
            "creator": f"c{number}", "sound": f"s{number}", "tags": [], "category": "g", "language": "en",
            "duration_ms": 10_000, "published_ms": 1,
        })  # fmt: skip
        view = {"id": f"e{number}", "user": "u", "video": f"v{number}", "at_ms": made.now, "watch_ms": 9_000}
        made.send("views", "u", view)
        made.now += rng.randrange(10_000)
    made.drain()
    source = MemorySource(dict(made.logs), made.partitions)
    audit = audited(source)
    assert shown(audit) == []
    assert audit.verdict.excused == {"evicted-topic": 1}

    def heavier(row: UserRow) -> None:
        topic, fast, slow = row.positive[0]
        row.positive[0] = topic, fast * 2 + 1, slow

    alter_row(source, "interests", UserRow.decode, heavier)
    assert "at most" in shown(audited(source))[0]


@pytest.mark.parametrize(("table", "decode", "change"), ALTERED, ids=lambda x: getattr(x, "__name__", x))
def test_an_altered_row_is_found(
    right: MemorySource, table: str, decode: Callable[[bytes], object], change: Callable[..., None]
) -> None:
    source = right.copy()
    alter_row(source, table, decode, change)
    audit = audited(source)
    assert audit.verdict.wrong == {table: 1}, shown(audit)


TABLES = ("interests", "pairs", "parked", "videos-table", "trends")


def last_row(source: MemorySource, table: str) -> tuple[int, Entry]:
    """(partition, record) of a row that is there at the end and says something."""
    for partition in range(source.partitions):
        newest = {entry.key: entry for entry in source.logs.get((table, partition), [])}
        for entry in reversed(newest.values()):
            if entry.value is None or entry.key is None:
                continue
            if table != "trends" or CounterRow.decode(entry.value).totals != (0, 0, 0):
                return partition, entry
    raise AssertionError(f"no row of {table}")


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_row_is_found(right: MemorySource, table: str) -> None:
    source = right.copy()
    partition, gone = last_row(source, table)
    log = source.logs[table, partition]
    source.logs[table, partition] = [e._replace(value=None) if e.key == gone.key else e for e in log]
    audit = audited(source)
    assert audit.verdict.wrong == {table: 1}, shown(audit)


@pytest.mark.parametrize("table", TABLES)
def test_a_row_in_the_wrong_partition_is_found(right: MemorySource, table: str) -> None:
    source = right.copy()
    partition, row = last_row(source, table)
    other = source.logs[table, 1 - partition]
    other.insert(0, row._replace(offset=0))
    audit = audited(source)
    assert audit.verdict.wrong == {table: 1}, shown(audit)
    assert "partition expected" in shown(audit)[0]


EXTRA = {
    "interests": (b"nobody", UserRow(views=1).encode()),
    "pairs": (b"nobody\x00v1", PairRow([]).encode()),
    "videos-table": (b"nothing\x00NL", CounterRow((1, 0, 0)).encode()),
    "trends": (b"tnothing\x00*", CounterRow((0, 1, 0)).encode()),
}


@pytest.mark.parametrize("table", EXTRA)
def test_an_extra_row_is_found(right: MemorySource, table: str) -> None:
    source = right.copy()
    key, value = EXTRA[table]
    name = key.split(b"\x00")[0]
    partition = partition_of(name, source.partitions)
    source.logs[table, partition].insert(0, Entry(key, value, 0, 0))
    audit = audited(source)
    assert audit.verdict.wrong == {table: 1}, shown(audit)


def test_a_row_that_is_no_row_is_found(right: MemorySource) -> None:
    source = right.copy()
    partition, row = last_row(source, "interests")
    at = source.logs["interests", partition].index(row)
    replaced(source, "interests", partition, at, value=b"\x07garbage")
    audit = audited(source)
    assert audit.verdict.wrong == {"interests": 1}, shown(audit)


def test_a_missing_dead_letter_is_found(right: MemorySource) -> None:
    source = right.copy()
    del source.logs["dead-letters", 0][0]
    assert audited(source).verdict.wrong == {"dead-letters": 1}


def test_a_doubled_dead_letter_is_found(right: MemorySource) -> None:
    source = right.copy()
    log = source.logs["dead-letters", 0]
    log.append(log[0])
    assert audited(source).verdict.wrong == {"dead-letters": 1}


def test_a_dead_letter_of_a_good_record_is_found(right: MemorySource) -> None:
    source = right.copy()
    log = source.logs["dead-letters", 0]
    log.append(log[0]._replace(key=b"views:0:99999"))
    assert audited(source).verdict.wrong == {"dead-letters": 1}


@pytest.mark.parametrize("header", ["reason", "topic", "partition", "offset", "timestamp", "key"])
def test_a_wrong_header_is_found(right: MemorySource, header: str) -> None:
    source = right.copy()
    log = source.logs["dead-letters", 0]
    headers = tuple((name, b"wrong" if name == header else value) for name, value in log[0].headers)
    replaced(source, "dead-letters", 0, 0, headers=headers)
    audit = audited(source)
    assert audit.verdict.wrong == {"dead-letters": 1}
    assert shown(audit)[0].split()[2] == header


def test_retry_markers_are_no_letters(right: MemorySource) -> None:
    source = right.copy()
    log = source.logs["dead-letters", 0]
    before = audited(source).dead_letters
    log.append(log[0]._replace(value=None, headers=(("state", b"retried"),)))
    audit = audited(source)
    assert (audit.verdict.wrong_rows, audit.dead_letters) == (0, before)


def test_an_altered_chart_is_found(right: MemorySource) -> None:
    source = right.copy()
    log = source.logs["charts", 0]
    at = next(
        i
        for i in range(len(log) - 1, -1, -1)
        if b'"24h"' in (log[i].value or b"") and b"score" in (log[i].value or b"")
    )
    chart = msgspec.json.decode(log[at].value or b"")
    chart["entries"][0]["score"] += 1
    replaced(source, "charts", 0, at, value=msgspec.json.encode(chart))
    assert audited(source).verdict.wrong == {"charts": 1}


def test_missing_charts_are_found(right: MemorySource) -> None:
    source = right.copy()
    source.logs["charts", 0] = []
    assert audited(source).verdict.wrong["charts"] > 5


@pytest.mark.parametrize("topic", ["views", "likes", "shares", "commits", "video-tallies", "trend-tallies"])
def test_a_log_without_its_beginning_proves_nothing(right: MemorySource, topic: str) -> None:
    source = right.copy()
    source.starts[topic, 1] = 5
    with pytest.raises(NotProvableError, match=f"{topic} partition 1 begins at offset 5"):
        audited(source)


def test_what_is_not_committed_is_behind_and_not_counted(right: MemorySource) -> None:
    source = right.copy()
    log = source.logs["views", 0]
    log.append(log[-1]._replace(offset=log[-1].offset + 1))
    assert asyncio.run(behind(source)) == {"views": 1}
    assert audited(source).verdict.wrong_rows == 0


def test_idle_commits_during_the_audit_do_no_harm_but_rows_without_a_commit_do(right: MemorySource) -> None:
    source = right.copy()
    log = source.logs["interests", 0]
    log.append(log[-1]._replace(key=b"\x00unit", offset=log[-1].offset + 1))
    assert audited(source).verdict.wrong_rows == 0
    log.append(log[-2]._replace(offset=log[-1].offset + 1))
    assert audited(source).verdict.wrong == {"commits": 1}


def test_every_topic_there_is_takes_part(right: MemorySource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic emitted later has to be judged too."""
    source, seen = right.copy(), set()
    read = source.read

    async def noted(topic: str, partition: int, start: int = 0) -> list[Entry]:
        seen.add(topic)
        return await read(topic, partition, start)

    monkeypatch.setattr(source, "read", noted)
    audited(source)
    assert seen == set(NAMES)
