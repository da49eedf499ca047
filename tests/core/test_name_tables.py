"""The tables by which the parser finds users and videos hold what the dictionaries hold, whenever they were made."""

import random
from typing import Any

import numpy as np
import pytest

from streams.core.compiled import compiled
from streams.core.interests.columns import UserColumns, UserSlots
from streams.core.interests.contents import Contents
from streams.testing.user_world import FakeCatalogue

pytestmark = pytest.mark.compiled
kernel: Any = compiled("counters")
STRANGE = b"strange"


def accepts(keys: Any) -> list[bool]:
    return [key != STRANGE for key in keys]


@pytest.mark.parametrize("made_after", [0, 3, 9])
def test_users_come_and_go(made_after: int) -> None:
    rng, columns = random.Random(made_after), UserColumns()
    users = UserSlots(columns, accepts)
    keys = [b"user%d" % number for number in range(3_000)]
    for step in range(10):
        if step >= made_after:
            users.table(kernel)
        users.slots([*rng.sample(keys, 500), STRANGE])
        users.missing = []
        columns.used[: len(users.keys_by_slot)] = np.arange(len(users.keys_by_slot)) % 7
        users.evict(rng.randrange(400))
    table = users.table(kernel)
    assert len(table) == len(users)
    assert table.find([*keys, STRANGE]).tolist() == [users.get(key, -1) for key in [*keys, STRANGE]]


@pytest.mark.parametrize("made_after", [0, 500, 2_000])
def test_videos_are_met_by_either_name(made_after: int) -> None:
    contents = Contents(FakeCatalogue(), 8)
    for number in range(2_000):
        if number == made_after:
            contents.table(kernel)
        name = f"véo{number // 2}"
        assert contents.slot_of_key(name.encode()) == contents[name] == number // 2
    assert contents.slot_of_key(b"\xff") == contents.slot_of_key(b"") == -1
    keys = [f"véo{number}".encode() for number in range(1_001)]
    assert contents.table(kernel).find(keys).tolist() == [*range(1_000), -1]
