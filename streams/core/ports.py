"""What the folds need from the outside, and what they hand back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streams.core.events import VideoFacts
from streams.core.reasons import Reason


class Record(Protocol):
    """One Kafka record as consumed. `timestamp` is its arrival in milliseconds."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


class Columns(Protocol):
    """What a sequence of records may have as well: keys, values and arrivals as columns, not to be changed.

    Those that have `timestamps` have all three.
    """

    @property
    def keys(self) -> list[bytes | None]: ...
    @property
    def values(self) -> list[bytes | None]: ...
    @property
    def timestamps(self) -> NDArray[np.int64]: ...


class RowReader(Protocol):
    """Rows of one partition that are not in the fold's memory: last collected image, else the local copy."""

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]: ...
    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]: ...


class Catalogue(Protocol):
    """Facts of all videos, caught up before the first event is folded."""

    def get(self, video: str) -> VideoFacts | None:
        """The facts last seen (also of removed videos); None if the video is unknown."""
        ...

    def changed(self, video: str) -> bool:
        """Whether the topics of this video were seen to change, so that what was folded before may differ."""
        ...

    def known_since(self, cursor: int) -> tuple[int, Sequence[str]]:
        """Videos that became known after `cursor` -> (new cursor, videos). Start with 0."""
        ...

    def news_since(self, cursor: int) -> tuple[int, Sequence[str] | None]:
        """Videos of which `get` or `changed` may answer otherwise since `cursor` -> (new cursor, videos).

        Start with 0. None: that is too long ago to tell, it may be any.
        """
        ...


def is_empty(reader: RowReader, table: str) -> bool:
    """Whether a table has no row, so that none need be looked for as long as its stage forgets none."""
    return next((key for key, _ in reader.scan(table) if not key.startswith(b"\x00")), None) is None


class Rejected(NamedTuple):
    """A record that cannot be used. `detail` names the field, the value and the remedy."""

    topic: str
    record: Record
    reason: Reason
    detail: str


class Send(NamedTuple):
    """One record to write inside the unit's transaction."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Output:
    """What one flush of one stage writes. `rows`: table -> (keys, values); a value None deletes the row."""

    rows: dict[str, tuple[list[bytes], list[bytes | None]]] = field(default_factory=dict)
    sends: list[Send] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    folded: dict[str, dict[int, int]] = field(default_factory=dict)
    """topic -> {origin partition: last flush number folded in}: only for tally topics."""


class Fold(Protocol):
    """One stage of one partition: state in columns, fed with records, emptied at each flush."""

    def fold(self, topic: str, records: Sequence[Record]) -> None: ...
    def collect(self, flush: int) -> Output: ...
    def has_work(self) -> bool:
        """Whether `collect` would write something although no record was folded (parked shares, charts)."""
        ...

    def resident(self) -> int:
        """Rows held in memory."""
        ...

    def pinned(self) -> int:
        """Of these, rows that are kept whatever `evict` is asked for."""
        ...

    def evict(self, rows: int) -> int:
        """Forget up to `rows` of the least recently used clean rows; -> how many were forgotten."""
        ...
