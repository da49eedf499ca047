"""The reader's state, fed with batches."""

import msgspec
import pytest

from streams.core.events import VideoFacts
from streams.core.keys import IDENTITY, topic_hash, video_row_key
from streams.core.rows import CounterRow
from streams.serving.state import ReaderState
from tests.serving.builders import NOW_MS, FakeRecord, batch, commit, feed_commit, feed_rows

FACTS = VideoFacts("ann", "beat", ("cats", "dogs"), "pets", 9_000, "en", 0)


def facts_bytes(**changes: object) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(FACTS, **changes))


def test_the_newest_value_of_a_key_stays_and_a_tombstone_deletes() -> None:
    state = ReaderState(2)
    feed_rows(state, "interests", 1, {b"ann": b"1", b"bob": b"1"})
    state.apply(
        "interests", 1, batch(FakeRecord(b"ann", b"2", 2), FakeRecord(b"bob", None, 3), FakeRecord(b"eve", None, 4))
    )
    assert state.rows["interests"] == {b"ann": b"2"}


def test_identity_records_and_records_without_key_are_no_rows() -> None:
    state = ReaderState(2)
    state.apply("trends", 0, batch(FakeRecord(IDENTITY, b"x", 0), FakeRecord(None, b"x", 1)))
    assert state.rows["trends"] == {}
    assert state.position("trends", 0) == 2


def test_the_position_follows_records_and_markers() -> None:
    state = ReaderState(2)
    assert state.position("interests", 1) == 0
    feed_rows(state, "interests", 1, {b"ann": b"1"}, first=41)
    assert state.position("interests", 1) == 42
    state.advance("interests", 1, 43)
    assert state.positions == {("interests", 1): 43}


def test_records_of_every_topic_are_taken_over() -> None:
    tables: dict[str, list[FakeRecord]] = {
        "interests": [FakeRecord(IDENTITY, b"{}", 3), FakeRecord(b"a", b"1", 5), FakeRecord(b"a", None, 6)],
        "videos-table": [FakeRecord(video_row_key("v", region), b"1", 9) for region in ("fr", "", "de")],
        "videos": [FakeRecord(b"v", facts_bytes(), 1), FakeRecord(b"w", b"{", 2), FakeRecord(b"v", None, 3)],
        "charts": [FakeRecord(IDENTITY, b"{}", 0), FakeRecord(b"tag|*|1h|0", b"a", 7), FakeRecord(b"?", b"a", 8)],
        "commits": [FakeRecord(b"0", msgspec.json.encode(commit(0, 4, tables={"interests": 6})), 2)],
    }
    state = ReaderState(1)
    for topic, records in tables.items():
        state.apply(topic, 0, batch(*records))
    assert state.positions == {(topic, 0): records[-1].offset + 1 for topic, records in tables.items()}
    assert (state.applied, state.ignored) == (13, 2)
    assert {table: len(rows) for table, rows in state.rows.items()} == {"interests": 0, "videos-table": 3, "trends": 0}
    assert list(state.regions[b"v"]) == [video_row_key("v", region) for region in ("", "de", "fr")]
    assert (len(state.names), state.charts) == (6, {("tag", "*", "1h"): {0: b"a"}})
    kept = state.commits[0].covered("interests", 6)
    assert kept is not None
    assert (kept.commit.flush, kept.time_ms) == (4, NOW_MS)


def test_an_empty_batch_changes_nothing() -> None:
    state = ReaderState(2)
    state.apply("interests", 1, batch())
    assert state.positions == {}


def test_rows_of_a_video_are_found_together() -> None:
    state = ReaderState(1)
    facts, de, fr = (video_row_key("v1", region) for region in ("", "de", "fr"))
    feed_rows(state, "videos-table", 0, {facts: b"f", de: b"1", fr: b"1", video_row_key("v10", "de"): b"1"})
    feed_rows(state, "videos-table", 0, {de: b"2"}, first=4)
    assert list(state.regions[b"v1"]) == [facts, de, fr]
    feed_rows(state, "videos-table", 0, {de: None}, first=5)
    assert list(state.regions[b"v1"]) == [facts, fr]
    feed_rows(state, "videos-table", 0, {facts: None, fr: None, de: None}, first=6)
    assert set(state.regions) == {b"v10"}


def test_names_of_topics_are_learnt_from_facts_and_outlive_them() -> None:
    state = ReaderState(1)
    feed_rows(state, "videos", 0, {b"v1": facts_bytes(), b"v2": b"{", b"v3": None})
    feed_rows(state, "videos", 0, {b"v1": None}, first=3)
    expected = [("tag", "cats"), ("tag", "dogs"), ("sound", "beat"), ("creator", "ann"), ("category", "pets")]
    assert state.names == {topic_hash(*name): name for name in [*expected, ("language", "en")]}
    assert state.ignored == 1


def test_charts_are_kept_by_partition_and_scopes_may_hold_bars() -> None:
    state = ReaderState(2)
    feed_rows(state, "charts", 0, {b"tag|*|1h|0": b"a", b"tag|a|b|24h|0": b"b"})
    feed_rows(state, "charts", 1, {b"tag|*|1h|1": b"c"})
    assert state.charts[("tag", "*", "1h")] == {0: b"a", 1: b"c"}
    assert state.charts[("tag", "a|b", "24h")] == {0: b"b"}
    feed_rows(state, "charts", 0, {b"tag|*|1h|0": None}, first=2)
    assert state.charts[("tag", "*", "1h")] == {1: b"c"}


@pytest.mark.parametrize("key", [b"tag", b"tag|*|1h|x", b"*|1h|0", b"\xff|*|1h|0"])
def test_a_chart_with_an_odd_key_is_ignored_and_counted(key: bytes) -> None:
    state = ReaderState(2)
    feed_rows(state, "charts", 0, {key: b"a"})
    assert (state.charts, state.ignored) == ({}, 1)


def test_an_odd_commit_is_ignored_and_counted() -> None:
    state = ReaderState(1)
    feed_commit(state, commit(0, 1, tables={"interests": 5}))
    state.apply("commits", 0, batch(FakeRecord(b"0", b"{}", 1), FakeRecord(b"0", None, 2)))
    assert (len(state.commits[0]), state.ignored) == (1, 2)
    assert state.position("commits", 0) == 3


def test_reset_forgets_everything() -> None:
    state = ReaderState(1)
    feed_rows(state, "trends", 0, {b"tcats\x00*": CounterRow((1, 0, 0)).encode()})
    feed_rows(state, "videos", 0, {b"v1": facts_bytes()})
    feed_commit(state, commit(0, 1))
    state.reset()
    assert (state.rows["trends"], state.names, state.positions, len(state.commits[0])) == ({}, {}, {}, 0)
    feed_rows(state, "videos", 0, {b"v1": facts_bytes()})
    assert len(state.names) == 6
