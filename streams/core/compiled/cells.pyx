"""Counts by pair (video, region) and pane of one flush: the same as `core.interests.cells` adds up."""

import numpy as np

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cnp.import_array()


cdef struct Cell:
    int64_t pair  # number, not key
    int64_t code
    int64_t counts[3]


cdef struct Pair:
    int64_t key
    int64_t cells
    int64_t last  # its cell met last


cdef inline uint64_t place_of(int64_t a, int64_t b, int bits) noexcept nogil:
    return ((<uint64_t>a * <uint64_t>0x9E3779B97F4A7C15) ^ <uint64_t>b) * <uint64_t>0xD6E8FEB86659FD93 >> (64 - bits)


cdef class Sums:
    """Open addressing: the tables hold number + 1 of pairs and of cells; both numbered as they are met."""

    cdef int bits
    cdef Py_ssize_t pairs, cells
    cdef int64_t *pair_at
    cdef int64_t *cell_at
    cdef Pair *pair
    cdef Cell *cell

    def __cinit__(self, Py_ssize_t most):
        self.bits = 4
        while most * 2 > 1 << self.bits:
            self.bits += 1
        self.pair_at, self.cell_at = <int64_t *>calloc(1 << self.bits, 8), <int64_t *>calloc(1 << self.bits, 8)
        self.pair, self.cell = <Pair *>calloc(most + 1, sizeof(Pair)), <Cell *>calloc(most + 1, sizeof(Cell))
        if self.pair_at is NULL or self.cell_at is NULL or self.pair is NULL or self.cell is NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.pair_at)
        free(self.cell_at)
        free(self.pair)
        free(self.cell)

    cdef int64_t pair_of(self, int64_t key) noexcept nogil:
        cdef uint64_t at = place_of(key, 0, self.bits), mask = (<uint64_t>1 << self.bits) - 1
        while self.pair_at[at]:
            if self.pair[self.pair_at[at] - 1].key == key:
                return self.pair_at[at] - 1
            at = at + 1 & mask
        self.pair[self.pairs].key, self.pair[self.pairs].last = key, -1
        self.pairs += 1
        self.pair_at[at] = self.pairs
        return self.pairs - 1

    cdef Cell *at(self, int64_t key, int64_t code) noexcept nogil:
        cdef int64_t number = self.pair_of(key)
        cdef Pair *pair = self.pair + number
        cdef Cell *cell
        cdef uint64_t at, mask = (<uint64_t>1 << self.bits) - 1
        if pair.last >= 0 and self.cell[pair.last].code == code:
            return self.cell + pair.last
        at = place_of(number, code, self.bits)
        while self.cell_at[at]:
            cell = self.cell + (self.cell_at[at] - 1)
            if cell.pair == number and cell.code == code:
                pair.last = self.cell_at[at] - 1
                return cell
            at = at + 1 & mask
        cell = self.cell + self.cells
        cell.pair, cell.code = number, code
        pair.cells, pair.last = pair.cells + 1, self.cells
        self.cells += 1
        self.cell_at[at] = self.cells
        return cell


def add_up(int64_t[::1] keys, int64_t[::1] codes, Py_ssize_t views, int64_t[::1] kinds, int64_t[::1] by):
    """`Cells._summed`: -> (keys of pairs as first met, cells of each; by pair, codes ascending: codes, counts).

    The first `views` entries are views, of the others `kinds` are the columns and `by` the amounts.
    """
    cdef Sums sums = Sums(keys.shape[0])
    cdef Py_ssize_t i
    cdef Cell *cell
    for i in range(keys.shape[0]):
        cell = sums.at(keys[i], codes[i])
        if i < views:
            cell.counts[0] += 1
        else:
            cell.counts[kinds[i - views]] += by[i - views]
    return by_pair(sums)


cdef by_pair(Sums sums):
    names, sizes = np.empty(sums.pairs, np.int64), np.empty(sums.pairs, np.int64)
    codes, counts = np.empty(sums.cells, np.int64), np.empty((sums.cells, 3), np.int64)
    cdef int64_t[::1] names_, sizes_ = sizes, codes_ = codes
    cdef int64_t[:, ::1] counts_ = counts
    cdef Py_ssize_t i, at, end = 0
    cdef Pair *pair
    cdef Cell *cell
    names_ = names
    for i in range(sums.pairs):
        pair = sums.pair + i
        names_[i], sizes_[i] = pair.key, pair.cells
        pair.last = end  # from now on: where its cells begin
        end += pair.cells
        pair.cells = 0
    for i in range(sums.cells):
        cell = sums.cell + i
        pair = sums.pair + cell.pair
        at = pair.last + pair.cells
        pair.cells += 1
        while at > pair.last and codes_[at - 1] > cell.code:  # codes mostly come in order
            codes_[at] = codes_[at - 1]
            memcpy(&counts_[at, 0], &counts_[at - 1, 0], 24)
            at -= 1
        codes_[at] = cell.code
        memcpy(&counts_[at, 0], cell.counts, 24)
    return names, sizes, codes, counts


def names(list videos, list regions, int64_t[::1] pairs):
    """The key of the video followed by that of the region, of each pair (video << 31 | region)."""
    cdef Py_ssize_t i, first, second
    cdef bytes video, region, name
    made = []
    for i in range(pairs.shape[0]):
        video, region = videos[pairs[i] >> 31], regions[pairs[i] & 0x7FFFFFFF]
        first, second = PyBytes_GET_SIZE(video), PyBytes_GET_SIZE(region)
        name = PyBytes_FromStringAndSize(NULL, first + second)
        memcpy(PyBytes_AS_STRING(name), PyBytes_AS_STRING(video), first)
        memcpy(PyBytes_AS_STRING(name) + first, PyBytes_AS_STRING(region), second)
        made.append(name)
    return made
