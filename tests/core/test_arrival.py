"""Records in, events or reasons out."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.arrival import Where, arrive, arrive_account, arrive_facts, arrive_view
from streams.core.events import AccountState, VideoFacts, View
from streams.core.keys import partition_of
from streams.core.ports import Rejected
from streams.core.reasons import Reason
from streams.testing.user_world import FakeRecord

VIEW = {"id": "e1", "user": "anna", "video": "v1", "at_ms": 5, "watch_ms": 7}
LIKE = {"id": "e1", "user": "anna", "video": "v1", "at_ms": 5, "op": "like"}
SHARE = {**LIKE, "op": "unshare", "channel": "dm"}
FEEDBACK = {"id": "e1", "user": "anna", "video": "v1", "at_ms": 5, "kind": "report"}
FACTS = {
    "creator": "c", "sound": "s", "tags": ["a", "b"], "category": "g",
    "duration_ms": 9, "language": "de", "published_ms": 1,
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "views": VIEW, "likes": LIKE, "shares": SHARE, "feedback": FEEDBACK, "videos": FACTS, "accounts": {},
}  # fmt: skip
LONG, LONG_LABEL = "x" * 65, "x" * 17
BAD_EVENTS: list[tuple[str, str, Any, Reason]] = [
    ("views", "id", "", Reason.BAD_ID),
    ("views", "id", "a\nb", Reason.BAD_ID),
    ("views", "video", LONG, Reason.BAD_VIDEO),
    ("views", "video", "a\x00b", Reason.BAD_VIDEO),
    ("views", "at_ms", -1, Reason.BAD_TIME),
    ("views", "at_ms", 2**43, Reason.BAD_TIME),
    ("views", "at_ms", 10**400, Reason.BAD_TIME),
    ("views", "watch_ms", 2**31, Reason.BAD_WATCH_TIME),
    ("views", "duration_ms", 0, Reason.BAD_DURATION),
    ("views", "region", "*", Reason.BAD_REGION),
    ("views", "region", LONG_LABEL, Reason.BAD_REGION),
    ("views", "region", "", Reason.BAD_REGION),
    ("views", "surface", LONG_LABEL, Reason.BAD_SURFACE),
    ("views", "session", LONG, Reason.BAD_SESSION),
    ("views", "at_ms", "5", Reason.WRONG_TYPE),
    ("views", "at_ms", 1.5, Reason.WRONG_TYPE),
    ("views", "watch_ms", True, Reason.WRONG_TYPE),
    ("views", "user", "bert", Reason.KEY_MISMATCH),
    ("likes", "op", "share", Reason.BAD_OP),
    ("shares", "op", "like", Reason.BAD_OP),
    ("shares", "channel", "", Reason.BAD_CHANNEL),
    ("feedback", "kind", LONG_LABEL, Reason.BAD_KIND),
    ("videos", "creator", "", Reason.BAD_CREATOR),
    ("videos", "sound", LONG, Reason.BAD_SOUND),
    ("videos", "tags", ["a", "a"], Reason.BAD_TAGS),
    ("videos", "tags", [""], Reason.BAD_TAGS),
    ("videos", "tags", [str(i) for i in range(17)], Reason.BAD_TAGS),
    ("videos", "category", "", Reason.BAD_CATEGORY),
    ("videos", "language", LONG_LABEL, Reason.BAD_LANGUAGE),
    ("videos", "duration_ms", 0, Reason.BAD_DURATION),
    ("videos", "published_ms", 2**43, Reason.BAD_TIME),
    ("videos", "visibility", "hidden", Reason.BAD_VISIBILITY),
    ("videos", "status", "gone", Reason.BAD_STATUS),
    ("accounts", "region", "*", Reason.BAD_REGION),
    ("accounts", "age_band", "old", Reason.BAD_AGE_BAND),
    ("accounts", "status", "removed", Reason.BAD_STATUS),
    ("accounts", "trust", 1.01, Reason.BAD_TRUST),
]


def where(topic: str, key: bytes) -> Where:
    return Where(topic, partition_of(key, 8), 8)


def take(topic: str, event: Any, key: bytes = b"anna") -> Any:
    value = event if isinstance(event, bytes) or event is None else json.dumps(event).encode()
    return arrive(where(topic, key), FakeRecord(key, value))


@pytest.mark.parametrize("topic", GOOD)
def test_good_events_arrive(topic: str) -> None:
    found = take(topic, {**GOOD[topic], "field_of_tomorrow": [1]})
    assert json.loads(msgspec.json.encode(found)).items() >= GOOD[topic].items()


@pytest.mark.parametrize(("topic", "field", "value", "reason"), BAD_EVENTS)
def test_bad_values_are_named(topic: str, field: str, value: Any, reason: Reason) -> None:
    found = take(topic, {**GOOD[topic], field: value})
    assert isinstance(found, Rejected)
    assert (found.topic, found.reason) == (topic, reason)
    assert field in found.detail
    assert len(found.detail) < 200


@pytest.mark.parametrize("topic", GOOD)
def test_limits_are_inside(topic: str) -> None:
    limits: dict[str, dict[str, Any]] = {
        "views": {"id": "i" * 64, "video": "é" * 64, "at_ms": 2**43 - 1, "watch_ms": 2**31 - 1, "region": "r" * 16},
        "likes": {"op": "unlike", "at_ms": 0},
        "shares": {"channel": "c" * 16},
        "feedback": {"kind": "k" * 16},
        "videos": {"tags": [str(i) for i in range(16)], "duration_ms": 2**31 - 1},
        "accounts": {"trust": 0, "age_band": "child", "status": "deleted"},
    }
    assert not isinstance(take(topic, {**GOOD[topic], **limits[topic]}), Rejected)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.NO_VALUE),
        (b"", Reason.MALFORMED_JSON),
        (b"{", Reason.MALFORMED_JSON),
        (b'{"id":"\xff"}', Reason.MALFORMED_JSON),
        (b'{"x":' + b"[" * 16_000, Reason.MALFORMED_JSON),
        (b"[]", Reason.WRONG_TYPE),
        (b'{"id":"e1"}', Reason.MISSING_FIELD),
        (b" " * (16 * 1024 + 1), Reason.TOO_LARGE),
        (b'{"at_ms":' + b"9" * 16_000 + b"}", Reason.WRONG_TYPE),
    ],
)
def test_values_that_are_no_events(value: bytes | None, reason: Reason) -> None:
    found = take("views", value)
    assert isinstance(found, Rejected)
    assert found.reason == reason


def test_keys() -> None:
    no_key = arrive(Where("views", 0, 8), FakeRecord(None, json.dumps(VIEW).encode()))
    other = arrive(Where("views", partition_of(b"anna", 8) ^ 1, 8), FakeRecord(b"anna", json.dumps(VIEW).encode()))
    bytes_only = take("views", VIEW, b"\xff")
    bad_user = take("views", {**VIEW, "user": LONG}, LONG.encode())
    bad_video = take("videos", FACTS, b"a\x00b")
    found = [no_key, other, bytes_only, bad_user, bad_video]
    reasons = [Reason.NO_KEY, Reason.WRONG_PARTITION, Reason.KEY_MISMATCH, Reason.BAD_USER, Reason.BAD_VIDEO]
    assert [rejected.reason for rejected in found] == reasons


def test_tombstones_of_facts_and_accounts_are_good() -> None:
    record = FakeRecord(b"v1", None)
    assert arrive_facts(where("videos", b"v1"), record) is None
    assert arrive_account(where("accounts", b"v1"), record) is None
    assert isinstance(arrive_facts(where("videos", b"v1"), FakeRecord(b"v1", json.dumps(FACTS).encode())), VideoFacts)
    assert isinstance(arrive_account(where("accounts", b"v1"), FakeRecord(b"v1", b"{}")), AccountState)


@given(st.binary(max_size=200), st.binary(max_size=20), st.sampled_from(sorted(GOOD)))
def test_never_raises_on_any_bytes(value: bytes, key: bytes, topic: str) -> None:
    found = arrive(Where(topic, 0, 1), FakeRecord(key, value))
    assert found is not None


ODD_VALUES = st.none() | st.integers() | st.text("aé* \n\x00\u200b\ud800", max_size=66)


@given(st.dictionaries(st.sampled_from(sorted(VIEW)), ODD_VALUES))
def test_a_view_that_arrives_is_within_the_limits(fields: dict[str, Any]) -> None:
    event = {**VIEW, **fields}
    key = str(event["user"]).encode("utf-8", "surrogatepass")
    found = arrive_view(Where("views", 0, 1), FakeRecord(key, json.dumps(event).encode()))
    if isinstance(found, View):
        assert all(0 < len(name) <= 64 and name.isprintable() for name in (found.id, found.user, found.video))
        assert 0 <= found.at_ms < 2**43
        assert 0 <= found.watch_ms < 2**31
