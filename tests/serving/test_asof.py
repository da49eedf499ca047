"""How true an answer says it is."""

import random

from streams.serving.asof import Truth
from streams.serving.looks import Looks
from streams.serving.standing import Standings
from streams.serving.state import ReaderState
from streams.serving.types import ChartPart
from tests.serving.builders import NOW_MS, PARTITIONS, commit, feed_commit, feed_rows, look


def truth(state: ReaderState, looks: Looks | None = None) -> Truth:
    looks = looks or Looks()
    return Truth(Standings(state, looks), looks, state.partitions, NOW_MS)


def test_without_commits_nothing_can_be_told() -> None:
    state = ReaderState(PARTITIONS)
    feed_rows(state, "interests", 1, {b"ann": b""})
    as_of = truth(state).of_user(1)
    assert (as_of.partition, as_of.flush, as_of.positions, as_of.lag_s) == (1, None, {}, None)


def test_a_user_is_as_of_the_covered_commit() -> None:
    state = ReaderState(PARTITIONS)
    feed_commit(state, commit(1, 7, tables={"interests": 1}, positions={"views": 30}, watermark_ms=111))
    feed_commit(state, commit(1, 8, tables={"interests": 2}, positions={"views": 40}, watermark_ms=222))
    feed_rows(state, "interests", 1, {b"ann": b""})
    as_of = truth(state).of_user(1)
    assert (as_of.flush, as_of.positions, as_of.watermark_ms) == (7, {"views": 30}, 111)
    state.advance("interests", 1, 2)
    assert truth(state).of_user(1).flush == 8


def test_all_was_folded_at_the_commit() -> None:
    state = ReaderState(PARTITIONS)
    feed_commit(state, commit(0, 1, behind={"views": 0, "video-tallies": 9}), NOW_MS - 1_500)
    as_of = truth(state).of_user(0)
    assert (as_of.lag_s, as_of.behind) == (1.5, {"views": 0})


def test_a_backlog_at_the_commit_counts_from_the_watermark() -> None:
    state = ReaderState(PARTITIONS)
    feed_commit(state, commit(0, 1, behind={"views": 3}, watermark_ms=NOW_MS - 9_000), NOW_MS - 1_000)
    as_of = truth(state).of_user(0)
    assert (as_of.lag_s, as_of.behind) == (9.0, {"views": 3})


def test_a_look_that_is_reached_tells_the_age() -> None:
    state, looks = ReaderState(PARTITIONS), Looks()
    feed_commit(state, commit(0, 1, positions={"views": 10}, behind={"views": 5}), NOW_MS - 60_000)
    looks.add(look(NOW_MS - 3_000, {("views", 0): 10}))
    looks.add(look(NOW_MS - 500, {("views", 0): 14}))
    as_of = truth(state, looks).of_user(0)
    assert (as_of.lag_s, as_of.behind["views"]) == (3.0, 4)


def test_an_idle_unit_is_as_fresh_as_the_last_look() -> None:
    state, looks = ReaderState(PARTITIONS), Looks()
    feed_commit(state, commit(0, 1, positions={"views": 10}), NOW_MS - 3_600_000)
    looks.add(look(NOW_MS - 400, {("views", 0): 10}))
    assert truth(state, looks).of_user(0).lag_s == 0.4


def test_a_clock_ahead_gives_no_negative_lag() -> None:
    state = ReaderState(PARTITIONS)
    feed_commit(state, commit(0, 1), NOW_MS + 700)
    assert truth(state).of_user(0).lag_s == 0.0


def test_a_video_names_the_flush_of_each_origin() -> None:
    state = ReaderState(PARTITIONS)
    feed_commit(state, commit(0, 3, positions={"views": 30}, watermark_ms=300), NOW_MS - 2_000)
    feed_commit(state, commit(0, 4, positions={"views": 40}), NOW_MS - 1_000)
    feed_commit(state, commit(1, 9, positions={"views": 90}, watermark_ms=900), NOW_MS - 500)
    feed_commit(state, commit(2, 5, tables={"videos-table": 1}, folded={"video-tallies": {1: 9, 0: 3}}))
    feed_rows(state, "videos-table", 2, {b"v\x00de": b""})
    as_of = truth(state).of_video(2)
    assert [(o.partition, o.flush, o.positions, o.watermark_ms, o.lag_s) for o in as_of.origins] == [
        (0, 3, {"views": 30}, 300, 2.0),
        (1, 9, {"views": 90}, 900, 0.5),
    ]
    assert (as_of.flush, as_of.lag_s) == (5, 2.0)


