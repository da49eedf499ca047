"""What a worker holds stays within its settings, however many different users pass by."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from streams.core.events import VideoFacts
from streams.core.interests import UserStage
from streams.core.rows import UserRow
from streams.engine.api import Options
from streams.engine.budget import LEAST_PENDING, max_pending, shares, to_evict
from streams.engine.engine import Engine
from streams.engine.images import Images
from streams.engine.store import LocalCopy
from streams.engine.sweeping import UNSWEPT_AT_MOST
from streams.testing.user_world import START_MS, FakeCatalogue, FakeRecord

TABLES = ("interests", "pairs", "parked")
FACTS = VideoFacts("c", "s", ("a", "b"), "g", 20_000, "de", 0)
BUDGET, AT_ONCE, UNSWEPT = 2_000, 500, 3_000
PASSING = 20 * BUDGET


def options(**given: Any) -> Options:
    return Options("", "", 1, Path(), **given)


@pytest.mark.parametrize(
    ("loose", "pinned", "evicted"),
    [(100, 0, 0), (101, 0, 11), (60, 40, 0), (61, 40, 11), (50, 4_000, 0), (51, 4_000, 11), (0, 4_000, 0)],
)
def test_pinned_rows_take_part_and_leave_the_others_half_of_the_budget(loose: int, pinned: int, evicted: int) -> None:
    assert to_evict(loose, pinned, 100) == evicted


def test_no_more_is_evicted_than_there_is() -> None:
    assert to_evict(1, 0, 0) == 1
    assert to_evict(3, 9, 4) == 1


def fold(resident: int, pinned: int) -> Any:
    return SimpleNamespace(resident=lambda: resident, pinned=lambda: pinned)


def test_stages_forget_in_proportion_to_what_they_can() -> None:
    folds = {"interests": fold(60, 0), "videos": fold(30, 0), "trends": fold(1_000, 990)}
    assert shares(50, folds) == {"interests": 30, "videos": 15, "trends": 5}
    assert shares(50, {"trends": fold(9, 9)}) == {"trends": 0}


def test_units_commit_before_what_cannot_be_evicted_exceeds_the_budget() -> None:
    assert max_pending(options(row_budget=2_000_000, max_pending=200_000), 8) == 200_000
    assert max_pending(options(row_budget=200_000, max_pending=200_000), 8) == 25_000
    assert max_pending(options(row_budget=60, max_pending=200_000), 8) == LEAST_PENDING
    assert max_pending(options(row_budget=60, max_pending=7), 0) == 7


def events(first: int, count: int) -> dict[str, list[FakeRecord]]:
    """A view and a like of each of so many users that have not been there before."""
    topics: dict[str, list[FakeRecord]] = {"views": [], "likes": []}
    for number in range(first, first + count):
        user = f"user{number}"
        event = {"user": user, "video": f"v{number % 7}", "at_ms": START_MS}
        view, like = {"id": f"v{number}", "watch_ms": 9_000, **event}, {"id": f"l{number}", "op": "like", **event}
        topics["views"].append(FakeRecord(user.encode(), json.dumps(view).encode(), number))
        topics["likes"].append(FakeRecord(user.encode(), json.dumps(like).encode(), number))
    return topics


def catalogue() -> FakeCatalogue:
    known = FakeCatalogue()
    for number in range(7):
        known.learn(f"v{number}", FACTS)
    return known


class Walk:
    """The user stage over a local copy, with commits, evictions and sweeps as the engine has them."""

    def __init__(self, folder: Path) -> None:
        self.images = Images(LocalCopy(folder / "unit-0.db", TABLES, "c", 1, 1 << 20))
        self.stage = UserStage(0, 1, self.images, catalogue())
        self.users, self.pairs = self.stage._state.users, self.stage._state.pairs
        self.flush = 0
        self.most = dict.fromkeys(("rows", "images", "slots", "contents"), 0)

    def step(self, first: int, count: int) -> None:
        for topic, records in events(first, count).items():
            self.stage.fold(topic, records)
        self.flush += 1
        self.note()
        for table, rows in self.stage.collect(self.flush).rows.items():
            self.images.collected(table, *rows)
        self.images.committed({})
        self.stage.evict(to_evict(self.stage.resident(), self.stage.pinned(), BUDGET))
        if self.images.waiting() > UNSWEPT:
            for _ in self.images.copy.take(self.images.sweeping, self.images.begin_sweep()):
                self.note()
            self.images.end_sweep()

    def note(self) -> None:
        now = {
            "rows": self.stage.resident(),
            "images": self.images.waiting(),
            "slots": self.users.columns.capacity,
            "contents": len(self.stage._state.contents.names),
        }
        self.most = {name: max(count, now[name]) for name, count in self.most.items()}


def test_users_that_pass_by_leave_nothing_in_memory(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    for first in range(0, PASSING, AT_ONCE):
        walk.step(first, AT_ONCE)
    assert walk.most["rows"] <= BUDGET + 2 * AT_ONCE
    assert walk.most["images"] <= UNSWEPT + 2 * AT_ONCE
    assert walk.most["slots"] <= 2 * (BUDGET + 2 * AT_ONCE)
    assert walk.most["contents"] == 7
    assert len(walk.users.keys_by_slot) <= walk.most["slots"]
    keys = [b"user%d" % number for number in range(PASSING)]
    rows = [row and UserRow.decode(row) for row in walk.images.get_many("interests", keys)]
    assert all(row and (row.views, row.likes) == (1, 1) for row in rows)
    walk.images.copy.close()


def test_the_memory_of_a_peak_is_given_back_and_changes_no_row(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    walk.step(0, 20_000)
    assert walk.users.columns.capacity == 32_768
    for first in range(20_000, 20_000 + 100 * AT_ONCE, AT_ONCE):
        walk.step(first, AT_ONCE)
    assert walk.users.columns.capacity <= 4 * BUDGET
    walk.stage.fold("views", events(100, 1)["views"])  # a repeat
    walk.stage.fold("likes", events(200_000, 1)["likes"])
    for table, rows in walk.stage.collect(0).rows.items():
        walk.images.collected(table, *rows)
    old, new = walk.images.get_many("interests", [b"user100", b"user200000"])
    assert old is not None
    assert new is not None
    assert (UserRow.decode(old).views, UserRow.decode(old).repeats, UserRow.decode(new).likes) == (1, 1, 1)
    walk.images.copy.close()


def test_slots_given_out_anew_hold_the_rows_that_they_held() -> None:
    rows = SimpleNamespace(scan=lambda _: (), get_many=lambda _, keys: [None] * len(keys))
    stage = UserStage(0, 1, cast("Any", rows), FakeCatalogue())
    stage.fold("views", events(0, 5_000)["views"])
    before = dict(zip(*stage.collect(1).rows["interests"], strict=True))
    users = stage._state.users
    stage._state.use(np.array([users[b"user%d" % number] for number in range(4_000, 4_300)]))
    users.evict(4_700)
    while users.columns.capacity > 2_048:
        users.evict(0)
    users.columns.dirty[: len(users)] = True
    after = dict(zip(*stage.collect(2).rows["interests"], strict=True))
    assert after == {b"user%d" % number: before[b"user%d" % number] for number in range(4_000, 4_300)}


async def test_folding_waits_while_too_many_images_wait_for_the_sweep() -> None:
    engine = Engine(SimpleNamespace(), options(unswept_rows=10))
    waiting = UNSWEPT_AT_MOST * 10 + 1
    unit = SimpleNamespace(images=SimpleNamespace(waiting=lambda: waiting))
    engine.units, engine.accepting = {0: cast("Any", unit)}, True
    folded: list[Any] = []

    async def fold_at_once(batch: Any) -> None:
        folded.append(batch)

    engine._process = fold_at_once  # type: ignore[method-assign]
    task = asyncio.create_task(engine._in_slices(cast("Any", SimpleNamespace(slices=lambda _: ["part"]))))
    await asyncio.sleep(0.1)
    assert folded == []
    waiting -= 1
    await asyncio.wait_for(task, 5)
    assert folded == ["part"]
