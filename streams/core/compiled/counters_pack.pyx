"""Tally messages written."""

import sys

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset

cnp.import_array()
if sys.byteorder != "little":
    raise ImportError("columns are written as numbers lie in memory: little-endian only")

cdef enum:
    HEADER = 44
    VERSION = 1
cdef int64_t TOTAL_ONLY = <int64_t>3 << 30


cdef int pack_width(int64_t low, int64_t high, bint is_signed) noexcept:
    """Code of the narrowest column that holds low..high."""
    cdef int width
    for width in range(3):
        if is_signed:
            if low >= -(<int64_t>1 << ((8 << width) - 1)) and high < <int64_t>1 << ((8 << width) - 1):
                return width
        elif high < <int64_t>1 << (8 << width):
            return width
    return 3


cdef char *narrow(char *out, const int64_t *column, Py_ssize_t n, Py_ssize_t step, int64_t base, int width) noexcept:
    cdef Py_ssize_t i
    cdef int64_t value
    if width == 0:
        for i in range(n):
            out[i] = <char>(column[i * step] - base)
    else:
        for i in range(n):
            value = column[i * step] - base
            memcpy(out + (i << width), &value, 1 << width)
    return out + (n << width)


cdef struct Part:
    # Widths of the columns of some names, and their least code.
    int widths[5]
    int64_t base


cdef Part measure(const int64_t *per, Py_ssize_t names, const int64_t *codes, const int64_t *counts, Py_ssize_t cells):
    cdef Part part
    cdef int64_t low[3]
    cdef int64_t high[3]
    cdef int64_t most = 0, newest
    cdef Py_ssize_t i, k
    memset(&part, 0, sizeof(part))
    for i in range(names):
        most = max(most, per[i])
    part.widths[0] = pack_width(0, most, False)
    if cells == 0:
        return part
    part.base = newest = codes[0]
    for k in range(3):
        low[k] = high[k] = counts[k]
    for i in range(cells):
        part.base, newest = min(part.base, codes[i]), max(newest, codes[i])
        for k in range(3):
            low[k], high[k] = min(low[k], counts[3 * i + k]), max(high[k], counts[3 * i + k])
    part.widths[1] = pack_width(0, newest - part.base, False)
    for k in range(3):
        part.widths[2 + k] = pack_width(low[k], high[k], True)
    return part


def pack(int64_t origin, int64_t flush, int64_t watermark_ms, list names, cnp.ndarray per_name, cnp.ndarray codes,
         cnp.ndarray counts, int64_t limit):
    """Messages, the same as those of `core.tallies.pack`. The columns are contiguous numbers of 8 bytes."""
    cdef int64_t *per = <int64_t *>cnp.PyArray_DATA(per_name)
    cdef int64_t *code = <int64_t *>cnp.PyArray_DATA(codes)
    cdef int64_t *values = <int64_t *>cnp.PyArray_DATA(counts)
    cdef Py_ssize_t n = len(names), first = 0, last, a = 0, b, i, blob, whole = cnp.PyArray_SIZE(codes)
    cdef Part part
    cdef int64_t cell_size = 0, name_size, room = limit - HEADER, left = whole, size, used
    cdef char *out
    cdef bytes message, name
    cdef list messages = []
    cdef int64_t head[5]
    cdef uint32_t sizes[3]
    for i in range(n):
        if per[i] < 0 or per[i] > left:
            return None  # no tally
        left -= per[i]
    if left:
        return None
    part = measure(per, n, code, values, whole)
    name_size = 1 + (1 << part.widths[0])
    if whole and pack_width(0, max(part.base, 0) + TOTAL_ONLY - part.base, False) > 2:
        return None  # codes that no tally has
    for i in range(1, 5):
        cell_size += 1 << part.widths[i]
    while True:
        last, b, used, blob = first, a, 0, 0
        while last < n:
            name = names[last]
            size = PyBytes_GET_SIZE(name) + name_size + per[last] * cell_size
            if used + size > room and last > first:
                break
            used += size
            blob += PyBytes_GET_SIZE(name)
            b += per[last]
            last += 1
        blob += max(last - first - 1, 0)
        part = measure(per + first, last - first, code + a, values + 3 * a, b - a)
        size = HEADER + blob + ((last - first) << part.widths[0])
        for i in range(1, 5):
            size += (b - a) << part.widths[i]
        message = PyBytes_FromStringAndSize(NULL, size)
        out = PyBytes_AS_STRING(message)
        out[0], out[1] = VERSION, <char>(part.widths[0] << 4 | part.widths[1])
        out[2], out[3] = <char>(part.widths[2] << 4 | part.widths[3]), <char>part.widths[4]
        sizes[0] = <uint32_t>origin
        memcpy(out + 4, sizes, 4)
        head[0], head[1], head[2] = flush, watermark_ms, part.base
        memcpy(out + 8, head, 24)
        sizes[0], sizes[1], sizes[2] = <uint32_t>(last - first), <uint32_t>(b - a), <uint32_t>blob
        memcpy(out + 32, sizes, 12)
        out += HEADER
        for i in range(first, last):
            name = names[i]
            if i > first:
                out[0] = 1
                out += 1
            memcpy(out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            out += PyBytes_GET_SIZE(name)
        out = narrow(out, per + first, last - first, 1, 0, part.widths[0])
        out = narrow(out, code + a, b - a, 1, part.base, part.widths[1])
        for i in range(3):
            out = narrow(out, values + 3 * a + i, b - a, 3, 0, part.widths[2 + i])
        messages.append(message)
        if last == n:
            return messages
        first, a = last, b
