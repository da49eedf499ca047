"""Charts stay exact though most active rows leave memory, and few of them are read back."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import charts_panel
from streams.core.counters import cells, store
from streams.core.keys import KIND_OF_LETTER, Entity
from streams.core.panes import TOTAL_ONLY
from streams.core.params import MINUTE_MS
from streams.core.published import Chart
from streams.core.rows import Counts
from streams.core.trends import TrendStage
from streams.testing.counter_world import START_MINUTE, FakeRecord, MemoryRows, tally_message
from streams.testing.naive_counters import NaiveTrends, negated
from tests.core.kernels import each_version  # noqa: F401 - runs everything here twice

SIZE = 3
"""Entries of a chart here, so that charts are full and limits above 0."""
REGIONS = (b"de", b"fr")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts, and the memory that is not given back."""
    monkeypatch.setattr(charts_panel, "CHART_SIZE", SIZE)
    for module in (cells, store):
        monkeypatch.setattr(module, "FEW", 16)


Entries = list[tuple[str, int, int, int, int]]


class Play:
    """One partition of trends next to its naive twin; all charts are compared whenever they are published."""

    def __init__(self, seed: int, entities: int) -> None:
        self.random = Random(seed)
        self.minute = START_MINUTE
        self.rows, self.naive = MemoryRows(), NaiveTrends()
        self.stage = TrendStage(0, 1, self.rows)
        self.published: dict[bytes, Entries] = {}
        self.undoable: list[tuple[bytes, int, Counts]] = []
        self.names = [
            b"%s%d\x00%s" % (kind, n, region) for n in range(entities) for kind in (b"t", b"v") for region in REGIONS
        ]
        self.asleep = self.woken = self.flush = 0

    def tell(self, tally: list[tuple[bytes, int, Counts]]) -> None:
        """Fold these cells on both sides."""
        summed: dict[tuple[bytes, int], Counts] = {}
        for name, code, counts in tally:
            old = summed.get((name, code), (0, 0, 0))
            summed[name, code] = (old[0] + counts[0], old[1] + counts[1], old[2] + counts[2])
            entity, scope = name.decode().split("\x00")
            self.naive.add([(Entity(KIND_OF_LETTER[entity[0]], entity[1:], scope), code, counts)])
        self.flush += 1
        messages = tally_message(0, self.flush, self.minute * MINUTE_MS + 5, summed)
        self.stage.fold("trend-tallies", [FakeRecord(None, message) for message in messages])

    def step(self) -> None:
        """Something happens."""
        steps = (self.some, self.undo, self.evict, self.collect, self.wait, self.restart)
        self.random.choices(steps, (6, 2, 5, 4, 2, 1))[0]()

    def some(self) -> None:
        """Tallies: recent ones, late ones, some ahead of the watermark."""
        tally: list[tuple[bytes, int, Counts]] = []
        for _ in range(self.random.randint(1, 12)):
            age = self.random.choice((0, 0, 1, self.random.randint(-70, 130), self.random.randint(-300, 2_000)))
            code = TOTAL_ONLY if self.random.random() < 0.05 else self.minute - age
            of = int(len(self.names) * self.random.random() ** 2)
            counts = (self.random.randint(0, 5 + 9 * (of < 4)), self.random.randint(0, 1), self.random.randint(0, 1))
            tally.append((self.names[of], code, counts))
        self.undoable += tally
        self.tell(tally)

    def undo(self) -> None:
        """Takedowns, of the best most often."""
        self.random.shuffle(self.undoable)
        self.undoable.sort(key=lambda cell: cell[1] != TOTAL_ONLY and cell[2][0] > self.random.randint(3, 9))
        tally = [self.undoable.pop() for _ in range(min(len(self.undoable), self.random.randint(1, 6)))]
        self.tell([(name, code, negated(counts)) for name, code, counts in tally])

    def wait(self) -> None:
        self.minute += self.random.choice((0, 1, 1, 7, 20, 59, 61, 60 * self.random.choice((5, 5, 23, 30))))
        self.tell([])

    def evict(self) -> None:
        before, there = self.stage.dormant(), self.stage.resident()
        gone = self.stage.evict(self.random.choice((1, 4, 1000)))
        assert self.stage.resident() == there - gone
        self.asleep += max(self.stage.dormant() - before, 0)

    def collect(self, due: float = 0.7) -> None:
        """Collect, and publish charts with this probability."""
        self.stage.charts_due = self.random.random() < due
        watermark_ms, was_due = self.stage.watermark_ms, self.stage.charts_due
        output = self.stage.collect(self.flush)
        self.rows.write(output)
        for send in output.sends:
            chart = msgspec.json.decode(send.value or b"", type=Chart)
            assert chart.watermark_ms == watermark_ms
            entries = [(e.id, e.score, e.views, e.likes, e.shares) for e in chart.entries]
            self.published[send.key or b""] = entries
        if was_due and watermark_ms:
            assert {key: entries for key, entries in self.published.items() if entries} == self.expected()

    def expected(self) -> dict[bytes, Entries]:
        """A sort of all rows."""
        found = {}
        for kind, scope, window, entries in self.naive.charts(self.stage.watermark_ms):
            listed = [(e.id, e.score, e.views, e.likes, e.shares) for _, e in entries[:SIZE]]
            found[f"{kind}|{scope}|{window}|0".encode()] = listed
        return {key: entries for key, entries in found.items() if entries}

    def restart(self) -> None:
        """What was not collected is collected; then the stage begins anew, and loads a part of its rows."""
        self.collect(0)
        self.woken += self.stage.counters["rows_woken"]
        self.stage = TrendStage(0, 1, self.rows, self.stage.watermark_ms)
        for _ in range(self.random.randrange(4)):
            self.stage.restore(self.random.randint(1, 9))
            self.evict()

    def end(self) -> None:
        self.collect(1)
        assert self.rows.tables.get("trends", {}) == {k: counter.row.encode() for k, counter in self.naive.rows.items()}
        self.woken += self.stage.counters["rows_woken"]


