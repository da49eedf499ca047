"""Counter rows in bulk: columns to bytes and back, the same bytes as `core.rows.CounterRow` writes one by one.

A column of unaligned numbers is written in one step through a view of the buffer whose stride is one byte.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.counters.arrays import Ints, greatest, most, owners
from streams.core.counters.cells import Ragged
from streams.core.rows import COUNTER_HEADER, ROW_VERSION, CounterRow

_HEAD = np.dtype([(name, kind) for name, kind in zip("vwmahbMH", ("u1", "u1", "u1", "u1", "<u2", "<u2", "<u4", "<u4"),
                                                     strict=True)])  # fmt: skip
_WHOLE_HEAD = np.dtype(f"V{_HEAD.itemsize}")
"""Moved as a whole, heads take a tenth of the time."""
_TYPES: list[np.dtype[Any]] = [np.dtype(t) for t in ("u1", "<u2", "<u4", "<u8")]
_BYTES = np.array([t.itemsize for t in _TYPES], np.int64)
_PAD = 16
_VERSION = bytes([ROW_VERSION])
_Items = Ints | slice


class Rows(NamedTuple):
    """Decoded counter rows. `totals` are (rows, 3)."""

    totals: Ints
    top_minute: Ints
    top_hour: Ints
    minutes: Ragged
    hours: Ragged


class _Layout(NamedTuple):
    """Where the parts of each row begin in the buffer."""

    wide: Ints
    narrow: Ints
    start: Ints
    minute_ages: Ints
    hour_ages: Ints
    minute_counts: Ints
    hour_counts: Ints
    end: Ints


def _layout(wide: Ints, narrow: Ints, minutes: Ints, hours: Ints) -> _Layout:
    head = COUNTER_HEADER.size + 3 * _BYTES[wide]
    cell = 3 * _BYTES[narrow]
    end = np.cumsum(head + minutes + 2 * hours + (minutes + hours) * cell)
    start = np.concatenate(([0], end[:-1])).astype(np.int64)
    ages = start + head
    counts = ages + minutes + 2 * hours
    return _Layout(wide, narrow, start, ages, ages + minutes, counts, counts + minutes * cell, end)


def _view(buffer: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.ndarray((len(buffer) - _PAD + 1,), dtype, buffer.data, strides=(1,))


def _width(counts: Ints) -> Ints:
    return (counts > 0xFF).astype(np.int64) + (counts > 0xFFFF) + (counts > 0xFFFFFFFF)


def encode(rows: Rows) -> list[bytes]:
    """The rows' bytes."""
    if not len(rows.totals):
        return []
    m, h = rows.minutes.per, rows.hours.per
    narrow = np.maximum(*(greatest(cells.per, most(cells.counts)) for cells in (rows.minutes, rows.hours)))
    at = _layout(_width(most(rows.totals)), _width(narrow), m, h)
    buffer = np.zeros(int(at.end[-1]) + _PAD, np.uint8)
    head = np.zeros(len(m), _HEAD)
    head["v"], head["w"], head["m"], head["h"] = ROW_VERSION, at.wide << 4 | at.narrow, m, h
    head["M"], head["H"] = rows.top_minute, rows.top_hour
    _view(buffer, _WHOLE_HEAD)[at.start] = head.view(_WHOLE_HEAD)
    for dtype, of, column, place in _totals_at(at):
        _view(buffer, dtype)[place] = rows.totals[of, column]
    for cells, top, ages, counts, age_type in _groups(rows, at):
        own, rank = owners(cells.per)
        _view(buffer, age_type)[ages[own] + rank * age_type.itemsize] = top[own] - cells.panes
        for dtype, of, column, place in _counts_at(at.narrow[own], counts[own], rank, cells.per[own]):
            _view(buffer, dtype)[place] = cells.counts[of, column]
    return list(map(BytesIO(buffer.data).read, (at.end - at.start).tolist()))


def decode(values: Sequence[bytes]) -> Rows:
    """Columns of rows' bytes; RowVersionError or ValueError if one is not a counter row."""
    size = np.fromiter(map(len, map(checked, values)), np.int64, len(values))
    start = np.cumsum(size) - size
    buffer = np.frombuffer(b"".join(values) + bytes(_PAD), np.uint8)
    head = _view(buffer, _WHOLE_HEAD)[start].view(_HEAD)
    m, h, widths = head["m"].astype(np.int64), head["h"].astype(np.int64), head["w"].astype(np.int64)
    if (widths & 0xCC).any():
        raise ValueError("counter row with unknown column widths")
    at = _layout(widths >> 4, widths & 15, m, h)
    if not np.array_equal(at.end - at.start, size):
        raise ValueError("counter row whose length does not fit its header")
    rows = Rows(
        np.zeros((len(m), 3), np.int64), head["M"].astype(np.int64), head["H"].astype(np.int64),
        *(Ragged(per, np.zeros(n, np.int64), np.zeros((n, 3), np.int64)) for per, n in ((m, m.sum()), (h, h.sum()))),
    )  # fmt: skip
    for dtype, of, column, place in _totals_at(at):
        rows.totals[of, column] = _view(buffer, dtype)[place]
    for cells, top, ages, counts, age_type in _groups(rows, at):
        own, rank = owners(cells.per)
        cells.panes[:] = top[own] - _view(buffer, age_type)[ages[own] + rank * age_type.itemsize]
        for dtype, of, column, place in _counts_at(at.narrow[own], counts[own], rank, cells.per[own]):
            cells.counts[of, column] = _view(buffer, dtype)[place]
    return rows


def checked(value: bytes) -> bytes:
    """The value, if it begins with the header of a counter row; else RowVersionError or ValueError."""
    if value[:1] != _VERSION:
        CounterRow.decode(value)
    if len(value) < COUNTER_HEADER.size:
        raise ValueError(f"counter row of {len(value)} bytes is shorter than its header")
    return value


def _groups(rows: Rows, at: _Layout) -> Iterator[tuple[Ragged, Ints, Ints, Ints, np.dtype[Any]]]:
    yield rows.minutes, rows.top_minute, at.minute_ages, at.minute_counts, _TYPES[0]
    yield rows.hours, rows.top_hour, at.hour_ages, at.hour_counts, _TYPES[1]


def _totals_at(at: _Layout) -> Iterator[tuple[np.dtype[Any], _Items, int, Ints]]:
    return _columns(at.wide, at.start + COUNTER_HEADER.size, np.ones_like(at.start))


def _counts_at(narrow: Ints, begin: Ints, rank: Ints, per: Ints) -> Iterator[tuple[np.dtype[Any], _Items, int, Ints]]:
    return _columns(narrow, begin + rank * _BYTES[narrow], per)


def _columns(widths: Ints, begin: Ints, stride: Ints) -> Iterator[tuple[np.dtype[Any], _Items, int, Ints]]:
    """By width and count: the type, the items of this width, which count, and their places in the buffer."""
    for code, dtype in enumerate(_TYPES):
        chosen = np.flatnonzero(widths == code)
        # Mostly all are of one width: a slice is several times faster than a list of all positions.
        of = chosen if len(chosen) < len(widths) else slice(None)
        for column in range(3) if len(chosen) else ():
            yield dtype, of, column, begin[of] + column * stride[of] * dtype.itemsize
