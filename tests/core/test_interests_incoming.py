"""Checks of whole columns say the same as `core.arrival` says of each record."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.core import arrival
from streams.core.arrival import Where
from streams.core.events import VideoFacts
from streams.core.interests import contents, reactions, views
from streams.core.interests.contents import contents_of
from streams.core.interests.incoming import Incoming, bulk, ids_of
from streams.core.interests.state import State
from streams.core.keys import event_hash
from streams.core.ports import Rejected
from streams.testing.user_world import DictRows, FakeCatalogue, FakeRecord

GOOD: dict[str, dict[str, Any]] = {
    "views": {"id": "e1", "user": "anna", "video": "v1", "at_ms": 5, "watch_ms": 7},
    "likes": {"id": "e1", "user": "anna", "video": "v1", "at_ms": 5, "op": "like"},
    "shares": {"id": "e1", "user": "anna", "video": "v1", "at_ms": 5, "op": "unshare", "channel": "dm"},
}
FIELDS = [*GOOD["views"], "op", "channel", "duration_ms", "region", "surface", "session"]
NUMBERS = st.sampled_from([-1, 0, 1, 2**31 - 1, 2**31, 2**43 - 1, 2**43, 2**63, 2**70])
TEXTS = st.text("aé* \n\x00\u200b", max_size=20) | st.sampled_from(["x" * 64, "x" * 65, "like", "share", "0" * 16])
ODD = st.dictionaries(st.sampled_from(FIELDS), st.none() | NUMBERS | TEXTS, max_size=3)


READERS: dict[str, Any] = {
    "views": views.READER,
    "likes": reactions.Reader(reactions.LIKES),
    "shares": reactions.Reader(reactions.SHARES),
}


def in_bulk(topic: str, records: Sequence[FakeRecord]) -> bool:
    decoded = bulk(Incoming.of(records), READERS[topic].decode)
    return decoded is not None and READERS[topic].check(decoded, State(0, 1, DictRows(), FakeCatalogue())) is not None


@given(st.sampled_from(sorted(GOOD)), st.lists(ODD, min_size=1, max_size=3))
def test_a_batch_passes_exactly_if_each_record_arrives(topic: str, odd: list[dict[str, Any]]) -> None:
    events = [{**GOOD[topic], **fields} for fields in odd]
    records = [FakeRecord(str(event["user"]).encode(), json.dumps(event).encode()) for event in events]
    each = [arrival.arrive(Where(topic, 0, 1), record) for record in records]
    assert in_bulk(topic, records) == (not any(isinstance(found, Rejected) for found in each))


def test_users_whose_joined_names_look_like_the_joined_keys() -> None:
    events = [{**GOOD["views"], "user": user} for user in ("a\x00b", "c")]
    keys = (b"a", b"b\x00c")
    records = [FakeRecord(key, json.dumps(event).encode()) for key, event in zip(keys, events, strict=True)]
    assert not in_bulk("views", records)


@given(st.lists(st.text("0123456789abcdefABCDEF _é", min_size=1, max_size=17) | st.just("0" * 16), min_size=1))
def test_ids_are_hashed_as_one_by_one(ids: list[str]) -> None:
    found = ids_of(ids)
    assert found is not None
    assert found.tolist() == [event_hash(event_id) for event_id in ids]


def test_stages_with_one_catalogue_share_the_videos_they_met(monkeypatch: Any) -> None:
    catalogue = FakeCatalogue()
    shared = contents_of(catalogue, 4)
    assert contents_of(catalogue, 4) is shared
    assert contents_of(catalogue, 8) is not shared
    assert contents_of(FakeCatalogue(), 4) is not shared
    monkeypatch.setattr(contents, "CONTENTS_AT_MOST", 1)
    shared.slots(["a", "b"])
    assert contents_of(catalogue, 4) is not shared


def test_a_refresh_takes_over_news_and_everything_if_it_asks_too_late(monkeypatch: Any) -> None:
    catalogue = FakeCatalogue()
    table = contents_of(catalogue, 4)
    table.slots(["a", "b"])
    catalogue.learn("a", VideoFacts("c", "s", (), "g", 7, "de", 0))
    table.refresh()
    assert table.known[:2].tolist() == [True, False]
    catalogue.learn("b", VideoFacts("c", "s", ("t",), "g", 8, "de", 0))
    catalogue.learn("elsewhere", VideoFacts("c", "s", (), "g", 9, "de", 0))
    table.refresh()
    assert table.duration_ms[:2].tolist() == [7, 8]
    assert table.size[:2].tolist() == [4, 5]
    catalogue.learn("a", VideoFacts("c", "s", (), "g", 10, "de", 0))
    monkeypatch.setattr(catalogue, "news_since", lambda _: (99, None))
    table.refresh()
    assert table.duration_ms[:2].tolist() == [10, 8]
    assert table.changed[:2].tolist() == [True, False]
