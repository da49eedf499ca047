"""Batches that wait for the commit of their unit: nothing is lost, nothing changes its place, few are left."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.api import Options
from streams.engine.batches import RecordBatch
from streams.engine.cadence import LAGGING
from streams.engine.engine import FOLDED_AT_ONCE, Engine
from streams.engine.held import Held
from streams.wire.records import Record, Records

TOPICS = ("facts", "likes", "tallies", "views")
FIRST, INTERNAL = "facts", "tallies"


def batch(topic: str, start: int | None, count: int, markers: int = 0, *, columns: bool = True) -> RecordBatch:
    """`markers` offsets behind the records are of none of them."""
    begin = start or 0
    records: Sequence[Record] = [Record(b"%d" % at, b"v", at, at) for at in range(begin, begin + count)]
    given = Records.of(records) if columns else records
    return RecordBatch(TP(topic, 0), start, begin + count + markers, given)


def hold(held: Held, added: RecordBatch) -> None:
    held.add(added, first=added.tp.topic == FIRST, internal=added.tp.topic == INTERNAL)


STEPS = st.lists(
    st.tuples(st.sampled_from(TOPICS), st.integers(1, 5), st.integers(0, 2), st.sampled_from(["next", "hole", "new"])),
    max_size=30,
)


@given(STEPS, st.booleans())
def test_all_records_come_out_in_order_in_batches_that_stand_for_the_same_offsets(
    steps: list[tuple[str, int, int, str]], columns: bool
) -> None:
    held, position = Held(), dict.fromkeys(TOPICS, 0)
    given: dict[str, list[RecordBatch]] = defaultdict(list)
    for topic, count, markers, how in steps:
        start = {"next": position[topic], "hole": position[topic] + 7, "new": None}[how]
        added = batch(topic, start, count, markers, columns=columns)
        position[topic] = added.next_offset
        given[topic].append(added)
        hold(held, added)
    assert held.records == sum(len(one.records) for batches in given.values() for one in batches)
    assert held.from_outside == any(topic != INTERNAL for topic in given)
    taken: dict[str, list[RecordBatch]] = {}
    for one in held.take():
        taken.setdefault(one.tp.topic, []).append(one)
    assert taken.keys() == given.keys()
    assert next(iter(taken), FIRST) == FIRST or FIRST not in taken
    for topic, found in taken.items():
        assert [r for one in found for r in one.records] == [r for one in given[topic] for r in one.records]
        assert all(before.next_offset != after.start for before, after in pairwise(found))
        ends = {(one.start, one.next_offset) for one in found}
        assert {start for start, _ in ends} <= {one.start for one in given[topic]}
        assert {end for _, end in ends} <= {one.next_offset for one in given[topic]}
    assert (held.records, held.from_outside) == (0, False)


def test_what_chains_is_one_batch() -> None:
    held = Held()
    for added in (batch("views", 0, 3), batch("tallies", 0, 1), batch("views", 3, 2, 1), batch("views", 6, 1)):
        hold(held, added)
    taking = held.take()
    one = next(taking)
    assert (one.tp.topic, one.start, one.next_offset, len(one.records)) == ("views", 0, 7, 6)
    assert not held.from_outside
    assert [other.tp.topic for other in taking] == ["tallies"]
    hold(held, batch("views", 7, 1))
    held.clear()
    assert (bool(held), held.records) == (False, 0)


def test_what_comes_while_batches_are_taken_waits_for_the_next_time() -> None:
    held = Held()
    hold(held, batch("views", 0, 3))
    hold(held, batch("tallies", 0, 1))
    first = held.take()
    assert len(next(first).records) == 3
    hold(held, batch("views", 3, 2))
    assert held.records == 3
    assert [one.tp.topic for one in first] == ["tallies"]
    assert held
    (later,) = held.take()
    assert (later.start, len(later.records), held.records, bool(held)) == (3, 2, 0, False)


def test_what_was_left_when_taking_ended_early_comes_first_the_next_time() -> None:
    held = Held()
    for topic in ("views", "tallies"):
        hold(held, batch(topic, 0, 1))
    next(held.take())
    hold(held, batch("tallies", 1, 1))
    hold(held, batch("views", 1, 1))
    assert [(one.tp.topic, one.start, len(one.records)) for one in held.take()] == [("tallies", 0, 2), ("views", 1, 1)]


def test_what_is_cleared_while_batches_are_taken_is_not_handed_out() -> None:
    held = Held()
    for topic in ("views", "tallies"):
        hold(held, batch(topic, 0, 1))
    taking = held.take()
    next(taking)
    held.clear()
    assert list(taking) == []
    assert (bool(held), held.records) == (False, 0)


class FakeUnit(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment]


def unit_of() -> Any:
    return FakeUnit(
        held=Held(), folding=asyncio.Lock(), lock=asyncio.Lock(), gate={}, producer=SimpleNamespace(begin=lambda: None),
        images=SimpleNamespace(waiting=lambda: 0),
        comes_first=lambda tp: tp.topic == FIRST, is_internal=lambda tp: tp.topic == INTERNAL,
    )  # fmt: skip


def engine_of(folded: list[Any], *units: Any) -> Engine:
    """An engine whose units fold by noting what they are given, and commit by noting that."""
    engine = Engine(SimpleNamespace(), Options("", "", 1, Path()))
    engine.units, engine.accepting = dict(enumerate(units)), True

    async def fold(part: RecordBatch) -> None:
        folded.append((part.tp.topic, len(part.records)))

    async def flush(_: Any) -> None:
        folded.append("commit")

    engine._process, engine.flush = fold, flush  # type: ignore[assignment, method-assign]
    return engine


async def test_small_batches_wait_for_the_commit_and_large_ones_do_not() -> None:
    unit, folded = unit_of(), list[Any]()
    engine = engine_of(folded, unit)
    await engine.process(batch("views", 0, 3))
    await engine.process(batch("tallies", 0, 2))
    await engine.process(batch("views", 3, 4))
    assert folded == []
    await engine._commit(unit)
    assert folded == [("views", 7), ("tallies", 2), "commit"]
    folded.clear()
    await engine.process(batch("views", 7, 1))
    await engine.process(batch("facts", 0, 1))
    assert folded == [("facts", 1), ("views", 1)]
    folded.clear()
    await engine.process(batch("views", 8, FOLDED_AT_ONCE - 1))
    assert folded == []
    await engine.process(batch("likes", 0, 1))
    assert folded == [("views", FOLDED_AT_ONCE - 1), ("likes", 1)]
    folded.clear()
    unit.gate = {TP("views", 0): 9}
    await engine.process(batch("likes", 1, 1))
    assert folded == [("likes", 1)]


async def test_units_whose_commits_are_due_fold_one_after_another() -> None:
    """Taking turns, slice by slice, all of them would commit when the last one could."""
    units, folded = (unit_of(), unit_of(), unit_of()), list[Any]()
    engine = engine_of(folded, *units)
    for count, unit in enumerate(units, 1):
        for topic in ("likes", "views"):
            hold(unit.held, batch(topic, 0, count))
    await asyncio.gather(*map(engine._commit, units))
    order = [entry for entry in folded if entry != "commit"]
    assert order == [(topic, count) for count in (1, 2, 3) for topic in ("likes", "views")]
    assert folded.count("commit") == len(units)


async def test_a_transaction_begins_before_its_unit_folds_unless_that_may_take_long() -> None:
    unit, other, done = unit_of(), unit_of(), list[Any]()
    engine = engine_of(done, unit, other)
    unit.producer.begin = other.producer.begin = lambda: done.append("begin")
    for far_behind, committing in ((False, False), (True, False), (False, True)):
        hold(unit.held, batch("views", 0, 2))
        engine._waiting = {unit: LAGGING + far_behind, other: LAGGING + 1}
        if committing:
            await unit.lock.acquire()
        await engine._commit(unit)
    fold = [("views", 2), "commit"]
    assert done == ["begin", *fold, *fold, *fold]
