"""Winners of likes and shares."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.compiled import switch
from streams.core.pairs import Events, Pairs, apply, flags_of
from streams.core.rows import Action, PairEntry, PairFlag, PairRow
from streams.testing.user_world import DictRows


def entry(at_ms: int, id64: int, *, action: int = Action.LIKE, channel: str = "", region: str = "eu") -> PairEntry:
    return PairEntry(int(action), channel, at_ms, id64, int(PairFlag.ON), region)


def test_the_greatest_time_and_id_wins_in_any_order() -> None:
    events = [entry(1, 9), entry(2, 1), entry(2, 3), entry(0, 7)]
    for order in permutations(events):
        row = PairRow([])
        for event in order:
            apply(row, event)
        assert row.entries == [entry(2, 3)]


def test_of_equals_the_first_stays() -> None:
    row = PairRow([])
    assert apply(row, entry(5, 5, region="eu")) is not None
    assert apply(row, entry(5, 5, region="us")) is None
    assert row.entries[0].region == "eu"


def test_channels_are_apart_and_sorted() -> None:
    row = PairRow([])
    for channel in ("dm", "copy", "mail"):
        change = apply(row, entry(1, 1, action=Action.SHARE, channel=channel))
        assert change is not None
        assert change.old is None
    apply(row, entry(1, 1))
    assert [(e.action, e.channel) for e in row.entries] == [(1, ""), (2, "copy"), (2, "dm"), (2, "mail")]


def test_a_new_winner_hands_out_the_old_one() -> None:
    row = PairRow([entry(1, 1)])
    change = apply(row, entry(2, 2))
    assert change is not None
    assert (change.old, change.new) == (entry(1, 1), entry(2, 2))


@pytest.mark.parametrize(
    ("on", "hidden", "late", "flags"),
    [
        (True, False, False, PairFlag.ON | PairFlag.COUNTED),
        (True, True, False, PairFlag.ON),
        (True, False, True, PairFlag.ON | PairFlag.COUNTED | PairFlag.LATE),
        (False, False, False, PairFlag(0)),
        (False, True, True, PairFlag.LATE),
    ],
)
def test_flags(on: bool, hidden: bool, late: bool, flags: PairFlag) -> None:
    assert flags_of(np.array([on]), np.array([hidden]), np.array([late])).tolist() == [flags]


def fold(pairs: Pairs, events: list[tuple[bytes, PairEntry]]) -> tuple[list[bool], list[tuple[int, PairEntry]]]:
    keys, entries = [key for key, _ in events], [entry for _, entry in events]
    names = sorted({entry.region for entry in entries})
    columns = Events(
        keys, [entry.channel for entry in entries], np.array([entry.at_ms for entry in entries], np.int64),
        np.array([entry.id64 for entry in entries], np.uint64), np.array([entry.flags for entry in entries], np.int64),
        np.array([names.index(entry.region) for entry in entries], np.int64),
    )  # fmt: skip
    won, olds = pairs.fold(entries[0].action, columns, names)
    return won.tolist(), olds


def test_misses_are_read_at_once_and_only_clean_rows_leave_memory() -> None:
    rows = DictRows({"pairs": {b"a": PairRow([entry(3, 3)]).encode()}})
    pairs = Pairs(rows)
    assert fold(pairs, [(b"a", entry(1, 1)), (b"b", entry(1, 1)), (b"a", entry(2, 2))])[0] == [False, True, False]
    assert fold(pairs, [(b"b", entry(0, 0))])[0] == [False]
    assert rows.asked == [("pairs", 2)]
    assert pairs.evict(5) == 1
    assert list(pairs) == [b"b"]
    assert pairs.collect() == ([b"b"], [PairRow([entry(1, 1)]).encode()])
    assert pairs.collect() == ([], [])
    assert pairs.evict(5) == 1


def test_the_least_recently_used_rows_leave_first() -> None:
    pairs = Pairs(DictRows())
    fold(pairs, [(key, entry(1, 1)) for key in (b"a", b"b", b"c")])
    fold(pairs, [(b"a", entry(1, 1))])
    pairs.collect()
    assert pairs.evict(2) == 2
    assert list(pairs) == [b"a"]


NUMBERS = st.sampled_from([0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32])
ENTRIES = st.builds(
    PairEntry, st.just(2), st.sampled_from(["", "dm", "é" * 16, "x" * 32, "😀" * 64]), NUMBERS | st.just(-5),
    NUMBERS | st.just(2**64 - 1), st.integers(0, 7), st.sampled_from(["eu", "x" * 31, "é" * 16]),
)  # fmt: skip
BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), ENTRIES), min_size=1, max_size=8), max_size=4
)


@given(BATCHES)
def test_rows_are_those_of_one_event_after_another_in_the_public_codec(batches: list[Any]) -> None:
    rows: dict[bytes, PairRow] = {}
    pairs = {on: Pairs(DictRows()) for on in (True, False)}
    for events in batches:
        changes = [apply(rows.setdefault(key, PairRow([])), entry) for key, entry in events]
        won = [change is not None for change in changes]
        olds = [(i, change.old) for i, change in enumerate(changes) if change is not None and change.old is not None]
        for on, ours in pairs.items():
            switch(on=on)
            try:
                assert fold(ours, events) == (won, olds)
            finally:
                switch(on=True)
            assert dict(zip(*ours.collect(), strict=True)).items() <= ours.items()
            assert ours == {key: row.encode() for key, row in rows.items()}
        assert list(pairs[True]) == list(pairs[False])
