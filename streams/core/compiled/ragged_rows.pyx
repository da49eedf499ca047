"""Whole counter rows written as bytes, and read again."""

import sys

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset

from streams.core.compiled.ragged cimport (
    AHEAD, CELL, RECORD, TOP_HOUR, TOP_MINUTE, Pool, View, look, new_block, prefetch, some, told,
)
from streams.core.counters.ragged import decode

cnp.import_array()
if sys.byteorder != "little":
    raise ImportError("rows are written as numbers lie in memory: little-endian only")

cdef enum:
    MOST = 512  # cells of a row's level
    FETCHED = 16  # cells asked for ahead of time; the processor goes on by itself
    VERSION = 1
    HEADER = 16


cdef Py_ssize_t gather(View *view, const int64_t *place, int64_t **cells) noexcept nogil:
    """Cells inside the horizon that are not zero, newest first."""
    cdef int64_t top = place[0], where = place[1], number = (where & 15) - 1, pane, at, floor, first
    cdef int64_t *cell
    cdef Py_ssize_t n = 0, i
    cdef Pool *pool
    if number < 0:
        return 0
    pool = &view.pools[number]
    floor = max(top - view.horizon, -1)
    first = (where >> 16) * pool.capacity
    if number == view.last:
        for pane in range(top, floor, -1):
            cell = &pool.cells[CELL * (first + (pane & (pool.capacity - 1)))]
            if cell[0] == pane and some(cell):
                cells[n] = cell
                n += 1
        return n
    for at in range(first + (where >> 4 & 0xFFF) - 1, first - 1, -1):
        cell = &pool.cells[CELL * at]
        if cell[0] <= floor or not some(cell):
            continue
        i = n
        while i and cells[i - 1][0] < cell[0]:
            cells[i] = cells[i - 1]
            i -= 1
        cells[i] = cell
        n += 1
    return n


cdef inline void fetch_all(View *view, const int64_t *place) noexcept nogil:
    """Ask for the memory of a slot's cells, or of the newest of many."""
    cdef int64_t where = place[1], first, at
    cdef Pool *pool
    if where & 15 == 0 or (where & 15) - 1 == view.last:
        return
    pool = &view.pools[(where & 15) - 1]
    first = (where >> 16) * pool.capacity
    at = first + (where >> 4 & 0xFFF) - 1
    first = max(first, at - FETCHED)
    while at >= first:
        prefetch(&pool.cells[CELL * at])
        at -= 2


cdef inline int width(uint64_t bits) noexcept nogil:
    return <int>(bits > 0xFF) + <int>(bits > 0xFFFF) + <int>(bits > <uint64_t>0xFFFFFFFFU)


cdef char *column(char *out, int64_t **cells, Py_ssize_t n, int kind, int size) noexcept nogil:
    cdef Py_ssize_t i
    if size == 0:
        for i in range(n):
            (<uint8_t *>out)[i] = <uint8_t>cells[i][1 + kind]
    else:
        for i in range(n):
            memcpy(out + (i << size), &cells[i][1 + kind], 1 << size)
    return out + (n << size)


def encode(counters, cnp.ndarray slots):
    """Keys, and rows as bytes, the same as `core.rows.CounterRow` writes. ValueError if a count is below zero."""
    cdef View minutes, hours
    cdef int64_t *records = <int64_t *>cnp.PyArray_DATA(counters.records)
    cdef int64_t *whose = <int64_t *>cnp.PyArray_DATA(slots)
    cdef int64_t *record
    cdef int64_t *cells[2 * MOST]
    cdef Py_ssize_t n = cnp.PyArray_SIZE(slots), i, k, m, h, ahead
    cdef int64_t wide, narrow
    cdef uint16_t age
    cdef uint32_t top
    cdef int w, v
    cdef char *out
    cdef bytes row
    cdef list names = counters.names, rows = [None] * n, keys = [None] * n
    look(&minutes, counters.minutes)
    look(&hours, counters.hours)
    for i in range(-2 * AHEAD, n):
        ahead = i + 2 * AHEAD
        if ahead < n:
            prefetch(&records[RECORD * whose[ahead]])
        ahead = i + AHEAD
        if 0 <= ahead < n:
            fetch_all(&minutes, &records[RECORD * whose[ahead] + TOP_MINUTE])
            fetch_all(&hours, &records[RECORD * whose[ahead] + TOP_HOUR])
            prefetch(<void *>PyList_GET_ITEM(names, whose[ahead]))
        if i < 0:
            continue
        keys[i] = names[whose[i]]
        record = &records[RECORD * whose[i]]
        m = gather(&minutes, record + TOP_MINUTE, cells)
        h = gather(&hours, record + TOP_HOUR, cells + m)
        wide, narrow = record[0] | record[1] | record[2], 0
        for k in range(m + h):
            narrow |= cells[k][1] | cells[k][2] | cells[k][3]
        if wide < 0 or narrow < 0:
            raise ValueError(f"{counters.table}: a count fell below zero: a tally was folded twice or lost")
        w, v = width(wide), width(narrow)
        row = PyBytes_FromStringAndSize(NULL, HEADER + (3 << w) + m + 2 * h + (3 * (m + h) << v))
        out = PyBytes_AS_STRING(row)
        memset(out, 0, HEADER)
        out[0], out[1], out[2] = VERSION, <char>(w << 4 | v), <char>m
        age = <uint16_t>h
        memcpy(out + 4, &age, 2)
        top = <uint32_t>record[TOP_MINUTE]
        memcpy(out + 8, &top, 4)
        top = <uint32_t>record[TOP_HOUR]
        memcpy(out + 12, &top, 4)
        out += HEADER
        for k in range(3):
            memcpy(out + (k << w), &record[k], 1 << w)
        out += 3 << w
        for k in range(m):
            out[k] = <char>(record[TOP_MINUTE] - cells[k][0])
        out += m
        for k in range(h):
            age = <uint16_t>(record[TOP_HOUR] - cells[m + k][0])
            memcpy(out + 2 * k, &age, 2)
        out += 2 * h
        for k in range(3):
            out = column(out, cells, m, k, v)
        for k in range(3):
            out = column(out, cells + m, h, k, v)
        rows[i] = row
    return keys, rows


