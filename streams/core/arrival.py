"""JSON bytes of a record -> the event, or why the record is set aside. Total: never raises on any bytes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from streams.core import checks
from streams.core.compiled import compiled
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
from streams.core.keys import partition_of, partitions_of
from streams.core.ports import Record, Rejected
from streams.core.reasons import Reason

_T = TypeVar("_T")
Wrong = tuple[Reason, str]
Interaction = View | Like | Share | Feedback

LIKE_OPS = ("like", "unlike")
SHARE_OPS = ("share", "unshare")

_NAME = f"1 to {checks.NAME_CHARS} printable characters are allowed"
_LABEL = f"1 to {checks.LABEL_CHARS} printable characters are allowed"
_REGION = f"{_LABEL}, except '*'; leave it out if unknown"
_TIME = "give milliseconds since 1970, 0 to 2^43"
_WATCH = "give milliseconds, 0 to 2^31 - 1"
_DURATION = "give milliseconds, 1 to 2^31 - 1"

decode_view = msgspec.json.Decoder(View).decode
decode_like = msgspec.json.Decoder(Like).decode
decode_share = msgspec.json.Decoder(Share).decode
decode_facts = msgspec.json.Decoder(VideoFacts).decode


class Where(NamedTuple):
    """Where a record was read: topic (bare name), its partition and the number of partitions."""

    topic: str
    partition: int
    partitions: int


def arrive(where: Where, record: Record) -> Interaction | VideoFacts | AccountState | Rejected | None:
    """The event of any source topic; None is a tombstone (videos and accounts only)."""
    found = _arrive(where, record)
    return Rejected(where.topic, record, *found) if isinstance(found, tuple) else found


def arrive_view(where: Where, record: Record) -> View | Rejected:
    """`arrive` for topic `views`."""
    return _expect(View, arrive(where, record))


def arrive_like(where: Where, record: Record) -> Like | Rejected:
    """`arrive` for topic `likes`."""
    return _expect(Like, arrive(where, record))


def arrive_share(where: Where, record: Record) -> Share | Rejected:
    """`arrive` for topic `shares`."""
    return _expect(Share, arrive(where, record))


def arrive_facts(where: Where, record: Record) -> VideoFacts | Rejected | None:
    """`arrive` for topic `videos`; None: the video was removed."""
    found = arrive(where, record)
    return None if found is None else _expect(VideoFacts, found)


def arrive_all_facts(where: Where, records: Sequence[Record]) -> Iterator[VideoFacts | Rejected | None]:
    """`arrive_facts` of each; most are plain, which costs a third."""
    homes = partitions_of([record.key or b"" for record in records], where.partitions).tolist()
    for record, home in zip(records, homes, strict=True):
        plain = _plain(record) if home == where.partition else None
        yield arrive_facts(where, record) if plain is None else plain


def _plain(record: Record) -> VideoFacts | None:
    if not record.key or record.value is None or not record.key.isascii():
        return None
    return plain_facts(record.key.decode(), record.value)


def plain_facts(video: str, value: bytes) -> VideoFacts | None:
    """The facts of this video if the kernel is sure that `arrive_facts` would take them; it costs a fifth."""
    kernel = compiled("facts")
    if kernel is None or len(value) > checks.VALUE_BYTES or not checks.is_name(video):
        return None
    try:
        facts = decode_facts(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    named = facts.visibility in VISIBILITIES and facts.status in VIDEO_STATUSES
    return facts if named and kernel.are_plain(facts) else None


def arrive_account(where: Where, record: Record) -> AccountState | Rejected | None:
    """`arrive` for topic `accounts`; None: back to the defaults."""
    found = arrive(where, record)
    return None if found is None else _expect(AccountState, found)


def _expect(kind: type[_T], found: object) -> _T | Rejected:
    if isinstance(found, (kind, Rejected)):
        return found
    raise TypeError(f"expected {kind.__name__}, got {type(found).__name__}: wrong topic")


def _arrive(where: Where, record: Record) -> Any | Wrong:
    source = _SOURCES[where.topic]
    key, value = record.key, record.value
    if value is None and not source.tombstones:
        return Reason.NO_VALUE, "value is empty: send the event as JSON"
    if value is not None and len(value) > checks.VALUE_BYTES:
        return Reason.TOO_LARGE, f"value has {len(value)} bytes: send at most {checks.VALUE_BYTES}"
    if key is None:
        return Reason.NO_KEY, f"key is empty: send the {source.key} as key"
    event = None if value is None else _decoded(source.decode, value)
    if isinstance(event, tuple):
        return event
    return _wrong_key(source, where, key, event) or next(_wrong_values(source, event), None) or event


def _decoded(decode: Callable[[bytes], Any], value: bytes) -> Any | Wrong:
    try:
        return decode(value)
    except msgspec.ValidationError as error:
        missing = "missing required field" in str(error)
        return (Reason.MISSING_FIELD if missing else Reason.WRONG_TYPE), f"{error}: see the JSON schema"
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Reason.MALFORMED_JSON, f"value is not JSON ({error}): {checks.shown(value)}"


def _wrong_key(source: "_Source", where: Where, key: bytes, event: Any) -> Wrong | None:
    """The key names its user or video, and lies in the partition that Kafka's default partitioner gives it."""
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return Reason.KEY_MISMATCH, f"key {checks.shown(key)} is not UTF-8: send the {source.key} as key"
    if source.keyed and event.user != name:
        return Reason.KEY_MISMATCH, f"key {checks.shown(name)} is not user {checks.shown(event.user)}: key by user"
    right = partition_of(key, where.partitions)
    if right != where.partition:
        remedy = "use Kafka's default partitioner (librdkafka: partitioner=murmur2_random)"
        return Reason.WRONG_PARTITION, f"key {checks.shown(name)} belongs to partition {right}: {remedy}"
    if not source.keyed and not checks.is_name(name):
        return _named(source.key_reason, "key", name, _NAME)
    return None