def played(seed: int, entities: int, steps: int) -> Play:
    play = Play(seed, entities)
    for _ in range(steps):
        play.step()
    play.end()
    return play


@given(st.integers(0, 1 << 32), st.integers(1, 30), st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_charts_equal_a_sort_of_all_rows_though_most_are_not_in_memory(seed: int, entities: int, steps: int) -> None:
    played(seed, entities, steps)


def test_in_these_plays_rows_really_leave_memory_and_are_read_back() -> None:
    plays = [played(seed, 30, 120) for seed in range(6)]
    assert min(play.asleep for play in plays) > 50
    assert sum(play.woken for play in plays) > 10


def stage_of(play: Play, views: dict[bytes, int], evicted: int = 1000) -> TrendStage:
    """Its stage after these views, now, all collected, and then an eviction."""
    play.tell([(name, play.minute, (count, 0, 0)) for name, count in views.items()])
    play.collect(1)
    play.stage.evict(evicted)
    return play.stage


TWENTY = {b"t%d\x00de" % n: n for n in range(1, 21)}
"""The last of the chart has 18."""


def test_a_row_tied_with_the_last_of_a_chart_is_read_back_for_its_id() -> None:
    play = Play(0, 1)
    stage = stage_of(play, {b"tb\x00de": 9, b"tc\x00de": 9, b"td\x00de": 9, b"te\x00de": 8, b"ta\x00de": 4})
    assert (stage.resident(), stage.dormant()) == (6, 4)
    play.tell([(b"te\x00de", play.minute, (-4, 0, 0)), (b"td\x00de", play.minute, (-5, 0, 0))])
    play.collect(1)
    assert [entry[0] for entry in play.published[b"tag|de|1h|0"]] == ["b", "c", "a"]
    assert stage.counters["rows_woken"] == 2


def test_rows_in_charts_stay_as_long_as_the_window_holds_them() -> None:
    play = Play(0, 1)
    stage = stage_of(play, TWENTY)
    assert (stage.resident(), stage.dormant(), stage.pinned()) == (6, 34, 6)
    play.minute += 60 * 25
    play.tell([])
    assert (stage.evict(1000), stage.resident()) == (6, 0)
    play.collect(1)
    assert (stage.dormant(), stage.counters["rows_woken"]) == (0, 0)


def test_rows_far_below_the_charts_leave_before_those_near_them() -> None:
    play = Play(0, 1)
    stage = stage_of(play, TWENTY, evicted=26)
    assert stage.resident() == 14
    play.tell([(name, play.minute, (-14, 0, 0)) for name, count in TWENTY.items() if count >= 18])
    play.collect(1)
    assert [entry[0] for entry in play.published[b"tag|de|24h|0"]] == ["17", "16", "15"]
    assert stage.counters["rows_woken"] == 0


def test_a_row_that_comes_back_by_a_tally_is_whole() -> None:
    play = Play(0, 1)
    stage = stage_of(play, TWENTY)
    play.tell([(b"t1\x00de", play.minute, (30, 0, 0))])
    play.collect(1)
    assert play.published[b"tag|de|24h|0"][0] == ("1", 31, 31, 0, 0)
    assert stage.counters["rows_woken"] == 0


def test_the_memory_of_a_peak_is_given_back_and_changes_no_row() -> None:
    play = Play(0, 1)
    stage = stage_of(play, {b"t%d\x00de" % n: n for n in range(1, 2_001)}, evicted=0)
    counters = stage._counters
    peak = len(counters.records), len(counters.minutes.pools[0].cells)
    stage.evict(3_900)
    assert (stage.resident(), stage.dormant()) == (100, 3_900)
    assert (len(counters.records), len(counters.minutes.pools[0].cells)) == (200, 200)
    assert min(peak) >= 4_000
    play.tell([(name, play.minute, (5, 0, 0)) for name in (b"t1\x00de", b"t1999\x00de", b"t2000\x00de")])
    play.end()


@pytest.mark.parametrize("skew", [0, 1])
def test_in_a_steady_stream_few_rows_are_read_back_for_charts(skew: int) -> None:
    play, gone = Play(1, 1), 0
    names = [b"v%d\x00de" % n for n in range(300)]
    weights = [1 / (n + 1) ** skew for n in range(300)]
    for _ in range(30):
        play.minute += 1
        play.tell([(name, play.minute, (1, 0, 0)) for name in play.random.choices(names, weights, k=150)])
        play.collect(1)
        over = play.stage.resident() - 100
        gone += play.stage.evict(over + 10) if over > 0 else 0
        assert play.stage.resident() <= 100
    assert gone > 1_000
    assert play.stage.counters["rows_woken"] < gone / 100


def test_nothing_leaves_before_the_first_watermark() -> None:
    stage = TrendStage(0, 1, MemoryRows())
    stage.fold(
        "trend-tallies", [FakeRecord(None, m) for m in tally_message(0, 1, 0, {(b"t1\x00de", START_MINUTE): (1, 0, 0)})]
    )
    stage.collect(1)
    assert stage.evict(10) == 0
    assert stage.resident() == 2
