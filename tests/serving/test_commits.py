"""Which commit covers a position; what a flush stands for; when to trust the copy."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.core.published import Commit
from streams.serving.commits import CommitLog
from streams.serving.looks import KEPT_LOOKS, Look, Looks
from streams.serving.progress import Progress, missing
from tests.serving.builders import NOW_MS, commit, look


def log_of(*commits: Commit, kept: int = 100) -> CommitLog:
    log = CommitLog(kept)
    for made in commits:
        log.add(msgspec.json.encode(made), NOW_MS + made.flush)
    return log


def flush_of(found: object) -> int | None:
    return None if found is None else found.commit.flush  # type: ignore[attr-defined]


def test_rows_ahead_of_the_commit_are_covered_by_the_last_commit_read() -> None:
    log = log_of(commit(0, 1, tables={"interests": 10}), commit(0, 2, tables={"interests": 20}))
    assert flush_of(log.covered("interests", 35)) == 2


def test_a_commit_ahead_of_the_rows_does_not_cover_them() -> None:
    log = log_of(commit(0, 1, tables={"interests": 10}), commit(0, 2, tables={"interests": 20}))
    assert flush_of(log.covered("interests", 19)) == 1
    assert flush_of(log.covered("interests", 20)) == 2
    assert log.covered("interests", 9) is None


def test_a_commit_that_wrote_nothing_to_a_table_is_covered_like_the_one_before() -> None:
    log = log_of(commit(0, 1, tables={"interests": 10}), commit(0, 2, tables={"trends": 7}))
    assert flush_of(log.covered("interests", 10)) == 2
    assert flush_of(log.covered("interests", 9)) is None
    assert flush_of(log.covered("trends", 6)) == 1


def test_a_flush_is_found_or_the_newest_before_it() -> None:
    log = log_of(commit(0, 5), commit(0, 7))
    assert [flush_of(log.within(flush, "trend-tallies", 0)) for flush in (4, 5, 6, 7, 9)] == [None, 5, 5, 7, 7]
    found = log.within(7, "trend-tallies", 0)
    assert found is not None
    assert found.time_ms == NOW_MS + 7


def test_only_the_newest_commits_are_kept() -> None:
    log = log_of(*(commit(0, flush, tables={"interests": flush}) for flush in range(1, 60)), kept=10)
    assert 10 <= len(log) < 20
    assert log.within(30, "trend-tallies", 0) is None
    assert flush_of(log.within(50, "trend-tallies", 0)) == 50
    assert flush_of(log.covered("interests", 55)) == 55


def test_a_commit_that_goes_back_starts_anew() -> None:
    log = log_of(commit(0, 5, tables={"interests": 100}), commit(0, 6, tables={"interests": 3}))
    assert (len(log), flush_of(log.within(5, "trend-tallies", 0)), flush_of(log.covered("interests", 3))) == (
        1,
        None,
        6,
    )
    log = log_of(commit(0, 5), commit(0, 1))
    assert (len(log), flush_of(log.covered("trends", 0))) == (1, 1)


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 80))
def test_covered_is_the_newest_commit_within_the_position(steps: list[int], position: int) -> None:
    ends = [sum(steps[: i + 1]) for i in range(len(steps))]
    log = log_of(*(commit(0, i, tables={"trends": end}) for i, end in enumerate(ends)))
    within = [i for i, end in enumerate(ends) if end <= position]
    assert flush_of(log.covered("trends", position)) == (within[-1] if within else None)


def test_the_newest_look_reached_is_found() -> None:
    looks = Looks()
    for step in range(5):
        looks.add(look(step * 1_000, {("views", 0): step * 10, ("likes", 0): 3, ("views", 1): 999}))
    assert looks.newest_reached(0, {"views": 25, "likes": 3}) == 2_000
    assert looks.newest_reached(0, {"views": 40, "likes": 3}) == 4_000
    assert looks.newest_reached(0, {"views": 40}) is None
    assert looks.behind(0, {"views": 25, "likes": 3})["views"] == 15  # type: ignore[index]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 60)), max_size=60))
def test_what_was_answered_before_changes_no_answer(steps: list[tuple[bool, int, int]]) -> None:
    looks, asked = Looks(), [{"views": count, "likes": 1} for count in range(61)]
    seen: list[Look] = []
    for is_look, partition, count in steps:
        if is_look:
            end = max([count, *(look.ends["views", 0] for look in seen)])
            seen.append(look(len(seen), {("views", number): end for number in range(3)}))
            looks.add(seen[-1])
        positions = asked[count] if partition else {"views": count}  # the same ones again, or ones soon forgotten
        reached = [look.at_ms for look in seen if look.ends["views", partition] <= count]
        assert looks.newest_reached(partition, positions) == (reached[-1] if reached else None)


def test_feedback_counts_only_for_units_that_read_it() -> None:
    looks = Looks()
    looks.add(look(1_000, {("views", 0): 1, ("feedback", 0): 7}))
    assert looks.newest_reached(0, {"views": 1}) == 1_000
    assert looks.newest_reached(0, {"views": 1, "feedback": 6}) is None


def test_old_looks_are_dropped() -> None:
    looks = Looks()
    for step in range(2 * KEPT_LOOKS):
        looks.add(look(step, {("views", 0): step}))
    assert looks.newest_reached(0, {"views": KEPT_LOOKS - 1}) is None
    assert looks.newest_reached(0, {"views": KEPT_LOOKS}) == KEPT_LOOKS


AT = ("trends", 0)


def test_ready_only_at_the_ends_seen_at_the_start() -> None:
    progress = Progress()
    assert progress.trouble({}, 0, 30_000) == "the ends of the tables are not known yet"
    progress.look(look(1_000, {AT: 10, ("trends", 1): 0}))
    progress.look(look(2_000, {AT: 99}))
    progress.check({AT: 9})
    assert progress.trouble({AT: 9}, 2_000, 30_000) == "1 records to read"
    progress.check({AT: 10})
    assert progress.trouble({AT: 10}, 2_000, 30_000) is None
    assert progress.reached_ms == 1_000


def test_not_ready_when_the_copy_falls_behind_and_ready_again() -> None:
    progress = Progress()
    progress.look(look(0, {AT: 10}))
    progress.check({AT: 10})
    progress.look(look(1_000, {AT: 20}))
    progress.check({AT: 10})
    assert progress.trouble({AT: 10}, 30_000, 30_000) is None
    trouble = progress.trouble({AT: 10}, 31_000, 30_000)
    assert trouble is not None
    assert "31 s ago" in trouble
    progress.check({AT: 20})
    assert progress.trouble({AT: 20}, 31_000, 30_000) is None


def test_missing_records_are_never_negative() -> None:
    assert missing(look(0, {AT: 5, ("trends", 1): 5}), {AT: 50}) == 5
