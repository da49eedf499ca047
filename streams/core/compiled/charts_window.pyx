"""Sums over the windows of charts."""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t

from streams.core.compiled.ragged cimport AHEAD, CELL, Pool, View, look, prefetch

cnp.import_array()


cdef inline void sum_up(View *view, const int64_t *place, int64_t newest, int64_t width, int64_t *sums) noexcept nogil:
    """Sums over the `width` panes that end with `newest`, inside the slot's horizon."""
    cdef int64_t number = (place[1] & 15) - 1, oldest = max(place[0] - view.horizon, newest - width), pane
    cdef const int64_t *cell
    cdef const int64_t *first
    cdef Pool *pool
    oldest = max(oldest, -1)
    sums[0] = sums[1] = sums[2] = 0
    # Panes are never newer than the slot's newest.
    newest = min(newest, place[0])
    if number < 0 or newest <= oldest:
        return
    pool = &view.pools[number]
    first = &pool.cells[CELL * (place[1] >> 16) * pool.capacity]
    if number == view.last:
        for pane in range(oldest + 1, newest + 1):
            cell = first + CELL * (pane & (pool.capacity - 1))
            if cell[0] == pane:
                plus(sums, cell)
        return
    cell = first + CELL * (place[1] >> 4 & 0xFFF)
    while cell > first:
        cell -= CELL
        if oldest < cell[0] <= newest:
            plus(sums, cell)


cdef inline void plus(int64_t *sums, const int64_t *cell) noexcept nogil:
    sums[0] += cell[1]
    sums[1] += cell[2]
    sums[2] += cell[3]


def refresh(cells, slots, int64_t oldest, int64_t newest, int64_t width, const int64_t[::1] weights,
            int64_t[:, ::1] sums, int64_t[::1] scores, cnp.ndarray told):
    """Bring sums of these slots up to date, and scores; `told` becomes false where they changed. -> slots that did.

    `slots` None: of all that have a score, or a pane newer than `oldest`.
    """
    cdef View view
    cdef cnp.ndarray top = cells.top, found
    cdef bint every = slots is None
    cdef const int64_t *whose = NULL
    cdef Py_ssize_t n = cnp.PyArray_SIZE(top), i, slot, changes = 0, stride = cnp.PyArray_STRIDE(top, 0)
    cdef char *known = <char *>cnp.PyArray_DATA(told)
    cdef const char *places = <const char *>cnp.PyArray_DATA(top)
    cdef int64_t *changed
    cdef int64_t new[3]
    cdef int64_t *old
    cdef const int64_t *place
    cdef Pool *pool
    if not every:
        whose, n = <const int64_t *>cnp.PyArray_DATA(<cnp.ndarray>slots), cnp.PyArray_SIZE(<cnp.ndarray>slots)
    found = np.empty(n, np.int64)
    changed = <int64_t *>cnp.PyArray_DATA(found)
    look(&view, cells)
    for i in range(n):
        if i + AHEAD < n:
            place = <const int64_t *>(places + stride * (i + AHEAD if every else whose[i + AHEAD]))
            if place[1] & 15 and place[0] > oldest:
                pool = &view.pools[(place[1] & 15) - 1]
                prefetch(&pool.cells[CELL * (place[1] >> 16) * pool.capacity])
        slot = i if every else whose[i]
        place = <const int64_t *>(places + stride * slot)
        if every and place[0] <= oldest and scores[slot] <= 0:
            continue
        sum_up(&view, place, newest, width, new)
        old = &sums[slot, 0]
        if old[0] == new[0] and old[1] == new[1] and old[2] == new[2]:
            continue
        old[0], old[1], old[2] = new[0], new[1], new[2]
        scores[slot] = new[0] * weights[0] + new[1] * weights[1] + new[2] * weights[2]
        known[slot] = 0
        changed[changes] = slot
        changes += 1
    return found[:changes]
