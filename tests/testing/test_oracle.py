"""The oracle against numbers worked out by hand."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from streams.core.events import VideoFacts
from streams.core.panes import TOTAL_ONLY
from streams.core.params import DAY_MS, FAST_HALF_LIFE_MS, HOUR_MS, MINUTE_MS
from streams.core.rows import AccountFlag, PairFlag
from streams.testing import oracle
from streams.testing.oracle import counts
from streams.testing.oracle.counts import LIKE, SHARE, VIEW, Tallied, join, split
from streams.testing.oracle.facts import Facts, topics_of
from streams.testing.oracle.replay import Replay, read_facts
from streams.testing.oracle.trends import Videos, entity_tables, top
from streams.testing.oracle.weights import Weights, view_weight
from streams.tools.audit.log import Entry

T = 1_700_000_000_000
FACTS = VideoFacts("c", "s", ("a", "b"), "g", 20_000, "en", 1)
ALLOWED = {"types", "events", "reasons", "params", "keys", "panes", "published", "rows"}


def test_it_imports_type_definitions_only() -> None:
    for path in Path(oracle.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streams."):
                module = (node.module or "").removeprefix("streams.")
                assert module.startswith("testing.oracle") or module in {f"core.{name}" for name in ALLOWED}, path.name


@pytest.mark.parametrize(
    ("watch_ms", "duration_ms", "weight"),
    [
        (1_999, 20_000, -0.5), (2_000, 20_000, 0.54 * -0.8), (1_000, 5_000, 0.31 * -0.6), (10_000, 20_000, 0.0),
        (20_000, 20_000, 0.54), (14_999, 14_999, 0.31), (30_000, 30_000, 0.62), (40_000, 20_000, 0.54 + 0.15),
        (200_000, 20_000, 0.54 + 0.45), (0, 100, -0.5),
    ],
)  # fmt: skip
def test_weights_of_views(watch_ms: int, duration_ms: int, weight: float) -> None:
    assert view_weight(watch_ms, duration_ms) == pytest.approx(weight, abs=1e-12)


def test_weights_decay_by_half_lives() -> None:
    weights = Weights()
    weights.add((7,), 1.0, T)
    weights.add((7,), 0.5, T + FAST_HALF_LIFE_MS)
    later = T + 2 * FAST_HALF_LIFE_MS
    assert weights.at(weights.positive, later)[7].fast == pytest.approx(0.5)
    weights.add((7,), 1.0, T, undo=True)
    assert weights.at(weights.positive, later)[7].fast == pytest.approx(0.25)
    assert weights.at(weights.positive, later)[7].fast_size == pytest.approx(0.75)


def test_weights_survive_a_year() -> None:
    weights = Weights()
    weights.add((7,), 1.0, T)
    weights.add((7,), 1.0, T + 400 * DAY_MS)
    assert weights.at(weights.positive, T + 400 * DAY_MS)[7].fast == 1.0


@pytest.mark.parametrize("triple", [(0, 0, 0), (1, 2, 3), (-1, 5, -7), (10**9, -(10**9), 0), (0, -1, 1)])
def test_three_counts_in_one_number(triple: tuple[int, int, int]) -> None:
    assert split(join(triple)) == triple
    assert split(join(triple) + join((4, 4, 4))) == tuple(n + 4 for n in triple)


def test_cells_touch_what_their_level_says() -> None:
    row, minute = Tallied(), T // MINUTE_MS
    row.add(minute, VIEW)
    row.add(1 << 30 | minute, LIKE)
    row.add(2 << 30 | T // HOUR_MS, SHARE)
    row.add(TOTAL_ONLY, 2 * VIEW)
    assert row.totals == 3 * VIEW
    assert row.minutes == {minute: VIEW + LIKE}
    assert row.hours == {T // HOUR_MS: VIEW + SHARE}
    row.cut(T + 120 * MINUTE_MS)
    assert row.minutes == {}
    assert row.hours == {T // HOUR_MS: VIEW + SHARE}
    row.cut(T + 336 * HOUR_MS)
    assert (row.hours, row.totals, row.is_zero()) == ({}, 3 * VIEW, False)
    assert counts.oldest_minute(T) == minute - 120


class Log:
    """Records of one partition, written one by one."""

    def __init__(self, facts: Facts) -> None:
        self.records: dict[str, list[Entry]] = {}
        self.replay = Replay(0, 1, facts)

    def add(self, topic: str, value: dict[str, Any] | None, *, key: str = "u", arrival: int = T) -> None:
        log = self.records.setdefault(topic, [])
        raw = None if value is None else json.dumps(value).encode()
        log.append(Entry(key.encode(), raw, len(log), arrival))

    def view(self, event_id: str, **more: Any) -> None:
        arrival = more.pop("arrival", T)
        event = {"id": event_id, "user": "u", "video": "v", "at_ms": T, "watch_ms": 20_000} | more
        self.add("views", event, arrival=arrival)

    def like(self, event_id: str, op: str = "like", **more: Any) -> None:
        arrival = more.pop("arrival", T)
        self.add("likes", {"id": event_id, "user": "u", "video": "v", "at_ms": T, "op": op} | more, arrival=arrival)

    def commit(self) -> dict[tuple[str, str, int], int]:
        return self.replay.commit(self.records, {topic: len(log) for topic, log in self.records.items()})


@pytest.fixture
def log() -> Log:
    facts = Facts()
    facts.apply("v", 0, FACTS)
    return Log(facts)


MINUTE = T // MINUTE_MS


def test_a_repeat_counts_once(log: Log) -> None:
    log.view("a")
    log.view("a")
    log.view("b", region="NL")
    assert log.commit() == {("v", "unknown", MINUTE): VIEW, ("v", "NL", MINUTE): VIEW}
    user = log.replay.users["u"]
    assert (user.views, user.repeats, len(user.view_ids), user.last_ms) == (2, 1, 2, T)
    values = user.weights.at(user.weights.positive, T)
    assert set(values) == set(topics_of(FACTS))
    assert values[topics_of(FACTS)[0]].slow == pytest.approx(1.08)


def test_the_33rd_id_pushes_out_the_first(log: Log) -> None:
    for number in range(33):
        log.view(f"e{number}")
    log.view("e0")
    log.view("e2")
    log.commit()
    assert (log.replay.users["u"].views, log.replay.users["u"].repeats) == (34, 1)


def test_a_late_view_counts_in_totals_only(log: Log) -> None:
    log.view("a", at_ms=T - DAY_MS - 1)
    assert log.commit() == {("v", "unknown", TOTAL_ONLY): VIEW}
    user = log.replay.users["u"]
    assert (user.views, user.late, user.weights.positive, user.last_ms) == (1, 1, {}, T - DAY_MS)


def test_a_clock_ahead_is_cut(log: Log) -> None:
    log.view("a", at_ms=T + DAY_MS)
    log.commit()
    assert log.replay.users["u"].last_ms == T + 2_000
    assert log.replay.watermark_ms == T + 2_000


def test_like_unlike_and_an_old_like(log: Log) -> None:
    log.like("b")
    assert log.commit() == {("v", "unknown", MINUTE): LIKE}
    log.like("c", "unlike", at_ms=T + 1_000)
    log.like("a", at_ms=T + 500)
    assert log.commit() == {("v", "unknown", MINUTE): -LIKE}
    user = log.replay.users["u"]
    assert user.likes == 3
    assert user.pairs["v"][1, ""].flags == 0
    assert user.weights.at(user.weights.positive, T)[topics_of(FACTS)[0]].slow == pytest.approx(0)


def test_of_equal_times_the_greater_id_wins(log: Log) -> None:
    log.like("000000000000000b", "unlike")
    log.like("000000000000000a", "like")
    assert log.commit() == {}
    log.like("000000000000000c", "like")
    assert log.commit() == {("v", "unknown", MINUTE): LIKE}


def test_hidden_people_count_for_themselves_only(log: Log) -> None:
    log.like("a", region="NL")
    log.commit()
    log.view("x")
    log.add("accounts", {"private": True})
    log.like("b", at_ms=T + 1)
    assert log.commit() == {("v", "NL", MINUTE): -LIKE}
    user = log.replay.users["u"]
    assert user.account == AccountFlag.KNOWN | AccountFlag.PRIVATE
    assert user.pairs["v"][1, ""].flags == PairFlag.ON
    assert user.weights.at(user.weights.positive, T)[topics_of(FACTS)[0]].slow == pytest.approx(1.54)


def test_shares_of_unknown_videos_wait(log: Log) -> None:
    log.view("a", video="w", duration_ms=5_000, arrival=T + 5)
    log.like("b", video="w", arrival=T + 9)
    log.like("c", "unlike", video="w", at_ms=T + 1, arrival=T + 9)
    log.commit()
    waiting = log.replay.users["u"].parked["w"]
    assert [(s.action, s.sign, s.watch_ms, s.duration_ms) for s in waiting.shares] == [
        (0, 1, 20_000, 5_000), (1, 1, 0, 0), (1, -1, 0, 0),
    ]  # fmt: skip
    assert waiting.arrivals == [T + 5, T + 9, T + 9]


def test_what_is_not_committed_is_not_folded(log: Log) -> None:
    log.view("a")
    log.view("b")
    log.replay.commit(log.records, {"views": 1})
    assert log.replay.users["u"].views == 1
    assert log.replay.events == 1


def test_facts_remember_change_and_removal() -> None:
    facts, other = Facts(), VideoFacts("c", "s", ("z",), "g", 20_000, "en", 1)
    values: list[bytes | None] = [json.dumps(f).encode() for f in (_json(FACTS), _json(FACTS), {}, _json(other))]
    refused = read_facts(facts, [Entry(b"v", v, n, T) for n, v in enumerate([*values, None])], 5, 0, 1)
    assert [(one.entry.offset, one.reason.value) for one in refused] == [(2, "missing-field")]
    assert facts.versions == {"v": set(topics_of(FACTS)) | set(topics_of(other))}
    assert (facts.rows["v"].offset, facts.rows["v"].facts, facts.rows["v"].live) == (4, None, False)
    assert facts.last["v"] == other


def _json(facts: VideoFacts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in VideoFacts.__struct_fields__}


def test_entities_are_sums_of_live_videos() -> None:
    facts, videos = Facts(), Videos()
    facts.apply("v", 0, FACTS)
    facts.apply("w", 1, VideoFacts("c", "s2", ("a",), "g", 9, "en", 1))
    facts.apply("gone", 2, VideoFacts("c", "s", ("a",), "g", 9, "en", 1, status="removed"))
    for video, region, number in (("v", "NL", VIEW), ("w", "NL", LIKE), ("w", "DE", SHARE), ("gone", "NL", VIEW)):
        videos.add(video, region, MINUTE, number, T)
    found = {
        (name, scope): row.totals
        for name, rows in entity_tables(videos, facts.rows, 0, 1)
        for scope, row in rows.items()
    }
    assert found["ta", "*"] == VIEW + LIKE + SHARE
    assert found["ta", "NL"] == VIEW + LIKE
    assert found["tb", "*"] == VIEW
    assert found["rNL", "*"] == VIEW + LIKE
    assert found["rDE", "*"] == SHARE
    assert ("rNL", "NL") not in found
    assert not any(name == "vgone" for name, _ in found)


def test_charts_sort_by_score_then_id() -> None:
    entries = top([("b", 5 * VIEW), ("a", SHARE), ("c", 2 * LIKE), ("none", 0), ("minus", -VIEW)])
    assert [(entry.id, entry.score) for entry in entries] == [("c", 6), ("a", 5), ("b", 5)]
    assert len(top((f"e{n}", VIEW) for n in range(200))) == 100
