"""Small helpers on sorted and ragged arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NONE: Ints = np.zeros(0, np.int64)
NO_COUNTS: Ints = np.zeros((0, 3), np.int64)


def heads(keys: Ints) -> Ints:
    """Positions at which a new key begins in sorted keys."""
    if not len(keys):
        return NONE
    return np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))


def sum_by(keys: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Distinct keys, ascending, and the sums of their counts."""
    if not len(keys):
        return NONE, NO_COUNTS
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys)
        keys, counts = keys[order], counts.take(order, axis=0)
    starts = heads(keys)
    if len(starts) == len(keys):
        return keys, counts
    return keys[starts], np.add.reduceat(counts, starts, axis=0)


def owners(per: Ints) -> tuple[Ints, Ints]:
    """For rows with `per[i]` items each: the row of every item, and its rank inside the row."""
    own = np.repeat(np.arange(len(per)), per)
    return own, np.arange(len(own)) - np.repeat(np.cumsum(per) - per, per)


def greatest(per: Ints, values: Ints) -> Ints:
    """Greatest value of every row of a ragged column; 0 for an empty row."""
    found = np.zeros(len(per), np.int64)
    full = np.flatnonzero(per)
    if len(full):
        found[full] = np.maximum.reduceat(values, (np.cumsum(per) - per)[full])
    return found


def most(counts: Ints) -> Ints:
    """The greatest of each row's three counts (several times faster than `max(1)`)."""
    return np.maximum(np.maximum(counts[:, 0], counts[:, 1]), counts[:, 2])


def grown(array: NDArray[Any], size: int, fill: int) -> NDArray[Any]:
    """A longer copy, filled up."""
    shape = (size, *array.shape[1:])
    # Zeros come with the pages when these are first used.
    longer = np.full(shape, fill, array.dtype) if fill else np.zeros(shape, array.dtype)
    longer[: len(array)] = array
    return longer


def put(rows: Ints, places: Ints, values: Ints) -> None:
    """`rows[places] = values` for contiguous arrays of rows, three times as fast."""
    _whole(rows)[places] = _whole(np.ascontiguousarray(values))


def _whole(rows: Ints) -> NDArray[np.void]:
    return np.ndarray((len(rows),), f"V{8 * rows.shape[1]}", rows.data)


def roomier(array: NDArray[Any], size: int) -> NDArray[Any]:
    """A longer copy; what was added holds anything."""
    longer = np.empty((size, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
