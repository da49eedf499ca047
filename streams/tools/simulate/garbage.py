"""Records that cannot be used, each with the reason for which it has to be set aside."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np

from streams.core.keys import partition_of
from streams.core.reasons import Reason

PARTITIONS = 8
AT_MS = 1_760_000_000_000
LONG = "x" * 65

Json = dict[str, object]


class Garbage(NamedTuple):
    """One bad record. `partition` None: where its key belongs."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None
    reason: Reason


def garbage(rng: np.random.Generator, count: int, *, partitions: int = PARTITIONS, at_ms: int = AT_MS) -> list[Garbage]:
    """`count` bad records that take turns through all sorts (more than 20). `at_ms`: event time of the well-timed.

    They name users and videos of their own, so that no good event is touched. With one partition no record can lie
    in the wrong one: that sort is left out.
    """
    sorts = [make for make in SORTS if partitions > 1 or make is not wrong_partition]
    salt = int(rng.integers(0, 1 << 40))
    return [
        sorts[turn % len(sorts)](_Case(f"{salt:x}-{turn}", turn // len(sorts), partitions, at_ms))
        for turn in range(count)
    ]


class _Case(NamedTuple):
    """What makes one record differ from the next of its sort."""

    name: str
    turn: int
    partitions: int
    at_ms: int

    @property
    def user(self) -> str:
        return f"nobody-{self.name}"

    @property
    def video(self) -> str:
        return f"nothing-{self.name}"


Sort = Callable[[_Case], Garbage]


def _view(case: _Case) -> Json:
    return {"id": case.name, "user": case.user, "video": case.video, "at_ms": case.at_ms, "watch_ms": 1000}


def _like(case: _Case) -> Json:
    return {"id": case.name, "user": case.user, "video": case.video, "at_ms": case.at_ms, "op": "like"}


def _share(case: _Case) -> Json:
    return _like(case) | {"channel": "link", "op": "share"}


def _feedback(case: _Case) -> Json:
    return {"id": case.name, "user": case.user, "video": case.video, "at_ms": case.at_ms, "kind": "hide"}


def _facts(_: _Case) -> Json:
    return {
        "creator": "a", "sound": "b", "tags": ["c"], "category": "d", "duration_ms": 1000, "language": "en",
        "published_ms": AT_MS,
    }  # fmt: skip


GOOD: dict[str, Callable[[_Case], Json]] = {
    "views": _view, "likes": _like, "shares": _share, "feedback": _feedback, "videos": _facts, "accounts": lambda _: {},
}  # fmt: skip
BY_USER = ("views", "likes", "shares", "feedback")


def _record(topic: str, case: _Case, value: bytes | None, reason: Reason, key: str | None = None) -> Garbage:
    name = key if key is not None else case.video if topic == "videos" else case.user
    return Garbage(topic, name.encode(), value, None, reason)


def spoiled(reason: Reason, topics: tuple[str, ...], field: str, *values: object) -> Sort:
    """Otherwise good records of these topics in turn, with one field set to one of the values in turn."""

    def make(case: _Case) -> Garbage:
        topic, value = topics[case.turn % len(topics)], values[case.turn % len(values)]
        return _record(topic, case, msgspec.json.encode(GOOD[topic](case) | {field: value}), reason)

    return make


def raw(reason: Reason, topics: tuple[str, ...], *values: bytes | None) -> Sort:
    """Records of these topics in turn whose value is one of these in turn."""

    def make(case: _Case) -> Garbage:
        return _record(topics[case.turn % len(topics)], case, values[case.turn % len(values)], reason)

    return make


def missing_field(case: _Case) -> Garbage:
    """An otherwise good record without its last field."""
    topic = (*BY_USER, "videos")[case.turn % 5]
    event = GOOD[topic](case)
    # Never the user itself: each topic's last field is one it cannot do without.
    event.pop(list(event)[-1])
    return _record(topic, case, msgspec.json.encode(event), Reason.MISSING_FIELD)


def no_key(case: _Case) -> Garbage:
    """A good value without a key."""
    topic = BY_USER[case.turn % 4]
    value = msgspec.json.encode(GOOD[topic](case))
    return Garbage(topic, None, value, case.turn % case.partitions, Reason.NO_KEY)


def key_mismatch(case: _Case) -> Garbage:
    """A good value whose key is another user."""
    topic = BY_USER[case.turn % 4]
    value = msgspec.json.encode(GOOD[topic](case))
    return _record(topic, case, value, Reason.KEY_MISMATCH, f"another-{case.name}")


def wrong_partition(case: _Case) -> Garbage:
    """A good record one partition off, as another partitioner would put it."""
    topic = (*BY_USER, "videos", "accounts")[case.turn % 6]
    good = _record(topic, case, msgspec.json.encode(GOOD[topic](case)), Reason.WRONG_PARTITION)
    return good._replace(partition=(partition_of(good.key or b"", case.partitions) + 1) % case.partitions)


def bad_user(case: _Case) -> Garbage:
    """A user name that is too long or has a line break, in key and value alike."""
    topic = BY_USER[case.turn % 4]
    name = f"{case.user}\n" if case.turn % 2 else f"{LONG}{case.name}"
    return _record(topic, case, msgspec.json.encode(GOOD[topic](case) | {"user": name}), Reason.BAD_USER, name)


SORTS: tuple[Sort, ...] = (
    raw(Reason.NO_VALUE, BY_USER, None),
    raw(Reason.TOO_LARGE, tuple(GOOD), b'{"pad":"' + b"x" * 16_500 + b'"}'),
    no_key,
    raw(Reason.MALFORMED_JSON, tuple(GOOD), b"", b"not json", b'{"id":"1",', b"\xff\xfe", b"{}{}"),
    missing_field,
    spoiled(Reason.WRONG_TYPE, BY_USER, "at_ms", "soon", None, [], 1.5),
    key_mismatch,
    wrong_partition,
    spoiled(Reason.BAD_ID, BY_USER, "id", "", LONG, "tab\there"),
    bad_user,
    spoiled(Reason.BAD_VIDEO, BY_USER, "video", "", LONG, "nul\x00"),
    spoiled(Reason.BAD_TIME, BY_USER, "at_ms", -1, 1 << 50),
    spoiled(Reason.BAD_WATCH_TIME, ("views",), "watch_ms", -1, 1 << 31),
    spoiled(Reason.BAD_DURATION, ("views", "videos"), "duration_ms", 0, -5, 1 << 31),
    spoiled(Reason.BAD_OP, ("likes", "shares"), "op", "", "love"),
    spoiled(Reason.BAD_CHANNEL, ("shares",), "channel", "", "seventeen letters"),
    spoiled(Reason.BAD_KIND, ("feedback",), "kind", "", "seventeen letters"),
    spoiled(Reason.BAD_REGION, ("views", "likes", "shares", "accounts"), "region", "*", "", "seventeen letters"),
    spoiled(Reason.BAD_SURFACE, ("views",), "surface", "", "seventeen letters"),
    spoiled(Reason.BAD_SESSION, ("views",), "session", "", LONG),
    spoiled(Reason.BAD_CREATOR, ("videos",), "creator", "", LONG),
    spoiled(Reason.BAD_SOUND, ("videos",), "sound", "", LONG),
    spoiled(Reason.BAD_TAGS, ("videos",), "tags", [""], ["a", "a"], [str(n) for n in range(17)]),
    spoiled(Reason.BAD_CATEGORY, ("videos",), "category", "", LONG),
    spoiled(Reason.BAD_LANGUAGE, ("videos",), "language", "", "seventeen letters"),
    spoiled(Reason.BAD_VISIBILITY, ("videos",), "visibility", "", "hidden"),
    spoiled(Reason.BAD_STATUS, ("videos", "accounts"), "status", "", "gone"),
    spoiled(Reason.BAD_AGE_BAND, ("accounts",), "age_band", "", "old"),
    spoiled(Reason.BAD_TRUST, ("accounts",), "trust", -0.1, 1.1),
)
