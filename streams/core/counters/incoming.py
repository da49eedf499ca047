"""Tallies as they come in: cells by slot of their row."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from streams.core import tallies
from streams.core.compiled import compiled
from streams.core.counters.arrays import NONE, Ints
from streams.core.counters.store import Counters
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