def test_an_origin_whose_commits_are_forgotten_cannot_be_told() -> None:
    state = ReaderState(PARTITIONS)
    feed_commit(state, commit(0, 30), NOW_MS)
    feed_commit(state, commit(2, 5, folded={"video-tallies": {0: 3, 99: 1}}))
    as_of = truth(state).of_video(2)
    assert [(o.partition, o.flush, o.lag_s) for o in as_of.origins] == [(0, None, None), (99, None, None)]
    assert as_of.lag_s is None


def test_an_origin_that_had_nothing_more_for_this_partition_is_as_new_as_its_last_commit() -> None:
    state = ReaderState(PARTITIONS)
    for flush, sent in ((3, 3), (4, 3), (5, 5), (6, 5)):
        sends = {"video-tallies": {2: sent, 1: flush}}
        feed_commit(state, commit(0, flush, sent=sends, positions={"views": 10 * flush}))
    feed_commit(state, commit(2, 8, tables={"videos-table": 1}, folded={"video-tallies": {0: 3}}))
    feed_commit(state, commit(2, 9, tables={"videos-table": 2}, folded={"video-tallies": {0: 5}}))
    flushes = []
    for position in (1, 2):
        state.advance("videos-table", 2, position)
        flushes.append([origin.flush for origin in truth(state).of_video(2).origins])
    assert flushes == [[4], [6]]


def entity_state() -> ReaderState:
    state = ReaderState(PARTITIONS)
    for flush in (3, 4):
        feed_commit(state, commit(0, flush, positions={"views": 10 * flush}), NOW_MS - 10_000 + flush)
    feed_commit(state, commit(2, 5, folded={"video-tallies": {0: 4}}))
    feed_commit(state, commit(3, 6, folded={"video-tallies": {0: 3}}))
    feed_commit(state, commit(1, 8, tables={"trends": 1}, folded={"trend-tallies": {2: 5, 3: 6}}))
    feed_rows(state, "trends", 1, {b"tcats\x00*": b""})
    return state


def test_an_entity_is_as_old_as_the_least_flush_through_the_videos() -> None:
    as_of = truth(entity_state()).of_entity(1)
    assert [(o.partition, o.flush, o.positions) for o in as_of.origins] == [(0, 3, {"views": 30})]
    assert as_of.flush == 8


def test_an_entity_behind_forgotten_video_commits_cannot_be_told() -> None:
    state = entity_state()
    feed_commit(state, commit(1, 9, tables={"trends": 1}, folded={"trend-tallies": {2: 1, 3: 6}}))
    as_of = truth(state).of_entity(1)
    assert [(o.partition, o.flush) for o in as_of.origins] == [(0, None)]
    assert as_of.lag_s is None


def test_a_chart_is_as_old_as_the_worst_partition() -> None:
    state = entity_state()
    feed_commit(state, commit(0, 9, folded={"trend-tallies": {2: 5}}))
    charts = [ChartPart(partition=0, watermark_ms=70), ChartPart(partition=1, watermark_ms=50)]
    as_of = truth(state).of_charts(charts)
    assert as_of.watermark_ms == 50
    assert [(o.partition, o.flush) for o in as_of.origins] == [(0, 3)]
    assert truth(state).of_charts([]).watermark_ms is None


def test_what_is_remembered_is_what_would_be_worked_out() -> None:
    """Asked between any two things that a reader does, in any order."""
    rng = random.Random(5)
    state, looks = ReaderState(PARTITIONS), Looks()
    remembering = Standings(state, looks)
    flushes = [0] * PARTITIONS
    seen = set()
    for step in range(600):
        at, offset = rng.randrange(PARTITIONS), step // 8
        match rng.randrange(4):
            case 0:
                flushes[at] += 1
                folded = {topic: dict(enumerate(flushes)) for topic in ("video-tallies", "trend-tallies")}
                written = dict.fromkeys(("interests", "videos-table", "trends"), offset)
                positions, behind = {"views": flushes[at]}, {"views": rng.randrange(2)}
                made = commit(at, flushes[at], tables=written, positions=positions, behind=behind, folded=folded)
                feed_commit(state, made, NOW_MS - 9_000 + step)
            case 1:
                state.advance(rng.choice(["interests", "videos-table", "trends"]), at, offset)
            case 2:
                looks.add(look(NOW_MS - 5_000 + step, {("views", p): flushes[p] for p in range(PARTITIONS)}))
            case 3 if step % 50 == 3:
                state.reset()
        for table in ("interests", "videos-table", "trends"):
            found = remembering.of(table, at)
            assert found == Standings(state, looks).of(table, at)
            assert remembering.of(table, at) is found
            seen.add((table, found.own.commit is None, found.own.since_ms))
    assert len(seen) > 100
