"""Placement of partition numbers: balanced, complete, sticky, to standbys first."""

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.assignor import Ownership, place

MEMBERS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.builds(Ownership, st.lists(st.integers(0, 40), max_size=12), st.lists(st.integers(0, 40), max_size=12)),
    min_size=1,
    max_size=6,
)


@given(st.integers(1, 40), MEMBERS, st.integers(0, 2))
def test_every_number_has_one_owner_and_loads_differ_by_one(
    numbers: int, members: dict[str, Ownership], standbys: int
) -> None:
    plan = place(numbers, members, standbys)
    assert sorted(n for owned in plan.values() for n in owned.owned) == list(range(numbers))
    loads = [len(owned.owned) for owned in plan.values()]
    assert max(loads) - min(loads) <= 1
    for owned in plan.values():
        assert not set(owned.owned) & set(owned.standby)
    copies = [n for owned in plan.values() for n in owned.standby]
    assert all(copies.count(n) == min(standbys, len(members) - 1) for n in range(numbers))


def test_who_stays_keeps_what_he_has() -> None:
    before = place(8, {"a": Ownership(), "b": Ownership()}, 0)
    after = place(8, {**before, "c": Ownership()}, 0)
    for name in "ab":
        assert set(after[name].owned) < set(before[name].owned)


def test_a_lost_members_numbers_go_to_their_standbys() -> None:
    members = {"a": Ownership([0, 1], [4]), "b": Ownership([2, 3], [5]), "c": Ownership([4, 5], [0, 1, 2, 3])}
    del members["c"]
    plan = place(6, members, 0)
    assert (plan["a"].owned, plan["b"].owned) == ([0, 1, 4], [2, 3, 5])


def test_same_input_same_plan() -> None:
    members = {"x": Ownership([3], []), "y": Ownership([3, 4], [])}
    assert place(5, members, 1) == place(5, dict(reversed(list(members.items()))), 1)


def test_no_member_no_plan() -> None:
    assert place(8, {}, 1) == {}
