"""The user stage against its naive twin, and against itself cut differently."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.rows import PairFlag, PairRow, ParkedRow, UserFlag, UserRow
from streams.testing.naive_user import Decayed, NaiveUser, NaiveUsers, hashes
from streams.testing.user_world import Step, Worlds
from tests.core.user_runs import Run, naive, run

HISTORIES = [
    pytest.param(Worlds(1), 1500, id="minutes"),
    pytest.param(Worlds(2, step_ms=3 * 3_600_000, unknown=0.0), 1500, id="months"),
    pytest.param(Worlds(3, users=2, tags=60, step_ms=1000), 1500, id="many-topics"),
    pytest.param(Worlds(4, users=3, step_ms=20 * 86_400_000, unknown=0.0), 600, id="years"),
    pytest.param(Worlds(5, users=2, videos=4, reactions=0.9), 1200, id="flurries"),
    pytest.param(Worlds(6, users=200, videos=200, run=200, facts_change=0.0), 3000, id="wide"),
]


def check_row(row: UserRow, user: NaiveUser) -> None:
    counts = (user.views, user.likes, user.shares, user.repeats, user.late, user.last_ms)
    assert (row.views, row.likes, row.shares, row.repeats, row.late, row.last_ms) == counts
    assert (row.view_ids, row.seen) == hashes(user)
    assert bool(row.flags & UserFlag.EVICTED_TOPIC) == user.evicted
    assert bool(row.flags & UserFlag.FACTS_CHANGED) == user.changed
    assert bool(row.flags & UserFlag.GAVE_UP_SHARE) == user.gave_up
    if not user.evicted:
        check_topics(row, user)


def near(decayed: Decayed, epoch: int) -> object:
    """Float32 sums and steps of 2^-20 half-lives lose a little; a like taken back leaves only such a rest."""
    expected = decayed.at(epoch * decayed.half_life_ms)
    return pytest.approx(expected, rel=1e-5, abs=3e-6)


def check_topics(row: UserRow, user: NaiveUser) -> None:
    assert {t for t, _, _ in row.positive} == set(user.positive)
    assert {t for t, _ in row.negative} == set(user.negative)
    for topic, fast, slow in row.positive:
        assert fast == near(user.positive[topic].fast, row.fast_epoch)
        assert slow == near(user.positive[topic].slow, row.slow_epoch)
    for topic, slow in row.negative:
        assert slow == near(user.negative[topic].slow, row.slow_epoch)


def check(result: Run, expected: NaiveUsers) -> None:
    rows = {key.decode(): UserRow.decode(value) for key, value in result.rows.tables["interests"].items()}
    assert set(rows) == set(expected.users)
    for name, row in rows.items():
        check_row(row, expected.users[name])
    assert result.cells == expected.cells
    check_pairs(result, expected)
    check_parked(result, expected)


def check_pairs(result: Run, expected: NaiveUsers) -> None:
    found = {
        (*key.decode().split("\x00"), "likes" if e.action == 1 else "shares", e.channel): (
            e.at_ms, e.id64, bool(e.flags & PairFlag.ON), bool(e.flags & PairFlag.COUNTED), e.region,
        )
        for key, value in result.rows.tables.get("pairs", {}).items()
        for e in PairRow.decode(value).entries
    }  # fmt: skip
    assert found == {
        (name, *slot): (*e["order"], e["on"], e["counted"], e["region"])
        for name, user in expected.users.items()
        for slot, e in user.winners.items()
    }


def check_parked(result: Run, expected: NaiveUsers) -> None:
    kinds = ("view", "likes", "shares")
    found = {
        key.decode(): [(kinds[s.action], s.sign, s.at_ms, s.watch_ms, s.duration_ms) for s in row.shares]
        for key, value in result.rows.tables.get("parked", {}).items()
        for row in [ParkedRow.decode(value)]
    }
    assert found == {
        f"{name}\x00{video}": parked.shares
        for name, user in expected.users.items()
        for video, parked in user.parked.items()
    }


def without_expiry(steps: list[Step]) -> list[Step]:
    """Cut before the first parked row can expire."""
    begin = next(s.record.timestamp for s in steps if s.learned is None)
    return [s for s in steps if s.learned is not None or s.record.timestamp < begin + 86_000_000]


@pytest.mark.parametrize(("world", "length"), HISTORIES)
def test_equals_the_naive_twin(world: Worlds, length: int) -> None:
    steps = world.history(length)
    if world.unknown:
        steps = without_expiry(steps)
    check(run(steps, most=200), naive(steps))


@pytest.mark.parametrize(("world", "length"), HISTORIES)
def test_bytes_do_not_depend_on_batches_collects_evictions_and_restarts(world: Worlds, length: int) -> None:
    steps = world.history(length)
    if world.unknown:
        steps = without_expiry(steps)
    whole = run(steps, most=500)
    for seed in range(3):
        cut = run(steps, seed=seed, most=(1, 7, 80)[seed], trouble=0.3)
        assert cut.evicted > 0
        assert cut.rows.tables == whole.rows.tables
        assert cut.cells == whole.cells


@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([1_000, 600_000, 40_000_000]))
@settings(max_examples=25, deadline=None)
def test_any_small_history(seed: int, most: int, step_ms: int) -> None:
    steps = Worlds(seed, users=3, videos=8, tags=30, step_ms=step_ms, unknown=0.0, run=8).history(150)
    result = run(steps, seed=seed, most=most, trouble=0.2)
    check(result, naive(steps))
    assert result.rows.tables == run(steps, most=1).rows.tables


def test_rows_are_small_and_equal_to_the_public_codec() -> None:
    result = run(Worlds(8, users=2, tags=200, videos=300, step_ms=1000).history(3000), most=300)
    rows = result.rows.tables["interests"].values()
    assert max(map(len, rows)) <= 1024
    assert max(len(UserRow.decode(row).positive) for row in rows) > 32
    for row in rows:
        assert UserRow.decode(row).encode() == row
