"""Arrays that grow in place: their pages move, nothing is copied, and pages never used take no memory."""

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PAGESIZE, mmap

import numpy as np

from streams.core.counters.arrays import Ints

_NUMBER_BYTES = 8


class Growing:
    """Rows of numbers, zero where nothing was written; each begins with a cache line if a line holds whole rows."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._pages = _pages(PAGESIZE)
        self.rows: Ints = np.zeros((0, columns), np.int64)
        """Take it from here after each `resize`."""

    def resize(self, rows: int) -> None:
        """Make room for so many, at least as many as there were. Arrays taken from `rows` should be gone by then."""
        size = -(-rows * self._columns * _NUMBER_BYTES // PAGESIZE) * PAGESIZE
        if size > len(self._pages):
            self.rows = np.zeros((0, self._columns), np.int64)
            try:
                self._pages.resize(size)
            except (BufferError, SystemError):  # an array lies there still, or this system cannot move pages
                before, self._pages = self._pages, _pages(size)
                self._pages[: len(before)] = before[:]
        used = rows * self._columns
        self.rows = np.frombuffer(self._pages, np.int64, used).reshape(rows, self._columns)


def _pages(size: int) -> mmap:
    return mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
