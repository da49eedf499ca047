"""Table topics: the latest value of each key, decoded."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from streams.core.keys import parse_entity_key, partition_of, split_key
from streams.tools.audit.log import Entry
from streams.tools.audit.verdict import Difference, Verdict

Row = TypeVar("Row")
Images = dict[bytes, bytes]


def latest(entries: Iterable[Entry]) -> Images:
    """Latest value by key; deleted rows and identity records (keys that start with NUL) are left out."""
    rows: Images = {}
    for entry in entries:
        if entry.key is None or entry.key.startswith(b"\x00"):
            continue
        if entry.value is None:
            rows.pop(entry.key, None)
        else:
            rows[entry.key] = entry.value
    return rows


def owner(table: str, key: bytes) -> bytes:
    """The name that decides a row's partition. ValueError if the key is not one of this table."""
    if table == "interests":
        return key
    if table == "trends":
        parse_entity_key(key)
    return split_key(key)[0].encode()


def take_strays(verdict: Verdict, table: str, images: Images, partition: int, partitions: int) -> None:
    """Remove rows that do not belong to this partition: each is a wrong row."""
    for key in list(images):
        try:
            right = partition_of(owner(table, key), partitions)
        except (ValueError, KeyError, IndexError) as error:
            verdict.row(table, key, [Difference("key", "a key of this table", repr(error))])
            del images[key]
            continue
        if right != partition:
            verdict.row(table, key, [Difference("partition", right, partition)])
            del images[key]


def decoded(verdict: Verdict, table: str, key: bytes, value: bytes, decode: Callable[[bytes], Row]) -> Row | None:
    """The row, or None after counting it as wrong."""
    try:
        return decode(value)
    except Exception as error:  # noqa: BLE001 - any way in which foreign bytes fail to be a row is the finding
        verdict.row(table, key, [Difference("value", "a row that can be decoded", repr(error))])
        return None
