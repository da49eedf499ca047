"""What the user stage promises beyond the folds: tallies, hidden users, memory."""

from typing import Any

import pytest

from streams.core.events import VideoFacts
from streams.core.interests import contents, views
from streams.core.keys import partition_of
from streams.core.panes import TOTAL_ONLY
from streams.core.rows import UserFlag, UserRow
from streams.core.tallies import unpack
from streams.testing.user_world import PARTITIONS, START_MS, FakeRecord, Worlds
from tests.core.user_bench import ANNA, BERT, DAY_MS, FACTS, Bench, cells
from tests.core.user_runs import run


def test_an_unknown_topic_is_a_bug(bench: Bench) -> None:
    with pytest.raises(ValueError, match="does not read topic 'videos'"):
        bench.stage.fold("videos", [])


def test_a_view_is_counted_at_its_video_in_its_minute_and_region(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(1, region="eu"), bench.view(2), bench.view(2)])
    output = bench.collect()
    minute = START_MS // 60_000
    assert cells(output) == {(b"v\x00eu", minute): [1, 0, 0], (b"v\x00unknown", minute): [1, 0, 0]}
    assert {send.partition for send in output.sends} == {partition_of(b"v", PARTITIONS)}
    assert bench.stage.counters["repeats"] == 1
    assert bench.stage.watermark_ms == START_MS


def test_late_views_count_in_totals_only(bench: Bench) -> None:
    bench.catalogue.learn("v", FACTS)
    bench.stage.fold("views", [bench.view(1, at_ms=START_MS - DAY_MS - 1)])
    assert cells(bench.collect()) == {(b"v\x00unknown", TOTAL_ONLY): [1, 0, 0]}
    row = bench.row()
    assert (row.views, row.late, row.positive) == (1, 1, [])
    assert row.last_ms == START_MS - DAY_MS


@pytest.mark.parametrize(
    "account", [{"private": True}, {"status": "banned"}, {"status": "deleted"}, {"age_band": "teen"}]
)
def test_hidden_users_feed_only_their_own_interests(bench: Bench, account: dict[str, Any]) -> None:
    bench.catalogue.learn("v", FACTS)
    bench.stage.fold("accounts", [bench.account(**account)])
    bench.stage.fold("views", [bench.view(1)])
    bench.stage.fold("likes", [bench.like(2)])
    assert bench.collect().sends == []
    assert len(bench.row().positive) == 6
    bench.stage.fold("accounts", [FakeRecord(ANNA.encode(), None)])
    bench.stage.fold("likes", [bench.like(3, "unlike", now=START_MS + 5)])
    assert bench.collect().sends == []
    assert bench.row().account == 0


def test_an_undo_takes_back_what_was_counted_and_weighed(bench: Bench) -> None:
    bench.catalogue.learn("v", FACTS)
    minute = START_MS // 60_000
    bench.stage.fold("likes", [bench.like(1, region="eu")])
    assert cells(bench.collect()) == {(b"v\x00eu", minute): [0, 1, 0]}
    assert [w for _, _, w in bench.row().positive] == pytest.approx([bench.row().positive[0][2]] * 6)
    bench.stage.fold("likes", [bench.like(2, "unlike", now=START_MS + 600_000, region="us")])
    assert cells(bench.collect()) == {(b"v\x00eu", minute): [0, -1, 0]}
    assert [(fast, slow) for _, fast, slow in bench.row().positive] == [(0, 0)] * 6
    assert (bench.row().likes, bench.row().last_ms) == (2, START_MS + 600_000)


def test_a_like_that_moves_within_its_minute_still_sends_the_cell(bench: Bench) -> None:
    bench.stage.fold("likes", [bench.like(1)])
    bench.collect()
    bench.stage.fold("likes", [bench.like(2, now=START_MS + 1)])
    assert cells(bench.collect()) == {(b"v\x00unknown", START_MS // 60_000): [0, 0, 0]}


def test_a_view_of_exactly_24_hours_is_not_late(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(1, at_ms=START_MS - DAY_MS)])
    assert cells(bench.collect()) == {(b"v\x00unknown", (START_MS - DAY_MS) // 60_000): [1, 0, 0]}
    assert bench.row().late == 0


def test_changed_facts_mark_the_rows_that_fold_the_video_again(bench: Bench) -> None:
    bench.catalogue.learn("v", FACTS)
    bench.stage.fold("views", [bench.view(1)])
    bench.collect()
    assert bench.row().flags == 0
    bench.catalogue.learn("v", VideoFacts("c", "s", ("other",), "g", 20_000, "de", 0))
    bench.stage.fold("views", [bench.view(2)])
    bench.collect()
    assert bench.row().flags == UserFlag.FACTS_CHANGED
    assert len(bench.row().positive) == 7


def test_other_destinations_get_the_watermark_every_fourth_flush(bench: Bench) -> None:
    sent = []
    for number in range(8):
        bench.stage.fold("views", [bench.view(number, now=START_MS + number)])
        sent.append(bench.collect().sends)
    assert [len(sends) for sends in sent] == [1, 1, 1, PARTITIONS, 1, 1, 1, PARTITIONS]
    assert {unpack(send.value or b"").watermark_ms for send in sent[3]} == {START_MS + 3}
    assert [send.partition for send in sent[3]] == list(range(PARTITIONS))


def test_only_clean_rows_are_evicted_oldest_first(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(1)])
    bench.stage.fold("likes", [bench.like(1)])
    assert bench.stage.resident() == 2
    assert bench.stage.evict(10) == 0
    bench.collect()
    bench.stage.fold("views", [bench.view(2, user=BERT)])
    assert bench.stage.evict(10) == 2
    assert bench.stage.resident() == 1
    bench.stage.fold("views", [bench.view(1)])
    assert bench.collect().rows["interests"][0] == [user.encode() for user in (ANNA, BERT)]
    assert (bench.row().views, bench.row().repeats) == (1, 1)


def test_missing_rows_are_read_in_one_call_a_batch(bench: Bench) -> None:
    bench.rows.tables["interests"] = {b"somebody": UserRow().encode()}
    bench.anew()
    bench.stage.fold("views", [bench.view(i, user=user) for i, user in enumerate((ANNA, BERT, ANNA))])
    bench.stage.fold("views", [bench.view(9)])
    assert bench.rows.asked == [("interests", 2)]


def test_of_a_table_without_rows_none_are_read_until_one_is_forgotten(bench: Bench) -> None:
    for stay in (False, True):
        bench.stage.fold("views", [bench.view(1)])
        bench.stage.fold("likes", [bench.like(1)])
        assert bench.rows.asked == ([("interests", 1), ("pairs", 1)] if stay else [])
        bench.collect()
        assert bench.stage.evict(10) == 2


def test_a_large_batch_and_forgotten_contents_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Worlds(7, users=40).history(800)
    expected = run(steps, most=1000)
    monkeypatch.setattr(views, "RECORDS_AT_ONCE", 7)
    monkeypatch.setattr(contents, "CONTENTS_AT_MOST", 3)
    result = run(steps, most=1000, trouble=0.5)
    assert result.rows.tables == expected.rows.tables
    assert result.cells == expected.cells
