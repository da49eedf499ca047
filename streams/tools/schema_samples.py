"""Golden samples: good records of every topic, and one bad record for each reason a source record can be refused."""

import json
from typing import Any, NamedTuple

from streams.core.keys import partition_of
from streams.core.reasons import Reason

PARTITIONS = 8
"""Samples say their partition only where it matters, for this many partitions."""
Fields = dict[str, Any]


class Sample(NamedTuple):
    """A record as text; `partition` None means that of the key."""

    topic: str
    key: str | None
    value: str | None
    partition: int | None = None


_AT_MS = 1_700_000_000_000
_EVENT: Fields = {"id": "run1-000001", "user": "u-ada", "video": "v-cats-7", "at_ms": _AT_MS}
_VIEW: Fields = {
    **_EVENT, "watch_ms": 12_500, "duration_ms": 15_000, "surface": "feed", "region": "NL", "session": "s-1",
}  # fmt: skip
_LIKE: Fields = {**_EVENT, "op": "like", "region": "NL"}
_SHARE: Fields = {**_EVENT, "channel": "whatsapp", "op": "share"}
_FEEDBACK: Fields = {**_EVENT, "kind": "not_interested"}
_FACTS: Fields = {
    "creator": "c-bob", "sound": "s-jazz", "tags": ["cats", "piano"], "category": "pets", "duration_ms": 15_000,
    "language": "nl", "published_ms": _AT_MS - 3_600_000, "visibility": "public", "status": "active",
}  # fmt: skip
_ACCOUNT: Fields = {"region": "NL", "age_band": "adult", "private": False, "status": "active", "trust": 0.9}
_BASES: dict[str, tuple[str, Fields]] = {
    "views": ("u-ada", _VIEW), "likes": ("u-ada", _LIKE), "shares": ("u-ada", _SHARE),
    "feedback": ("u-ada", _FEEDBACK), "videos": ("v-cats-7", _FACTS), "accounts": ("u-ada", _ACCOUNT),
}  # fmt: skip


def _good(topic: str, **changes: Any) -> Sample:
    key, fields = _BASES[topic]
    return Sample(topic, key, json.dumps({**fields, **changes}))


def _without(topic: str, field: str) -> Sample:
    key, fields = _BASES[topic]
    return Sample(topic, key, json.dumps({name: value for name, value in fields.items() if name != field}))


def _wrong_partition() -> Sample:
    sample = _good("views")
    key = sample.key or ""
    return sample._replace(partition=(partition_of(key.encode(), PARTITIONS) + 1) % PARTITIONS)


_SMALL_VIEW = Sample("views", "u-ada", json.dumps({**_EVENT, "watch_ms": 0, "future_field": [1, 2]}))
GOOD: dict[str, Sample] = {
    "view": _good("views"),
    "view-small": _SMALL_VIEW,
    "like": _good("likes"),
    "unlike": _good("likes", op="unlike"),
    "share": _good("shares"),
    "feedback": _good("feedback"),
    "video": _good("videos"),
    "video-removed": _good("videos", status="removed"),
    "video-tombstone": Sample("videos", "v-cats-7", None),
    "account": _good("accounts"),
    "account-tombstone": Sample("accounts", "u-ada", None),
}
BAD: dict[Reason, Sample] = {
    Reason.NO_VALUE: Sample("views", "u-ada", None),
    Reason.TOO_LARGE: _good("views", note="x" * 16_384),
    Reason.NO_KEY: _good("views")._replace(key=None),
    Reason.MALFORMED_JSON: Sample("likes", "u-ada", '{"id": "run1-000001", "user": '),
    Reason.MISSING_FIELD: _without("views", "at_ms"),
    Reason.WRONG_TYPE: _good("views", at_ms="yesterday"),
    Reason.KEY_MISMATCH: _good("views")._replace(key="u-bob"),
    Reason.WRONG_PARTITION: _wrong_partition(),
    Reason.BAD_ID: _good("views", id=""),
    Reason.BAD_USER: _good("views", user="u" * 65)._replace(key="u" * 65),
    Reason.BAD_VIDEO: _good("views", video="v\u0000x"),
    Reason.BAD_TIME: _good("likes", at_ms=-1),
    Reason.BAD_WATCH_TIME: _good("views", watch_ms=-5),
    Reason.BAD_DURATION: _good("views", duration_ms=0),
    Reason.BAD_OP: _good("likes", op="love"),
    Reason.BAD_CHANNEL: _good("shares", channel=""),
    Reason.BAD_KIND: _good("feedback", kind="k" * 17),
    Reason.BAD_REGION: _good("views", region="*"),
    Reason.BAD_SURFACE: _good("views", surface="s" * 17),
    Reason.BAD_SESSION: _good("views", session="tab\there"),
    Reason.BAD_CREATOR: _good("videos", creator=""),
    Reason.BAD_SOUND: _good("videos", sound="x" * 65),
    Reason.BAD_TAGS: _good("videos", tags=["cats", "cats"]),
    Reason.BAD_CATEGORY: _good("videos", category=""),
    Reason.BAD_LANGUAGE: _good("videos", language="l" * 17),
    Reason.BAD_VISIBILITY: _good("videos", visibility="secret"),
    Reason.BAD_STATUS: _good("accounts", status="asleep"),
    Reason.BAD_AGE_BAND: _good("accounts", age_band="old"),
    Reason.BAD_TRUST: _good("accounts", trust=1.5),
}
