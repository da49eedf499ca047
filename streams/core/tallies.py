"""Tallies: signed counts by name and pane cell, as one stage sends them to the next. Packed in narrow columns."""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.compiled import compiled
from streams.core.panes import TOTAL_ONLY

TALLY_VERSION = 1
# version, widths of cells-per-name and codes, of views and likes, of shares | origin | flush, watermark, least code
# | names, cells, bytes of the names
_HEADER = struct.Struct("<4BIqqqIII")
Ints = NDArray[np.int64]
Kind = list[np.dtype[Any]]
_UNSIGNED: Kind = [np.dtype(t) for t in ("<u1", "<u2", "<u4", "<i8")]
_SIGNED: Kind = [np.dtype(t) for t in ("<i1", "<i2", "<i4", "<i8")]
_RANGES = {dtype: (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) for dtype in [*_UNSIGNED, *_SIGNED]}
_KINDS = [_UNSIGNED, _UNSIGNED, _SIGNED, _SIGNED, _SIGNED]
_SEPARATOR = b"\x01"


class Tally(NamedTuple):
    """Counts of one flush of one origin partition for one destination.

    `names` are distinct, in any order; name i owns the next `per_name[i]` cells; a name's `codes` (see core.panes)
    ascend; `counts` are (cells, 3) signed views, likes, shares. Every name is two non-empty parts around one NUL,
    without 0x01.
    """

    origin: int
    flush: int
    watermark_ms: int
    names: list[bytes]
    per_name: Ints
    codes: Ints
    counts: Ints


def empty(origin: int, flush: int, watermark_ms: int) -> Tally:
    """A tally that carries the watermark only."""
    none = np.zeros(0, np.int64)
    return Tally(origin, flush, watermark_ms, [], none, none, np.zeros((0, 3), np.int64))


def pack(tally: Tally, limit_bytes: int = 512 * 1024) -> list[bytes]:
    """Messages of at most `limit_bytes` each (a single name that needs more goes alone), at least one."""
    kernel = compiled("counters_pack")
    if kernel is not None:
        per, codes, counts = map(_contiguous, (tally.per_name, tally.codes, tally.counts))
        packed = kernel.pack(
            tally.origin, tally.flush, tally.watermark_ms, tally.names, per, codes, counts, limit_bytes
        )
        if packed is not None:
            return packed  # type: ignore[no-any-return]
    columns = [tally.per_name, tally.codes - tally.codes.min(initial=TOTAL_ONLY), *tally.counts.T]
    sizes = [kind[_width(c, kind)].itemsize for c, kind in zip(columns, _KINDS, strict=True)]
    lengths = np.fromiter(map(len, tally.names), np.int64, len(tally.names))
    size = lengths + 1 + sizes[0] + tally.per_name * sum(sizes[1:])
    return [_pack_one(part) for part in _parts(tally, size, limit_bytes - _HEADER.size)]


def _contiguous(column: Ints) -> Ints:
    return np.ascontiguousarray(column, np.int64)


def _parts(tally: Tally, size: Ints, room: int) -> Iterator[Tally]:
    ends, cells = np.cumsum(size), np.concatenate(([0], np.cumsum(tally.per_name)))
    first, count, used = 0, len(tally.names), 0
    while True:
        last = max(int(np.searchsorted(ends, used + room, side="right")), min(first + 1, count))
        a, b = int(cells[first]), int(cells[last])
        yield tally._replace(
            names=tally.names[first:last], per_name=tally.per_name[first:last],
            codes=tally.codes[a:b], counts=tally.counts[a:b],
        )  # fmt: skip
        if last == count:
            return
        first, used = last, int(ends[last - 1])


