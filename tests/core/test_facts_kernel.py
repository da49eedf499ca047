"""The kernel of facts: the hashes of `core.keys`, and never a fact that `core.arrival` would set aside."""

from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core.arrival import Where, arrive_all_facts, arrive_facts, plain_facts
from streams.core.compiled import compiled, switch
from streams.core.events import VideoFacts
from streams.core.interests.contents import topics_of
from streams.core.keys import seen_hash
from streams.core.ports import Rejected
from streams.wire.records import Record

pytestmark = pytest.mark.compiled
kernel: Any = compiled("facts")

GOOD: dict[str, Any] = {
    "creator": "c1", "sound": "s1", "tags": ["t1", "t2"], "category": "g1", "duration_ms": 15_000, "language": "en",
    "published_ms": 1_700_000_000_000,
}  # fmt: skip
TEXT = st.text(max_size=70) | st.text("ab", min_size=60, max_size=66) | st.just("x" * 17)
NUMBER = st.integers(-2, 2) | st.sampled_from([2**31 - 1, 2**31, 2**43 - 1, 2**43, 2**63, 2**64, -(2**63) - 1])
WRONG = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("creator", "sound", "category", "language"), TEXT),
        **dict.fromkeys(("published_ms", "duration_ms"), NUMBER),
        "tags": st.lists(st.sampled_from(["a", "b", "é", "", "\n", "x" * 64, "x" * 65]), max_size=4)
        | st.lists(st.integers(0, 20).map(str), max_size=18),
        "visibility": st.sampled_from(["public", "private", "x"]),
        "status": st.sampled_from(["active", "removed", "x"]),
    },
)
NAME = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)


@given(wrong=WRONG, video=st.sampled_from(["v1", "", "é", "x" * 65, "a\x00"]))
@example(wrong={}, video="v1")
def test_what_the_kernel_takes_arrival_takes_alike(wrong: dict[str, Any], video: str) -> None:
    value = msgspec.json.encode(GOOD | wrong)
    found = arrive_facts(Where("videos", 0, 1), Record(video.encode(), value, 0, 0))
    taken = plain_facts(video, value)
    if taken is not None:
        assert taken == found
    elif not isinstance(found, Rejected):
        assert found is not None
        texts = (found.creator, found.sound, found.category, found.language, *found.tags)
        assert not all(map(str.isascii, texts))


@given(
    wrongs=st.lists(WRONG, max_size=6),
    keys=st.lists(st.sampled_from([b"v1", b"v2", b"v3", b"", "é".encode(), b"\xff", None]), min_size=6, max_size=6),
    values=st.lists(st.sampled_from([None, b"", b"{"]) | st.none(), max_size=2),
)
def test_many_arrive_as_each_alone(wrongs: list[dict[str, Any]], keys: list[bytes | None], values: list[Any]) -> None:
    written = [msgspec.json.encode(GOOD | wrong) for wrong in wrongs] + values
    records = [Record(key, value, 7, 0) for key, value in zip(keys, written, strict=False)]
    where = Where("videos", 1, 3)
    assert list(arrive_all_facts(where, records)) == [arrive_facts(where, record) for record in records]


@pytest.mark.parametrize("value", [b"", b"{", b"null", b"[1]", b'"\xff"', b"{" * 100_000, b" " * 20_000 + b"{}"])
def test_what_is_no_fact_is_left_to_arrival(value: bytes) -> None:
    assert plain_facts("v1", value) is None


def test_without_the_kernel_everything_is_left_to_arrival() -> None:
    value = msgspec.json.encode(GOOD)
    assert plain_facts("v1", value) is not None
    switch(on=False)
    try:
        assert plain_facts("v1", value) is None
    finally:
        switch(on=True)


FACTS = st.builds(
    VideoFacts, creator=NAME, sound=NAME, tags=st.lists(NAME, max_size=16).map(tuple), category=NAME,
    duration_ms=st.just(1), language=NAME, published_ms=st.just(1),
)  # fmt: skip


@given(facts=st.lists(st.none() | FACTS, max_size=4))
@example(facts=[VideoFacts("𐍈" * 64, "a" * 122, ("b" * 123, "b" * 124, "b" * 125), "c" * 119, 1, "d" * 300, 1)])
def test_topics_are_hashed_as_one_by_one(facts: list[VideoFacts | None]) -> None:
    sizes, hashes = kernel.topics(facts)
    one_by_one = list(map(topics_of, facts))
    assert sizes.tolist() == list(map(len, one_by_one))
    assert hashes.tolist() == list(chain.from_iterable(one_by_one))


@given(video=NAME)
def test_seen_videos_are_hashed_as_one_by_one(video: str) -> None:
    assert kernel.seen_hash(video) == seen_hash(video)