cdef struct Row:
    # A stored row: where its parts begin, and powers of two of the widths of its numbers.
    const char *totals
    const char *minute_ages
    const char *hour_ages
    const char *minute_counts
    const char *hour_counts
    int wide, narrow
    Py_ssize_t minutes, hours
    int64_t top_minute, top_hour


cdef bint read(Row *row, bytes value) noexcept:
    """Find the parts; False: this is no counter row of this version."""
    cdef const char *held = PyBytes_AS_STRING(value)
    cdef uint16_t hours
    cdef uint32_t top
    if PyBytes_GET_SIZE(value) < HEADER or held[0] != VERSION or held[1] & 0xCC:
        return False
    row.wide, row.narrow, row.minutes = held[1] >> 4, held[1] & 15, <uint8_t>held[2]
    memcpy(&hours, held + 4, 2)
    row.hours = hours
    memcpy(&top, held + 8, 4)
    row.top_minute = top
    memcpy(&top, held + 12, 4)
    row.top_hour = top
    row.totals = held + HEADER
    row.minute_ages = row.totals + (3 << row.wide)
    row.hour_ages = row.minute_ages + row.minutes
    row.minute_counts = row.hour_ages + 2 * row.hours
    row.hour_counts = row.minute_counts + (3 * row.minutes << row.narrow)
    return row.hour_counts + (3 * row.hours << row.narrow) == held + PyBytes_GET_SIZE(value)


cdef inline int64_t number(const char *numbers, Py_ssize_t at, int width) noexcept nogil:
    cdef uint64_t value = 0
    memcpy(&value, numbers + (at << width), 1 << width)
    return <int64_t>value


cdef int fill(View *view, int64_t *place, int64_t top, Py_ssize_t n, const char *ages, int age_width,
              const char *counts, int width, object cells) except -1:
    """Give an empty slot the cells of one level, the oldest first, so that the next pane comes last."""
    cdef int64_t floor = max(top - view.horizon, -1), pane, first, at, live = 0
    cdef Py_ssize_t i, k, size = 0
    cdef Pool *pool
    place[0] = top
    for i in range(n):
        live += top - number(ages, i, age_width) > floor
    if live == 0:
        return 0
    while size < view.last and view.pools[size].capacity < live:
        size += 1
    first = new_block(view, size, cells)
    pool = &view.pools[size]
    live = min(live, pool.capacity)
    place[1] = first << 16 | live << 4 | (size + 1)
    first *= pool.capacity
    at = first
    for i in range(n - 1, -1, -1):
        pane = top - number(ages, i, age_width)
        if pane <= floor:
            continue
        if size == view.last:
            at = first + (pane & (pool.capacity - 1))
        pool.cells[CELL * at] = pane
        for k in range(3):
            pool.cells[CELL * at + 1 + k] = number(counts, k * n + i, width)
        at += 1
    return 0


def load(counters, cnp.ndarray slots, list values):
    """Fill empty slots with stored rows (None: it stays empty). RowVersionError or ValueError before any is filled."""
    cdef View minutes, hours
    cdef Row row
    cdef int64_t *records = <int64_t *>cnp.PyArray_DATA(counters.records)
    cdef int64_t *whose = <int64_t *>cnp.PyArray_DATA(slots)
    cdef int64_t *record
    cdef Py_ssize_t i, k
    cdef object minute_cells = counters.minutes, hour_cells = counters.hours
    for i in range(cnp.PyArray_SIZE(slots)):
        if values[i] is not None and not read(&row, values[i]):
            decode([values[i]])  # says what is wrong with it
            raise ValueError("counter row that cannot be read")
    look(&minutes, minute_cells)
    look(&hours, hour_cells)
    try:
        for i in range(cnp.PyArray_SIZE(slots)):
            if values[i] is None:
                continue
            read(&row, values[i])
            record = &records[RECORD * whose[i]]
            for k in range(3):
                record[k] = number(row.totals, k, row.wide)
            fill(&minutes, record + TOP_MINUTE, row.top_minute, row.minutes, row.minute_ages, 0,
                 row.minute_counts, row.narrow, minute_cells)
            fill(&hours, record + TOP_HOUR, row.top_hour, row.hours, row.hour_ages, 1,
                 row.hour_counts, row.narrow, hour_cells)
    finally:
        told(&minutes, minute_cells)
        told(&hours, hour_cells)
