"""Tallies as they come in: cells by slot of their row."""

from collections.abc import Callable
from typing import NamedTuple

from streams.core import tallies
from streams.core.compiled import compiled
from streams.core.counters.arrays import NONE, Ints
from streams.core.counters.store import Counters
from streams.core.tallies import Tally


class Arrived(NamedTuple):
    """A tally whose names have become slots: each owns the next `per_slot[i]` cells."""

    origin: int
    flush: int
    watermark_ms: int
    slots: Ints
    per_slot: Ints
    codes: Ints
    counts: Ints


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
        return Arrived(
            message.origin, message.flush, message.watermark_ms, slots, message.per_name, message.codes, message.counts
        )
    tally = tallies.unpack(value)
    names = row_names(tally)
    slots = counters.slots(names) if names else NONE
    return Arrived(tally.origin, tally.flush, tally.watermark_ms, slots, tally.per_name, tally.codes, tally.counts)
