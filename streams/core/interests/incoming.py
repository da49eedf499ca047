"""Records into columns: by the compiled kernel, else in bulk, else (around whatever is unusual) one by one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core import checks
from streams.core.compiled import compiled
from streams.core.interests.state import State
from streams.core.interests.topics import Ints, Mask
from streams.core.keys import event_hash
from streams.core.ports import Columns, Record, Rejected

FEW = 64
"""So many records are looked at one by one if the check of their columns fails; more are halved first."""
HEX = b"0123456789abcdef"
ZERO_ID = event_hash("0" * 16)

Ids = NDArray[np.uint64]
_T = TypeVar("_T")
_Columns = TypeVar("_Columns", bound=tuple[Any, ...])
_Made_co = TypeVar("_Made_co", bound=tuple[Any, ...], covariant=True)


class Incoming(NamedTuple):
    """Records, and their keys, values and arrivals as columns."""

    records: Sequence[Record]
    keys: list[bytes | None]
    values: list[bytes | None]
    arrival_ms: Ints

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Incoming":
        if hasattr(records, "timestamps"):
            columns = cast("Columns", records)
            return cls(records, columns.keys, columns.values, columns.timestamps)
        arrival_ms = np.array([record.timestamp for record in records], np.int64)
        return cls(records, [record.key for record in records], [record.value for record in records], arrival_ms)

    def at(self, places: Sequence[int]) -> "Incoming":
        """The records at these places."""
        keys, values = [self.keys[i] for i in places], [self.values[i] for i in places]
        return Incoming([self.records[i] for i in places], keys, values, self.arrival_ms[places])


class Decoded(NamedTuple):
    """Keys and arrivals of records, and their events, field by field in the order of the struct."""

    keys: Sequence[bytes]
    arrival_ms: Ints
    fields: Sequence[Sequence[Any]]


class Reader(Protocol[_Made_co]):
    """How the records of one topic become columns: a tuple of arrays and lists, one entry for each record."""

    def blank(self, count: int) -> _Made_co: ...
    def parse(self, kernel: Any, incoming: Incoming, state: State) -> tuple[_Made_co, Mask]:
        """What the compiled kernel understands, and which records those are."""
        ...

    def check(self, decoded: Decoded, state: State) -> _Made_co | None:
        """None if a check fails somewhere."""
        ...

    def decode(self, value: bytes) -> Any: ...
    def arrive(self, record: Record, state: State) -> Any: ...


def read(reader: Reader[_Columns], records: Sequence[Record], state: State) -> _Columns:
    """The good records as columns, in log order; the others are set aside."""
    incoming, kernel = Incoming.of(records), compiled("parse")
    if kernel is None:
        columns, good = reader.blank(len(records)), np.zeros(len(records), np.bool_)
    else:
        columns, good = reader.parse(kernel, incoming, state)
    if good.all():
        return columns
    for places, found in _plain(reader, incoming, np.flatnonzero(~good), state):
        good[places] = True
        for column, values in zip(columns, found, strict=True):
            _put(column, places, values)
    return columns if good.all() else _kept(columns, good)


def kernel_columns(
    kernel: Any, incoming: Incoming, state: State, good: NDArray[np.uint8], columns: Sequence[Any]
) -> Any:
    """The columns that all kinds have (slots, ids, contents, regions, times) as the kernel takes them."""
    videos, regions = state.contents, state.regions
    tables = compiled("counters")
    known_names = state.users.table(tables), videos.table(tables), regions.by_key
    names = kernel.Names(*known_names, videos.slot_of_key, regions.number_of_key, hash_of)
    return kernel.Columns(names, incoming.keys, incoming.values, good, *columns)


def known(incoming: Incoming, good: NDArray[np.uint8], slots: Ints, regions: Ints, state: State) -> Mask:
    """Which records were understood, after what the kernel does not know (-1): new users, and that no region is one."""
    found = good.view(np.bool_)
    unmet = np.flatnonzero(found & (slots < 0))
    if len(unmet):
        slots[unmet] = state.slots_of([incoming.keys[i] or b"" for i in unmet.tolist()])
        found[unmet] = slots[unmet] >= 0
    state.use(slots if found.all() else slots[found])
    absent = found & (regions < 0)
    if absent.any():
        regions[absent] = state.regions[None]
    return found


def bulk(incoming: Incoming, decode: Callable[[bytes], Any]) -> Decoded | None:
    """At least one record; None if one has no key or cannot be decoded."""
    keys: list[Any] = incoming.keys
    values: list[Any] = incoming.values
    if None in keys or None in values or max(map(len, values)) > checks.VALUE_BYTES:
        return None
    try:
        events = list(map(decode, values))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return Decoded(keys, incoming.arrival_ms, _fields(events))


def parts(records: Sequence[Record], most: int) -> Iterator[Sequence[Record]]:
    """Batches of at most `most` records, none empty."""
    for at in range(0, len(records), most):
        yield records[at : at + most]


def _plain(reader: Reader[_Columns], incoming: Incoming, places: Ints, state: State) -> Iterator[tuple[Ints, _Columns]]:
    """Places of good records and their columns. Only the neighbours of a bad record are looked at one by one."""
    some = incoming.at(places.tolist())
    decoded = bulk(some, reader.decode)
    columns = decoded and reader.check(decoded, state)
    if columns is not None:
        yield places, columns
    elif len(places) > FEW:
        half = len(places) // 2
        yield from _plain(reader, incoming, places[:half], state)
        yield from _plain(reader, incoming, places[half:], state)
    else:
        yield from _one_by_one(reader, some, places, state)


def _one_by_one(
    reader: Reader[_Columns], incoming: Incoming, places: Ints, state: State
) -> Iterator[tuple[Ints, _Columns]]:
    good, events = [], []
    for i, record in enumerate(incoming.records):
        event = reader.arrive(record, state)
        if isinstance(event, Rejected):
            state.rejected.append(event)
        else:
            good.append(i)
            events.append(event)
    if not good:
        return
    keys = [incoming.keys[i] or b"" for i in good]
    columns = reader.check(Decoded(keys, incoming.arrival_ms[good], _fields(events)), state)
    if columns is None:
        raise AssertionError("a record passed core.arrival but not the checks of columns: make these the same")
    yield places[good], columns


def _fields(events: Sequence[Any]) -> list[list[Any]]:
    # Field by field: a tuple for each event would be one more object for the garbage collector to visit.
    return [list(map(attrgetter(name), events)) for name in type(events[0]).__struct_fields__]


def _put(column: Any, places: Ints, values: Any) -> None:
    if isinstance(column, list):
        for place, value in zip(places.tolist(), values, strict=True):
            column[place] = value
    else:
        column[places] = values


def _kept(columns: _Columns, good: Mask) -> _Columns:
    chosen = good.tolist()
    kept = (list(compress(column, chosen)) if isinstance(column, list) else column[good] for column in columns)
    return type(columns)(*kept)


def hash_of(event_id: bytes) -> int:
    """`event_hash`; 0 if the id is no name."""
    return event_hash(event_id.decode()) if checks.is_name_key(event_id) else 0


def are_users(keys: Sequence[bytes], users: Sequence[str]) -> bool:
    """Whether each key is its user. The keys hold no NUL, so the joined names have one way to be cut."""
    return "\x00".join(users).encode() == b"\x00".join(keys)


def are_labels(values: Iterable[str]) -> bool:
    """`checks.is_name` of a few different short ones."""
    return all(checks.is_name(value, checks.LABEL_CHARS) for value in values)


def present(values: Sequence[_T | None]) -> list[_T]:
    """Without None."""
    return [value for value in values if value is not None]


def ids_of(ids: Sequence[str]) -> Ids | None:
    """`event_hash` of all; None if one is no name."""
    joined = "".join(ids)
    if set(map(len, ids)) == {16} and joined.isascii() and not joined.encode().translate(None, HEX):
        hashes = np.frombuffer(bytes.fromhex(joined), ">u8").astype(np.uint64)
        hashes[hashes == 0] = ZERO_ID
        return hashes
    return np.array(list(map(event_hash, ids)), np.uint64) if checks.are_names(ids) else None


def times_of(at_ms: Sequence[int]) -> Ints | None:
    """A column; None if one is no time."""
    return _within(at_ms, 0, checks.MOST_MS - 1)


def watches_of(watch_ms: Sequence[int]) -> Ints | None:
    """A column; None if one is no watch time."""
    return _within(watch_ms, 0, checks.MOST_WATCH_MS)


def durations_of(duration_ms: Sequence[int | None]) -> Ints | None:
    """A column, 0: absent; None if one that is there is no duration."""
    if None not in duration_ms:
        return _within(duration_ms, 1, checks.MOST_WATCH_MS)
    if _within(present(duration_ms), 1, checks.MOST_WATCH_MS) is None:
        return None
    return np.array([0 if value is None else value for value in duration_ms], np.int64)


def _within(values: Sequence[Any], least: int, most: int) -> Ints | None:
    try:
        column = np.array(values, np.int64)
    except OverflowError:
        return None
    good = least <= column.min(initial=least) and column.max(initial=least) <= most
    return column if good else None
