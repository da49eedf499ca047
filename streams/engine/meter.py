"""Where the engine reports numbers. The process wires it to the metrics registry; tests count."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

SAMPLED_TIMES = 8
SAMPLED_KEYS = 64


class Taken(NamedTuple):
    """A slice of a batch that was folded. `times_ms`: arrival of some of its records, evenly spaced."""

    topic: str
    records: int
    folded_ms: int
    times_ms: list[int]
    """Up to 8; of all records if there are no more."""
    keys: list[bytes | None]
    """Keys of the records whose offset is a multiple of 64."""


class Flushed(NamedTuple):
    """What one commit held."""

    taken: Sequence[Taken]
    rejected: Counter[tuple[str, str]]
    """By (topic, reason)."""
    rows: Mapping[str, int]
    """By table."""
    row_bytes: Mapping[str, int]
    """Record batches of these rows before compression, by table."""
    message_bytes: int
    """Record batches of everything else, the commit record too."""
    told: Mapping[str, int]
    """What the stages counted meanwhile, by their own names."""

    @property
    def events(self) -> int:
        return sum(taken.records for taken in self.taken)


class Meter(Protocol):
    """Sink of engine measurements; labels are bounded (topics, tables, fixed names)."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, value: float, **labels: str) -> None: ...
    def committed(self, number: int, flushed: Flushed, seconds: float) -> None:
        """A unit made a flush durable; it took `seconds`."""
        ...


class NoMeter:
    """Measures nothing."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        del name, amount, labels

    def gauge(self, name: str, value: float, **labels: str) -> None:
        del name, value, labels

    def observe(self, name: str, value: float, **labels: str) -> None:
        del name, value, labels

    def committed(self, number: int, flushed: Flushed, seconds: float) -> None:
        del number, flushed, seconds


def take(topic: str, records: Sequence[Any]) -> Taken:
    """Note what is about to be committed, at a cost that does not grow with the number of records (1 or more)."""
    step = -(-len(records) // SAMPLED_TIMES)
    first = -records[0].offset % SAMPLED_KEYS
    keys = [record.key for record in records[first::SAMPLED_KEYS]] if first < len(records) else []
    times_ms = [record.timestamp for record in records[::step]]
    return Taken(topic, len(records), time.time_ns() // 1_000_000, times_ms, keys)


def arrived(taken: Iterable[Taken]) -> dict[str, tuple[int, int, int]]:
    """By topic: arrival of the oldest and of the newest record, and how many there are."""
    found: dict[str, tuple[int, int, int]] = {}
    for topic, records, _, times_ms, _ in taken:
        oldest, newest, before = found.get(topic, (times_ms[0], times_ms[0], 0))
        found[topic] = min(oldest, *times_ms), max(newest, *times_ms), before + records
    return found