def _wrong_values(source: "_Source", event: Any) -> Iterator[Wrong]:
    if event is None:
        return
    for field, reason, good, remedy in source.rules:
        value = getattr(event, field)
        if value is not None and not good(value):
            yield _named(reason, field, value, remedy)


def _named(reason: Reason, field: str, value: object, remedy: str) -> Wrong:
    return reason, f"{field} {checks.shown(value)}: {remedy}"


def _label(value: str) -> bool:
    return checks.is_name(value, checks.LABEL_CHARS)


def _among(field: str, reason: Reason, values: tuple[str, ...]) -> "_Rule":
    return field, reason, values.__contains__, "one of " + ", ".join(values)


def _trust(value: float) -> bool:
    return 0 <= value <= 1


_Rule = tuple[str, Reason, Callable[[Any], bool], str]


class _Source(NamedTuple):
    decode: Callable[[bytes], Any]
    rules: tuple[_Rule, ...]
    key: str = "user"
    key_reason: Reason = Reason.BAD_USER
    keyed: bool = True
    tombstones: bool = False


_REGIONAL: _Rule = ("region", Reason.BAD_REGION, checks.is_region, _REGION)
_COMMON: tuple[_Rule, ...] = (
    ("id", Reason.BAD_ID, checks.is_name, _NAME),
    ("user", Reason.BAD_USER, checks.is_name, _NAME),
    ("video", Reason.BAD_VIDEO, checks.is_name, _NAME),
    ("at_ms", Reason.BAD_TIME, checks.is_time, _TIME),
)
_LENGTH: _Rule = ("duration_ms", Reason.BAD_DURATION, checks.is_duration, _DURATION)

_SOURCES = {
    "views": _Source(
        decode_view,
        (
            *_COMMON,
            ("watch_ms", Reason.BAD_WATCH_TIME, checks.is_watch, _WATCH),
            _LENGTH,
            _REGIONAL,
            ("surface", Reason.BAD_SURFACE, _label, _LABEL),
            ("session", Reason.BAD_SESSION, checks.is_name, _NAME),
        ),
    ),
    "likes": _Source(
        decode_like,
        (*_COMMON, _among("op", Reason.BAD_OP, LIKE_OPS), _REGIONAL),
    ),
    "shares": _Source(
        decode_share,
        (
            *_COMMON,
            _among("op", Reason.BAD_OP, SHARE_OPS),
            ("channel", Reason.BAD_CHANNEL, _label, _LABEL),
            _REGIONAL,
        ),
    ),
    "feedback": _Source(
        msgspec.json.Decoder(Feedback).decode,
        (*_COMMON, ("kind", Reason.BAD_KIND, _label, _LABEL)),
    ),
    "videos": _Source(
        decode_facts,
        (
            ("published_ms", Reason.BAD_TIME, checks.is_time, _TIME),
            _LENGTH,
            ("creator", Reason.BAD_CREATOR, checks.is_name, _NAME),
            ("sound", Reason.BAD_SOUND, checks.is_name, _NAME),
            ("tags", Reason.BAD_TAGS, checks.is_tags, f"at most {checks.TAGS_AT_MOST}, all different; {_NAME}"),
            ("category", Reason.BAD_CATEGORY, checks.is_name, _NAME),
            ("language", Reason.BAD_LANGUAGE, _label, _LABEL),
            _among("visibility", Reason.BAD_VISIBILITY, VISIBILITIES),
            _among("status", Reason.BAD_STATUS, VIDEO_STATUSES),
        ),
        key="video",
        key_reason=Reason.BAD_VIDEO,
        keyed=False,
        tombstones=True,
    ),
    "accounts": _Source(
        msgspec.json.Decoder(AccountState).decode,
        (
            _REGIONAL,
            _among("status", Reason.BAD_STATUS, ACCOUNT_STATUSES),
            _among("age_band", Reason.BAD_AGE_BAND, AGE_BANDS),
            ("trust", Reason.BAD_TRUST, _trust, "give a number from 0 to 1"),
        ),
        keyed=False,
        tombstones=True,
    ),
}
