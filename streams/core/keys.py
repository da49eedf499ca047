"""Keys of rows and the partition each belongs to. Names hold no NUL (checked on arrival), so NUL separates."""

import struct
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.compiled import compiled

_Words = NDArray[np.uint32]
_M = np.uint32(0x5BD1E995)
"""Multiplier of murmur2."""

IDENTITY = b"\x00identity"
"""Key of the record that says what a table partition means; readers skip keys that start with NUL."""


class Kind(StrEnum):
    """Kinds of entity; the value is the public name, `letter` the first byte of its key."""

    VIDEO = "video"
    TAG = "tag"
    SOUND = "sound"
    CREATOR = "creator"
    CATEGORY = "category"
    REGION = "region"

    @property
    def letter(self) -> str:
        return _LETTERS[self]


_LETTERS = {
    Kind.VIDEO: "v", Kind.TAG: "t", Kind.SOUND: "s",
    Kind.CREATOR: "c", Kind.CATEGORY: "g", Kind.REGION: "r",
}  # fmt: skip
KIND_OF_LETTER = {letter: kind for kind, letter in _LETTERS.items()}


class Entity(NamedTuple):
    """(kind, id, scope): scope is a region or `*`. Entities of kind region have scope `*` only."""

    kind: Kind
    id: str
    scope: str


def pair_key(user: str, video: str) -> bytes:
    """Key of a row in `pairs` and `parked`."""
    return f"{user}\x00{video}".encode()


def video_row_key(video: str, region: str) -> bytes:
    """Key of a row in `videos-table`; region `""` is the row of the facts applied."""
    return f"{video}\x00{region}".encode()


def split_key(key: bytes) -> tuple[str, str]:
    """The two names of a `pairs`, `parked` or `videos-table` key."""
    first, second = key.decode().split("\x00")
    return first, second


def entity_name(kind: Kind, entity_id: str) -> str:
    """Name that decides an entity's partition: all scopes of an entity live together."""
    return kind.letter + entity_id


def entity_key(kind: Kind, entity_id: str, scope: str) -> bytes:
    """Key of a row in `trends`."""
    return f"{kind.letter}{entity_id}\x00{scope}".encode()


def parse_entity_key(key: bytes) -> Entity:
    """The entity of a `trends` key."""
    name, scope = split_key(key)
    return Entity(KIND_OF_LETTER[name[0]], name[1:], scope)


@lru_cache(maxsize=1 << 16)
def topic_hash(kind: str, name: str) -> int:
    """Stable 32-bit hash of an interest topic; kind is tag, sound, creator, category or language."""
    return int.from_bytes(blake2b(f"{kind}:{name}".encode(), digest_size=4).digest(), "little")


def seen_hash(video: str) -> int:
    """Stable 32-bit hash of a video in a user's list of last seen ones."""
    return int.from_bytes(blake2b(f"seen:{video}".encode(), digest_size=4).digest(), "little")


def event_hash(event_id: str) -> int:
    """64-bit form of an event id: 16 lower-case hex digits are taken as they are; 0 is never returned."""
    if len(event_id) == 16 and not event_id.strip("0123456789abcdef"):
        return int(event_id, 16) or 0x9E3779B97F4A7C15
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "big") or 0x9E3779B97F4A7C15


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2, as the Java client's `Utils.murmur2`, as an unsigned number."""
    length = len(data)
    h = 0x9747B28C ^ length
    for word in struct.unpack_from(f"<{length >> 2}I", data):
        k = word * 0x5BD1E995 & 0xFFFFFFFF
        h = (h * 0x5BD1E995 & 0xFFFFFFFF) ^ ((k ^ k >> 24) * 0x5BD1E995 & 0xFFFFFFFF)
    if length & 3:
        h = (h ^ int.from_bytes(data[length & ~3 :], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return h ^ h >> 15


def murmur2_many(keys: Sequence[bytes]) -> _Words:
    """`murmur2` of each key. Without the kernel all are laid out as long as the longest: meant for names."""
    kernel = compiled("hashes")
    if kernel is not None:
        hashes: _Words = kernel.murmur2_many(keys)
        return hashes
    length = np.fromiter(map(len, keys), np.uint32, len(keys))
    width = int(length.max(initial=0)) // 4 + 1
    # A word of zeros, or the rest of a key filled up with zeros, follows the whole words of each.
    words: _Words = np.array(keys, f"S{4 * width}").view("<u4").reshape(len(keys), width)
    whole, rest = length >> 2, length & 3
    h: _Words = length ^ np.uint32(0x9747B28C)
    for i in range(width):
        k = words[:, i] * _M
        h = np.where(i < whole, (h * _M) ^ ((k ^ k >> 24) * _M), h)
    h = np.where(rest > 0, (h ^ words[np.arange(len(keys)), whole]) * _M, h)
    h = (h ^ h >> np.uint32(13)) * _M
    return h ^ h >> np.uint32(15)


@lru_cache(maxsize=1 << 20)
def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key by Kafka's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(keys: Sequence[bytes], partitions: int) -> NDArray[np.int64]:
    """`partition_of` of each key."""
    return (murmur2_many(keys) & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
