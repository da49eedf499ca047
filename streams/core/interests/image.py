"""Rows of `interests` from and to columns, many at once: the same bytes as `core.rows.UserRow`.

A row is a sequence of 32-bit words. All rows are first laid out at full length, then the words in use are cut out.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streams.core.compiled import compiled
from streams.core.interests.columns import COUNTS, UserColumns
from streams.core.interests.topics import Ints
from streams.core.params import NEGATIVE_TOPICS, POSITIVE_TOPICS, SEEN_VIDEOS, VIEW_IDS
from streams.core.rows import ROW_VERSION, USER_HEADER, RowVersionError

_HEAD = USER_HEADER.size // 4
_SIZES = (2 * VIEW_IDS, SEEN_VIDEOS, *(POSITIVE_TOPICS,) * 3, *(NEGATIVE_TOPICS,) * 2)
_CUTS = np.cumsum((_HEAD, *_SIZES)).tolist()
_WORDS = _CUTS[-1]
_ROWS_AT_ONCE = 4096

Words = NDArray[np.uint32]


def encode(columns: UserColumns, slots: Ints) -> list[bytes]:
    """The rows of these slots."""
    kernel = compiled("image")
    if kernel is not None:
        made: list[bytes] = kernel.encode(columns, slots)
        return made
    rows: list[bytes] = []
    for at in range(0, len(slots), _ROWS_AT_ONCE):
        rows += _encode(columns, slots[at : at + _ROWS_AT_ONCE])
    return rows


def _encode(columns: UserColumns, slots: Ints) -> list[bytes]:
    words = np.empty((len(slots), _WORDS), np.uint32)
    head = words[:, :2].view(np.uint8)
    head[:, 0], head[:, 7] = ROW_VERSION, 0
    head[:, 1], head[:, 2] = columns.flags[slots], columns.account[slots]
    head[:, 3] = np.minimum(columns.views[slots], VIEW_IDS)
    head[:, 4] = np.minimum(columns.views[slots], SEEN_VIDEOS)
    head[:, 5], head[:, 6] = columns.positive.size[slots], columns.negative.size[slots]
    for i, name in enumerate(COUNTS):
        words[:, 2 + i] = getattr(columns, name)[slots]
    words[:, 7:9].view(np.int32)[:, 0] = columns.fast_epoch[slots]
    words[:, 7:9].view(np.int32)[:, 1] = columns.slow_epoch[slots]
    words[:, 9:11] = columns.last_ms[slots].view(np.uint32).reshape(-1, 2)
    for part, a, b in zip(_parts(columns), _CUTS, _CUTS[1:], strict=False):
        words[:, a:b] = part.take(slots, 0).view(np.uint32)
    used = _used(head)
    # Much faster than indexing two dimensions with a mask.
    data = np.compress(used.reshape(-1), words.reshape(-1)).tobytes()
    ends = (4 * np.cumsum(np.count_nonzero(used, 1))).tolist()
    return [data[a:b] for a, b in pairwise([0, *ends])]


def decode(columns: UserColumns, slots: Ints, rows: Sequence[bytes]) -> None:
    """Fills slots that are empty from rows that `encode` wrote."""
    for row in rows:
        if not row or row[0] != ROW_VERSION:
            found = row[0] if row else "nothing"
            message = f"interests: row version {found}, can read {ROW_VERSION}: run the version that wrote it"
            raise RowVersionError(message)
    kernel = compiled("image")
    if kernel is not None:
        kernel.decode(columns, slots, rows)
        return
    heads = np.frombuffer(b"".join(row[: USER_HEADER.size] for row in rows), np.uint8).reshape(len(rows), -1)
    words = np.zeros((len(rows), _WORDS), np.uint32)
    words[_used(heads)] = np.frombuffer(b"".join(rows), np.uint32)
    columns.flags[slots], columns.account[slots] = heads[:, 1], heads[:, 2]
    columns.positive.size[slots], columns.negative.size[slots] = heads[:, 5], heads[:, 6]
    for i, name in enumerate(COUNTS):
        getattr(columns, name)[slots] = words[:, 2 + i]
    epochs = words[:, 7:9].view(np.int32)
    columns.fast_epoch[slots], columns.slow_epoch[slots] = epochs[:, 0], epochs[:, 1]
    columns.last_ms[slots] = np.ascontiguousarray(words[:, 9:11]).view(np.int64)[:, 0]
    for part, a, b in zip(_parts(columns), _CUTS, _CUTS[1:], strict=False):
        part[slots] = np.ascontiguousarray(words[:, a:b]).view(part.dtype)


def _parts(columns: UserColumns) -> list[NDArray[np.generic]]:
    good, bad = columns.positive, columns.negative
    return [columns.view_ids, columns.seen, good.topic, *good.weights, bad.topic, *bad.weights]


def _used(heads: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which words of the full layout each row has."""
    used = np.zeros((len(heads), _WORDS), np.bool_)
    used[:, :_HEAD] = True
    lengths = heads[:, (3, 4, 5, 5, 5, 6, 6)]
    lengths[:, 0] *= 2
    for i, (a, b) in enumerate(pairwise(_CUTS)):
        used[:, a:b] = np.arange(b - a, dtype=np.uint8) < lengths[:, [i]]
    return used
