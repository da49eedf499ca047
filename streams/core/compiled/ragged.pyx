"""Cells of counter rows, added where they lie."""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from streams.core.compiled.ragged cimport (
    AHEAD, CELL, RECORD, TOP_HOUR, TOP_MINUTE, USED, Pool, View, fetch, look, prefetch, some,
)

cnp.import_array()

cdef enum:
    LEVEL_ALL = 0
    LEVEL_MINUTE = 1
    LEVEL_HOUR = 2
    LEVEL_TOTAL = 3


cdef int told(View *view, object cells) except -1:
    """Tell the pools how many free blocks they have left."""
    cdef Py_ssize_t i
    for i in range(view.last + 1):
        cells.pools[i].left = view.pools[i].left
    return 0


cdef int64_t new_block(View *view, Py_ssize_t size, object cells) except -1:
    """A free block of the pool of that number."""
    cdef Pool *pool = &view.pools[size]
    cdef int64_t block, at
    if pool.left == 0:
        told(view, cells)
        cells.pools[size].reserve(1)
        look(view, cells)
    pool.left -= 1
    block = pool.free[pool.left]
    if size == view.last:
        for at in range(block * pool.capacity, (block + 1) * pool.capacity):
            pool.cells[CELL * at] = -1
    return block


cdef int64_t roomier(View *view, int64_t *place, object cells) except -1:
    """Give a slot a block with room for one cell more than it has inside the horizon -> where that is."""
    cdef int64_t where = place[1], number = (where & 15) - 1, used = (where >> 4) & 0xFFF, block = where >> 16
    cdef int64_t floor = place[0] - view.horizon, i, live = 0, size = 0, at, new
    cdef int64_t *held
    cdef Pool *old
    cdef Pool *pool
    if number >= 0:
        old = &view.pools[number]
        for i in range(block * old.capacity, block * old.capacity + used):
            live += old.cells[CELL * i] > floor and some(&old.cells[CELL * i])
    while size < view.last and view.pools[size].capacity < live + 1:
        size += 1
    new = new_block(view, size, cells)
    pool = &view.pools[size]
    live = 0
    if number >= 0:
        old = &view.pools[number]
        for i in range(block * old.capacity, block * old.capacity + used):
            held = &old.cells[CELL * i]
            if held[0] > floor and some(held):
                at = new * pool.capacity + (held[0] & (pool.capacity - 1) if size == view.last else live)
                memcpy(&pool.cells[CELL * at], held, 8 * CELL)
                live += 1
        old.free[old.left] = <int32_t>block
        old.left += 1
    place[1] = new << 16 | live << 4 | (size + 1)
    return place[1]


cdef inline int64_t *cell(View *view, int64_t *place, int64_t pane, object cells) except? NULL:
    """The counts of a slot's pane. NULL: it lies behind the horizon."""
    cdef int64_t where = place[1], number, used, at, first
    cdef int64_t *held
    cdef Pool *pool
    cdef bint newest = pane > place[0]
    if newest:
        place[0] = pane
    elif pane <= place[0] - view.horizon:
        return NULL
    if where & 15 == 0:
        where = roomier(view, place, cells)
    while True:
        number, used = (where & 15) - 1, (where >> 4) & 0xFFF
        pool = &view.pools[number]
        first = (where >> 16) * pool.capacity
        if number == view.last:
            at = first + (pane & (pool.capacity - 1))
            if pool.cells[CELL * at] == pane:
                return &pool.cells[CELL * at + 1]
            break
        at = first - 1 if newest else first + used - 1
        while at >= first:
            if pool.cells[CELL * at] == pane:
                return &pool.cells[CELL * at + 1]
            at -= 1
        at = first + used
        if used < pool.capacity:
            place[1] += 1 << 4
            break
        where = roomier(view, place, cells)
    held = &pool.cells[CELL * at]
    held[0] = pane
    held[1] = held[2] = held[3] = 0
    return held + 1


cdef inline void plus(int64_t *held, const int64_t *counts) noexcept nogil:
    held[0] += counts[0]
    held[1] += counts[1]
    held[2] += counts[2]


cdef inline int one(View *minutes, View *hours, int64_t *record, int64_t code, const int64_t *counts,
                    object minute_cells, object hour_cells) except -1:
    cdef int64_t level = code >> 30, pane = code & ((1 << 30) - 1)
    cdef int64_t *held
    if level == LEVEL_ALL or level == LEVEL_TOTAL:
        plus(record, counts)
    if level == LEVEL_ALL or level == LEVEL_MINUTE:
        held = cell(minutes, record + TOP_MINUTE, pane, minute_cells)
        if held is not NULL:
            plus(held, counts)
    if level == LEVEL_ALL or level == LEVEL_HOUR:
        held = cell(hours, record + TOP_HOUR, pane // 60 if level == LEVEL_ALL else pane, hour_cells)
        if held is not NULL:
            plus(held, counts)
    return 0


def add(counters, cnp.ndarray slots, also, cnp.ndarray per, cnp.ndarray codes, cnp.ndarray counts):
    """Add `per[i]` cells each to slots; to those in `also` (or None) too where it is another slot.

    Sums below zero are found when the row is written.
    """
    cdef View minutes, hours
    cdef int64_t *records = <int64_t *>cnp.PyArray_DATA(counters.records)
    cdef char *dirty = <char *>cnp.PyArray_DATA(counters.dirty)
    cdef int64_t *whose = <int64_t *>cnp.PyArray_DATA(slots)
    cdef int64_t *others = <int64_t *>cnp.PyArray_DATA(slots if also is None else also)
    cdef int64_t *sizes = <int64_t *>cnp.PyArray_DATA(per)
    cdef int64_t *code = <int64_t *>cnp.PyArray_DATA(codes)
    cdef int64_t *values = <int64_t *>cnp.PyArray_DATA(counts)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(slots), i, k, at = 0, ahead
    cdef int64_t tick = counters.tick
    cdef object minute_cells = counters.minutes, hour_cells = counters.hours
    look(&minutes, minute_cells)
    look(&hours, hour_cells)
    try:
        for i in range(-2 * AHEAD, n):
            ahead = i + 2 * AHEAD
            if ahead < n:
                prefetch(&records[RECORD * whose[ahead]])
                prefetch(&records[RECORD * others[ahead]])
            ahead = i + AHEAD
            if 0 <= ahead < n:
                fetch(&minutes, &records[RECORD * whose[ahead] + TOP_MINUTE])
                fetch(&hours, &records[RECORD * whose[ahead] + TOP_HOUR])
                if others[ahead] != whose[ahead]:
                    fetch(&minutes, &records[RECORD * others[ahead] + TOP_MINUTE])
                    fetch(&hours, &records[RECORD * others[ahead] + TOP_HOUR])
            if i < 0:
                continue
            if sizes[i] < 0 or sizes[i] > cnp.PyArray_SIZE(codes) - at:
                raise ValueError("more cells than there are")
            dirty[whose[i]] = dirty[others[i]] = 1
            records[RECORD * others[i] + USED] = tick
            for k in range(at, at + sizes[i]):
                one(&minutes, &hours, &records[RECORD * whose[i]], code[k], &values[3 * k], minute_cells, hour_cells)
                if others[i] != whose[i]:
                    one(&minutes, &hours, &records[RECORD * others[i]], code[k], &values[3 * k],
                        minute_cells, hour_cells)
            at += sizes[i]
    finally:
        told(&minutes, minute_cells)
        told(&hours, hour_cells)
