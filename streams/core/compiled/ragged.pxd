"""The memory of `core.counters`: records by slot, and blocks of cells."""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *p) nogil

cdef enum:
    # Of a slot: the columns of its record (see core.counters.store).
    TOP_MINUTE = 3
    TOP_HOUR = 5
    USED = 7
    RECORD = 8
    POOLS = 8
    AHEAD = 8
    # Numbers of a cell: its pane, and three counts.
    CELL = 4

cdef struct Pool:
    int64_t capacity
    int64_t *cells
    int32_t *free
    int64_t left

cdef struct View:
    # The memory of one `core.counters.cells.Cells`.
    Pool pools[POOLS]
    int64_t last
    int64_t horizon


cdef inline int look(View *view, object cells) except -1:
    cdef object pool
    cdef Py_ssize_t i = 0
    for pool in cells.pools:
        if i == POOLS:
            raise ValueError("too many sizes of block")
        view.pools[i].capacity = pool.capacity
        view.pools[i].cells = <int64_t *>cnp.PyArray_DATA(pool.cells)
        view.pools[i].free = <int32_t *>cnp.PyArray_DATA(pool.free)
        view.pools[i].left = pool.left
        i += 1
    view.last, view.horizon = i - 1, cells.horizon
    return 0


cdef int told(View *view, object cells) except -1
cdef int64_t new_block(View *view, Py_ssize_t size, object cells) except -1


cdef inline bint some(const int64_t *cell) noexcept nogil:
    return (cell[1] | cell[2] | cell[3]) != 0


cdef inline void fetch(View *view, const int64_t *place) noexcept nogil:
    """Ask for the memory of a slot's newest cells."""
    cdef int64_t where = place[1], at
    cdef Pool *pool
    if where & 15:
        pool = &view.pools[(where & 15) - 1]
        at = (where >> 16) * pool.capacity
        at += place[0] & (pool.capacity - 1) if (where & 15) - 1 == view.last else (where >> 4 & 0xFFF) - 1
        prefetch(&pool.cells[CELL * at])
