"""Compiled or not, records become the same columns and the same dead letters: those that `core.arrival` says."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.arrival import Where, arrive
from streams.core.compiled import compiled, switch
from streams.core.interests import reactions, views
from streams.core.interests.incoming import read
from streams.core.interests.state import State
from streams.core.keys import event_hash, pair_key, partition_of
from streams.core.ports import Rejected
from streams.core.types import UNKNOWN_REGION
from streams.testing.user_world import DictRows, FakeCatalogue, FakeRecord, Worlds
from streams.tools.simulate.garbage import SORTS, Garbage, garbage
from tests.core.user_runs import run

READERS: dict[str, Any] = {
    "views": views.READER,
    "likes": reactions.Reader(reactions.LIKES),
    "shares": reactions.Reader(reactions.SHARES),
}
TOPICS = sorted(READERS)
VIEW = {
    "id": "00000000000000a1", "user": "anna", "video": "v1", "at_ms": 5, "watch_ms": 7, "duration_ms": 9,
    "surface": "feed", "region": "DE", "session": "s-1",
}  # fmt: skip
LIKE = {"id": "e1", "user": "anna", "video": "v1", "at_ms": 5, "op": "like", "region": "DE"}
GOOD: dict[str, dict[str, Any]] = {"views": VIEW, "likes": LIKE, "shares": {**LIKE, "op": "unshare", "channel": "dm"}}
NUMBERS = st.sampled_from([-1, 0, 1, 1.0, 1.5, 2**31 - 1, 2**31, 2**43 - 1, 2**43, 10**14, 10**15, 10**19, 10**40])
LENGTHS = [n for most in (16, 64) for n in (most - 1, most, most + 1)]
TEXTS = st.text('aé*"\\ \n\x7f\x00\u200b😀', max_size=20) | st.builds(
    lambda char, count: char * count, st.sampled_from("xé0f"), st.sampled_from(LENGTHS)
)
VALUES = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(["unlike", "share", [], {}, "0" * 16])
FIELDS = st.sampled_from([*VIEW, "op", "channel", "tomorrow", "", "é"])
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


@st.composite
def values(draw: st.DrawFn, topic: str) -> bytes:
    """Good, odd or bad events, in any order and with any blanks."""
    event = {**GOOD[topic], **draw(st.dictionaries(FIELDS, VALUES, max_size=2))}
    for field in draw(st.lists(FIELDS, max_size=2)):
        event.pop(field, None)
    fields = draw(st.permutations(list(event.items())))
    ascii_only = draw(st.booleans())
    separators, around = draw(SEPARATORS), draw(st.sampled_from([b"", b" ", b"\n"]))
    text = json.dumps(dict(fields), ensure_ascii=ascii_only, separators=separators)
    return around + text.encode("utf-8", "surrogatepass") + around


@st.composite
def damaged(draw: st.DrawFn, topic: str) -> bytes:
    """An event with some bytes overwritten, left out, doubled or cut off."""
    value = bytearray(draw(values(topic)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(value)))
        value[at : at + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"\\", b",", b"}"])
        )
    return bytes(value)


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, list[FakeRecord]]:
    topic = draw(st.sampled_from(TOPICS))
    value = st.none() | st.binary(max_size=20) | values(topic) | damaged(topic)
    key = st.sampled_from([b"anna"] * 6 + [None, b"", b"bert", b"ann", b"\xff", "é".encode(), b"x" * 65])
    return topic, draw(
        st.lists(st.builds(FakeRecord, key, value, st.just(0), st.integers(0, 9)), min_size=1, max_size=6)
    )


def expected(topic: str, records: Sequence[FakeRecord], where: Where) -> tuple[list[Any], list[Rejected]]:
    good, bad = [], []
    for record in records:
        found = arrive(where, record)
        if isinstance(found, Rejected):
            bad.append(found)
            continue
        event: Any = found
        common = (event.user, event_hash(event.id), event.video, event.region or UNKNOWN_REGION, event.at_ms)
        rest = (event.watch_ms, event.duration_ms or 0) if topic == "views" else (
            pair_key(event.user, event.video), getattr(event, "channel", ""), event.op in {"like", "share"}
        )  # fmt: skip
        good.append((*common, record.timestamp, *rest))
    return good, bad


def found_by(
    topic: str, records: Sequence[FakeRecord], where: Where, *, kernel: bool
) -> tuple[list[Any], list[Rejected]]:
    state = State(where.partition, where.partitions, DictRows(), FakeCatalogue())
    switch(on=kernel)
    try:
        columns = read(READERS[topic], records, state)
    finally:
        switch(on=True)
    users = [state.users.keys_by_slot[slot].decode() for slot in columns.slots.tolist()]
    videos = [state.contents.names[content] for content in columns.contents.tolist()]
    regions = [state.regions.names[region] for region in columns.regions.tolist()]
    rest = (columns.watch_ms.tolist(), columns.duration_ms.tolist()) if topic == "views" else (
        columns.keys, columns.channels, columns.on.tolist()
    )  # fmt: skip
    numbers = columns.at_ms.tolist(), columns.arrival_ms.tolist()
    rows = zip(users, columns.ids.tolist(), videos, regions, *numbers, *rest, strict=True)
    return list(rows), state.rejected


def check(topic: str, records: Sequence[FakeRecord], partition: int = 0, partitions: int = 1) -> None:
    where = Where(topic, partition, partitions)
    right = expected(topic, records, where)
    assert found_by(topic, records, where, kernel=True) == right
    assert found_by(topic, records, where, kernel=False) == right


@given(batches())
def test_any_records(batch: tuple[str, list[FakeRecord]]) -> None:
    check(*batch)


@given(batches(), st.integers(0, 3))
def test_users_of_other_partitions(batch: tuple[str, list[FakeRecord]], partition: int) -> None:
    check(*batch, partition, 4)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_beginning_and_every_single_wrong_byte(topic: str) -> None:
    value = json.dumps(GOOD[topic], separators=(",", ":")).encode()
    cut = [value[:size] for size in range(len(value) + 1)]
    bent = [value[:at] + bytes([byte]) + value[at + 1 :] for at in range(len(value)) for byte in b'\x00\n "\\,:}0a\xff']
    doubled = [value[:at] + value[at : at + 1] + value[at:] for at in range(len(value))]
    check(topic, [FakeRecord(b"anna", value) for value in (*cut, *bent, *doubled)])


def place_of(bad: Garbage) -> int:
    return partition_of(bad.key or b"", 4) if bad.partition is None else bad.partition


def test_all_sorts_of_garbage() -> None:
    made = garbage(np.random.default_rng(1), 20 * len(SORTS), partitions=4)
    for topic in TOPICS:
        for partition in range(4):
            here = [bad for bad in made if bad.topic == topic and partition == place_of(bad)]
            check(topic, [FakeRecord(bad.key, bad.value) for bad in here], partition, 4)


def test_what_producers_write_needs_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = compiled("parse")
    if kernel is None:
        return
    for topic in TOPICS:
        reader = READERS[topic]
        monkeypatch.setattr(type(reader), "decode", lambda *_: pytest.fail("looked at again"))
        events = [{**GOOD[topic], "tomorrow": 1, "user": user} for user in ("anna", "zoë")]
        records = [
            FakeRecord(event["user"].encode(), json.dumps(event, ensure_ascii=False).encode()) for event in events
        ]
        state = State(0, 1, DictRows(), FakeCatalogue())
        assert len(read(reader, records, state).slots) == 2


@pytest.mark.parametrize("seed", range(4))
def test_rows_and_tallies_are_the_same_bytes(seed: int) -> None:
    steps = Worlds(seed, users=5 + 10 * seed, videos=100, run=20 + 60 * seed).history(3_000)
    results = []
    for kernel in (True, False):
        switch(on=kernel)
        try:
            result = run(steps, seed=seed, most=300, trouble=0.1)
        finally:
            switch(on=True)
        results.append((result.rows.tables, {cell: counts for cell, counts in result.cells.items() if any(counts)}))
    assert results[0] == results[1]