def _pack_one(tally: Tally) -> bytes:
    base = int(tally.codes.min()) if len(tally.codes) else 0
    names = _SEPARATOR.join(tally.names)
    per, codes = tally.per_name, tally.codes - base
    p, c = _width(per, _UNSIGNED), _width(codes, _UNSIGNED)
    v, k, s = (_width(column, _SIGNED) for column in tally.counts.T)
    head = _HEADER.pack(
        TALLY_VERSION, p << 4 | c, v << 4 | k, s, tally.origin, tally.flush, tally.watermark_ms, base,
        len(tally.names), len(codes), len(names),
    )  # fmt: skip
    numbers = [per.astype(_UNSIGNED[p]), codes.astype(_UNSIGNED[c])]
    numbers += [col.astype(_SIGNED[w]) for col, w in zip(tally.counts.T, (v, k, s), strict=True)]
    return b"".join([head, names, *(column.tobytes() for column in numbers)])


def _width(column: Ints, kind: Kind) -> int:
    if not len(column):
        return 0
    low, high = int(column.min()), int(column.max())
    for width, dtype in enumerate(kind):
        least, greatest = _RANGES[dtype]
        if least <= low and high <= greatest:
            return width
    raise ValueError(f"{low}..{high} does not fit a column")


def unpack(value: bytes) -> Tally:
    """The tally in a message; ValueError with the reason if it is not one."""
    if len(value) < _HEADER.size:
        raise ValueError(f"tally of {len(value)} bytes is shorter than its header")
    version, pc, vk, s, origin, flush, watermark_ms, base, names, cells, blob = _HEADER.unpack_from(value)
    if version != TALLY_VERSION:
        raise ValueError(f"tally version {version}, can read {TALLY_VERSION}: upgrade this worker")
    widths = (pc >> 4, pc & 15, vk >> 4, vk & 15, s)
    if max(widths) > 3:
        raise ValueError(f"tally with unknown column widths {widths}")
    dtypes = [kind[width] for kind, width in zip(_KINDS, widths, strict=True)]
    lengths = (names, cells, cells, cells, cells)
    expected = _HEADER.size + blob + sum(n * d.itemsize for n, d in zip(lengths, dtypes, strict=True))
    if len(value) != expected:
        raise ValueError(f"tally of {len(value)} bytes should have {expected}")
    columns, at = [], _HEADER.size + blob
    for n, dtype in zip(lengths, dtypes, strict=True):
        columns.append(np.frombuffer(value, dtype, n, at).astype(np.int64))
        at += n * dtype.itemsize
    listed = _names(value[_HEADER.size : _HEADER.size + blob], names)
    per, codes = columns[0], columns[1]
    _check_cells(per, codes, base, cells)
    return Tally(origin, flush, watermark_ms, listed, per, codes + base, np.stack(columns[2:], 1))


def _names(blob: bytes, count: int) -> list[bytes]:
    if not blob and not count:
        return []
    marks = np.frombuffer(blob, np.uint8)
    places = np.flatnonzero(marks < 2)
    marks = marks[places]
    if len(marks) != 2 * count - 1 or marks[::2].any() or not marks[1::2].all():
        raise ValueError(f"tally names are not {count} names with one NUL each")
    if np.diff(places, prepend=-1, append=len(blob)).min() < 2:
        raise ValueError("tally with half a name empty")
    try:
        blob.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"tally names are not UTF-8: {error}") from None
    names = blob.split(_SEPARATOR)
    if len(set(names)) < count:
        raise ValueError("tally names a row twice")
    return names


def _check_cells(per: Ints, codes: Ints, base: int, cells: int) -> None:
    if (len(per) and (per.min() < 1 or per.max() > cells)) or int(per.sum()) != cells:
        raise ValueError(f"tally cells by name do not add up to {cells}")
    if not cells:
        return
    # No overflow: base is in range, and a code is at most 2^63 - 1, so check it before adding.
    if not 0 <= base <= TOTAL_ONLY or int(codes.min()) < 0 or int(codes.max()) > TOTAL_ONLY - base:
        raise ValueError("tally has a pane code out of range")
    rises = np.diff(codes) > 0
    rises[np.cumsum(per)[:-1] - 1] = True
    if not rises.all():
        raise ValueError("tally pane codes do not ascend inside a name")
