"""Which source records can be used. Written a second time on purpose: see streams/core/reasons.py for the order."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from streams.core.events import (
    ACCOUNT_STATUSES,
    AGE_BANDS,
    VIDEO_STATUSES,
    VISIBILITIES,
    AccountState,
    Feedback,
    Like,
    Share,
    VideoFacts,
    View,
)
from streams.core.keys import partition_of
from streams.core.reasons import Reason

Value = View | Like | Share | Feedback | VideoFacts | AccountState
TYPES: dict[str, type[Value]] = {
    "views": View, "likes": Like, "shares": Share, "feedback": Feedback, "videos": VideoFacts, "accounts": AccountState,
}  # fmt: skip
SOURCES = tuple(TYPES)
TOMBSTONES = ("videos", "accounts")
_DECODERS = {topic: msgspec.json.Decoder(kind) for topic, kind in TYPES.items()}
_LARGEST = 16 * 1024
_TIMES, _SPANS = 1 << 43, (1 << 31) - 1


class Entry(Protocol):
    """One record of a log as a read_committed reader sees it. `timestamp` is its arrival in ms."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


class UnusableError(Exception):
    """A record that must be in dead-letters with this reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def check(topic: str, entry: Entry, partition: int, partitions: int) -> Value | None:
    """The value of a good record, None for a tombstone. UnusableError with the first reason that holds.

    Of malformed JSON, a missing field and a wrong type, the decoder's first complaint counts.
    """
    value = _decode(topic, entry)
    name = _key_name(entry.key or b"")
    if isinstance(value, View | Like | Share | Feedback):
        _demand(name == value.user, Reason.KEY_MISMATCH)
    _demand(partition_of(entry.key or b"", partitions) == partition, Reason.WRONG_PARTITION)
    if topic in TOMBSTONES:
        _demand(_is_name(name), Reason.BAD_VIDEO if topic == "videos" else Reason.BAD_USER)
    for reason, holds in _RULES[topic] if value is not None else ():
        _demand(holds(value), reason)
    return value


def _demand(holds: bool, reason: Reason) -> None:  # noqa: FBT001 - reads as `demand x else reason`
    if not holds:
        raise UnusableError(reason)


def _decode(topic: str, entry: Entry) -> Value | None:
    if entry.value is None:
        _demand(topic in TOMBSTONES, Reason.NO_VALUE)
        _demand(entry.key is not None, Reason.NO_KEY)
        return None
    _demand(len(entry.value) <= _LARGEST, Reason.TOO_LARGE)
    _demand(entry.key is not None, Reason.NO_KEY)
    try:
        return _DECODERS[topic].decode(entry.value)
    except msgspec.ValidationError as error:
        missing = "missing required field" in str(error)
        raise UnusableError(Reason.MISSING_FIELD if missing else Reason.WRONG_TYPE) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UnusableError(Reason.MALFORMED_JSON) from None


def _is_name(text: str, longest: int = 64) -> bool:
    return 0 < len(text) <= longest and text.isprintable()


def _is_short(text: str) -> bool:
    return _is_name(text, 16)


def _key_name(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise UnusableError(Reason.KEY_MISMATCH) from None


def _is_region(region: str | None) -> bool:
    return region is None or (_is_short(region) and region != "*")


def _are_tags(tags: Iterable[str]) -> bool:
    listed = list(tags)
    return len(listed) <= 16 and len(set(listed)) == len(listed) and all(map(_is_name, listed))


def _is_time(at_ms: int) -> bool:
    return 0 <= at_ms < _TIMES


def _is_duration(duration_ms: int | None) -> bool:
    return duration_ms is None or 1 <= duration_ms <= _SPANS


def _or_none(text: str | None, longest: int) -> bool:
    return text is None or _is_name(text, longest)


Rule = tuple[Reason, Callable[[Any], bool]]
_COMMON: list[Rule] = [
    (Reason.BAD_ID, lambda e: _is_name(e.id)),
    (Reason.BAD_USER, lambda e: _is_name(e.user)),
    (Reason.BAD_VIDEO, lambda e: _is_name(e.video)),
    (Reason.BAD_TIME, lambda e: _is_time(e.at_ms)),
]
_REGION: Rule = (Reason.BAD_REGION, lambda e: _is_region(e.region))
_RULES: dict[str, list[Rule]] = {
    "views": [
        *_COMMON,
        (Reason.BAD_WATCH_TIME, lambda e: 0 <= e.watch_ms <= _SPANS),
        (Reason.BAD_DURATION, lambda e: _is_duration(e.duration_ms)),
        _REGION,
        (Reason.BAD_SURFACE, lambda e: _or_none(e.surface, 16)),
        (Reason.BAD_SESSION, lambda e: _or_none(e.session, 64)),
    ],
    "likes": [*_COMMON, (Reason.BAD_OP, lambda e: e.op in ("like", "unlike")), _REGION],
    "shares": [
        *_COMMON,
        (Reason.BAD_OP, lambda e: e.op in ("share", "unshare")),
        (Reason.BAD_CHANNEL, lambda e: _is_short(e.channel)),
        _REGION,
    ],
    "feedback": [*_COMMON, (Reason.BAD_KIND, lambda e: _is_short(e.kind))],
    "videos": [
        (Reason.BAD_TIME, lambda f: _is_time(f.published_ms)),
        (Reason.BAD_DURATION, lambda f: _is_duration(f.duration_ms)),
        (Reason.BAD_CREATOR, lambda f: _is_name(f.creator)),
        (Reason.BAD_SOUND, lambda f: _is_name(f.sound)),
        (Reason.BAD_TAGS, lambda f: _are_tags(f.tags)),
        (Reason.BAD_CATEGORY, lambda f: _is_name(f.category)),
        (Reason.BAD_LANGUAGE, lambda f: _is_short(f.language)),
        (Reason.BAD_VISIBILITY, lambda f: f.visibility in VISIBILITIES),
        (Reason.BAD_STATUS, lambda f: f.status in VIDEO_STATUSES),
    ],
    "accounts": [
        _REGION,
        (Reason.BAD_STATUS, lambda a: a.status in ACCOUNT_STATUSES),
        (Reason.BAD_AGE_BAND, lambda a: a.age_band in AGE_BANDS),
        (Reason.BAD_TRUST, lambda a: math.isfinite(a.trust) and 0 <= a.trust <= 1),
    ],
}
