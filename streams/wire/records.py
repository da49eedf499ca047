"""Fetched records as columns: one list of keys, one of values; an object for a record is made only when asked for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

Header = tuple[str, bytes | None]
_NO_HEADERS: dict[int, Sequence[Header]] = {}
_NONE = np.zeros(0, np.int64)


class Record(NamedTuple):
    """One record. `timestamp` in milliseconds: what the producer said, or the append time if the topic says so."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp: int
    headers: Sequence[Header] = ()


class Records(Sequence[Record]):
    """Records of one partition in log order. Columns must not be changed; a slice costs 2 ns a record."""

    __slots__ = ("_headers", "keys", "offsets", "timestamps", "values")

    def __init__(
        self,
        keys: list[bytes | None],
        values: list[bytes | None],
        offsets: NDArray[np.int64],
        timestamps: NDArray[np.int64],
        headers: Mapping[int, Sequence[Header]] = _NO_HEADERS,
    ) -> None:
        """All of one length. `headers` by offset, of those records that have any."""
        self.keys, self.values = keys, values
        self.offsets, self.timestamps = offsets, timestamps
        self._headers = headers

    @classmethod
    def of(cls, records: Sequence[Any]) -> "Records":
        """Columns of record objects."""
        return cls(
            [record.key for record in records],
            [record.value for record in records],
            np.array([record.offset for record in records], np.int64),
            np.array([record.timestamp for record in records], np.int64),
            {record.offset: tuple(record.headers) for record in records if record.headers},
        )

    @classmethod
    def joined(cls, parts: "Sequence[Records]") -> "Records":
        """One after another."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return EMPTY
        headers = {offset: found for part in parts for offset, found in part._headers.items()}
        return cls(
            [key for part in parts for key in part.keys],
            [value for part in parts for value in part.values],
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.timestamps for part in parts]),
            headers or _NO_HEADERS,
        )

    def since(self, offset: int) -> "Records":
        """Those at and after this offset."""
        return self[int(np.searchsorted(self.offsets, offset)) :]

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> "Records": ...
    def __getitem__(self, at: int | slice) -> "Record | Records":
        if isinstance(at, slice):
            return Records(self.keys[at], self.values[at], self.offsets[at], self.timestamps[at], self._headers)
        offset = int(self.offsets[at])
        return Record(self.keys[at], self.values[at], offset, int(self.timestamps[at]), self._headers.get(offset, ()))

    def __iter__(self) -> Iterator[Record]:
        offsets = self.offsets.tolist()
        columns = self.keys, self.values, offsets, self.timestamps.tolist()
        if not self._headers:
            return map(Record, *columns)
        return map(Record, *columns, [self._headers.get(offset, ()) for offset in offsets])


EMPTY = Records([], [], _NONE, _NONE)
