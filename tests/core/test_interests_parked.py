"""Shares of videos whose facts are not known yet: parked, folded when the facts come, limited in number and time."""

from streams.core.rows import UserFlag
from streams.testing.user_world import START_MS
from tests.core.user_bench import ANNA, BERT, DAY_MS, FACTS, Bench


def test_parked_shares_are_folded_when_the_facts_come_and_their_row_is_deleted(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(1)])
    bench.stage.fold("likes", [bench.like(2)])
    assert bench.collect().rows["parked"][0] == [f"{ANNA}\x00v".encode()]
    assert bench.row().positive == []
    assert not bench.stage.has_work()
    bench.catalogue.learn("v", FACTS)
    assert bench.stage.has_work()
    output = bench.collect()
    assert output.rows["parked"] == ([f"{ANNA}\x00v".encode()], [None])
    assert not bench.stage.has_work()
    late = bench.row()
    known = Bench()
    known.catalogue.learn("v", FACTS)
    known.stage.fold("views", [bench.view(1)])
    known.stage.fold("likes", [bench.like(2)])
    known.collect()
    assert late == known.row()


def test_a_parked_like_and_its_parked_undo_cancel(bench: Bench) -> None:
    bench.stage.fold("likes", [bench.like(1), bench.like(2, "unlike", now=START_MS + 5)])
    bench.catalogue.learn("v", FACTS)
    bench.collect()
    assert [(fast, slow) for _, fast, slow in bench.row().positive] == [(0, 0)] * 6
    assert bench.row().negative == []


def test_resolved_videos_make_room_for_other_parked_ones(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(i, video=f"w{i}") for i in range(64)])
    bench.catalogue.learn("w0", FACTS)
    bench.stage.fold("views", [bench.view(64, video="w64")])
    bench.collect()
    assert bench.row().flags == 0
    assert len(bench.rows.tables["parked"]) == 64


def test_parked_shares_are_rechecked_at_construction(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(1)])
    bench.collect()
    bench.catalogue.learn("v", FACTS)
    assert bench.anew().has_work()
    bench.collect()
    assert len(bench.row().positive) == 6


def test_parked_shares_expire_by_arrival_time(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(1)])
    bench.stage.fold("views", [bench.view(2, user=BERT, now=START_MS + DAY_MS)])
    assert len(bench.collect().rows["parked"][0]) == 2
    bench.stage.fold("views", [bench.view(3, user=BERT, now=START_MS + DAY_MS + 1)])
    output = bench.collect()
    parked = dict(zip(*output.rows["parked"], strict=True))
    assert parked[f"{ANNA}\x00v".encode()] is None
    assert parked[f"{BERT}\x00v".encode()] is not None
    assert bench.row().flags == UserFlag.GAVE_UP_SHARE
    assert bench.row(BERT).flags == 0
    assert bench.stage.counters["given_up"] == 1


def test_parked_shares_are_limited(bench: Bench) -> None:
    bench.stage.fold("views", [bench.view(i) for i in range(16)])
    bench.collect()
    assert bench.row().flags == 0
    bench.stage.fold("views", [bench.view(16)])
    bench.collect()
    assert bench.row().flags == UserFlag.GAVE_UP_SHARE
    bench.stage.fold("views", [bench.view(i, user=BERT, video=f"w{i}") for i in range(64)])
    bench.collect()
    assert bench.row(BERT).flags == 0
    bench.stage.fold("views", [bench.view(64, user=BERT, video="w64")])
    bench.collect()
    assert bench.row(BERT).flags == UserFlag.GAVE_UP_SHARE
    assert len(bench.rows.tables["parked"]) == 65
