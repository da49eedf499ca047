"""Tallies as they come in: cells by slot of their row."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from streams.core import tallies
from streams.core.compiled import compiled
from streams.core.counters.arrays import NONE, Ints
from streams.core.counters.store import Counters
from streams.core.ports import Output, Record, Rejected
from streams.core.reasons import Reason
from streams.core.tallies import Tally

CELLS_AT_ONCE = 1 << 13
"""Tallies are joined until they have so many cells: then what each call costs no longer matters."""


class Received(NamedTuple):
    """Cells by slot: each owns the next `per_slot[i]` of them. A slot may come again."""

    slots: Ints
    per_slot: Ints
    codes: Ints
    counts: Ints


class Arrived(NamedTuple):
    """A tally whose names have become slots."""

    origin: int
    flush: int
    watermark_ms: int
    cells: Received


class Incoming:
    """What a stage keeps of the tallies of its topic: the newest watermark, how far it has folded, what it refused."""

    def __init__(self, topic: str, watermark_ms: int) -> None:
        self.watermark_ms = watermark_ms
        self.rejected: list[Rejected] = []
        self._topic = topic
        self._folded: dict[int, int] = {}

    def cells(
        self,
        records: Sequence[Record],
        counters: Counters,
        row_names: Callable[[Tally], list[bytes]],
        letters: bytes | None = None,
    ) -> Iterator[Received]:
        """Of the tallies in these records, in order. `row_names` and `letters`: see `arrive`."""
        for record in records:
            try:
                tally = arrive(counters, record.value or b"", row_names, letters)
            except ValueError as error:
                self.rejected.append(Rejected(self._topic, record, Reason.BAD_TALLY, str(error)))
                continue
            self._folded[tally.origin] = max(tally.flush, self._folded.get(tally.origin, 0))
            self.watermark_ms = max(self.watermark_ms, tally.watermark_ms)
            yield tally.cells

    def output(self) -> Output:
        """What was refused and folded since the last call, in an output that holds nothing else yet."""
        output = Output(rejected=self.rejected, folded={self._topic: self._folded} if self._folded else {})
        self.rejected, self._folded = [], {}
        return output


def arrive(
    counters: Counters, value: bytes, row_names: Callable[[Tally], list[bytes]], letters: bytes | None = None
) -> Arrived:
    """The tally in a message. ValueError with the reason if it is not one.

    `row_names`: the rows for which the names of a tally stand, or ValueError. The kernel knows by itself what it says
    of names of entities, which begin with one of `letters`.
    """
    kernel = compiled("counters_tally")
    message = None if kernel is None else kernel.read(value, letters)
    slots = None if message is None else counters.find(message)
    if message is not None and slots is not None:
        cells = Received(slots, message.per_name, message.codes, message.counts)
        return Arrived(message.origin, message.flush, message.watermark_ms, cells)
    tally = tallies.unpack(value)
    names = row_names(tally)
    slots = counters.slots(names) if names else NONE
    cells = Received(slots, tally.per_name, tally.codes, tally.counts)
    return Arrived(tally.origin, tally.flush, tally.watermark_ms, cells)


def merged(parts: Iterable[Received]) -> Iterator[Received]:
    """The same cells in the same order, in fewer parts: small ones are put together."""
    waiting: list[Received] = []
    cells = 0
    for part in parts:
        if len(part.slots):
            waiting.append(part)
            cells += len(part.codes)
        if cells >= CELLS_AT_ONCE:
            yield _one(waiting)
            waiting, cells = [], 0
    if waiting:
        yield _one(waiting)


def _one(parts: list[Received]) -> Received:
    return parts[0] if len(parts) == 1 else Received(*map(np.concatenate, zip(*parts, strict=True)))
