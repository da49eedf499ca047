"""Rows of scope `*` that belong to rows of entities."""

import numpy as np

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint8_t
from libc.string cimport memcpy, strlen

from streams.core.compiled.counters cimport SEED, Absent, NameTable, kc_hash, prefetch

cnp.import_array()

cdef enum:
    AT_ONCE = 256


cdef inline Py_ssize_t star_of(bytes key, char *space) noexcept:
    """Write the name of a row's star -> length of its entity; 0 if it is too long for the space."""
    cdef char *name = PyBytes_AS_STRING(key)
    cdef Py_ssize_t end = strlen(name)
    if end > 254 or PyBytes_GET_SIZE(key) - end > 254:
        return 0
    memcpy(space, name, end)
    space[end], space[end + 1] = 0, c"*"
    return end


def stars(cnp.ndarray slots, list names, NameTable rows, NameTable charts):
    """Of rows of entities: the slots of those of scope `*`, the numbers of their charts and of those of their stars;
    -1 where not known. And stars that have no slot: names, hashes, and places in the first column -> which of them.

    `slots` are those of the rows; `names` stand by slot.
    """
    cdef Py_ssize_t n = cnp.PyArray_SIZE(slots), i, first, last, end, size
    cdef cnp.ndarray found = np.full((3, n), -1, np.int64)
    cdef int64_t *out = <int64_t *>cnp.PyArray_DATA(found)
    cdef const int64_t *whose = <const int64_t *>cnp.PyArray_DATA(slots)
    cdef cnp.ndarray which = np.empty(n, np.int64)
    cdef int64_t *number = <int64_t *>cnp.PyArray_DATA(which)
    cdef uint32_t hashes[AT_ONCE]
    cdef char space[256]
    cdef char *name
    cdef bytes star
    cdef dict new = {}
    cdef list places = []
    cdef int64_t at
    cdef Absent absent = Absent(n)
    cdef int64_t of_star[256]
    for i in range(256):
        of_star[i] = -2
    for first in range(0, n, AT_ONCE):
        last = min(first + AT_ONCE, n)
        for i in range(first, last):
            prefetch(<void *>PyList_GET_ITEM(names, whose[i]))
        for i in range(first, last):
            end = star_of(<bytes>PyList_GET_ITEM(names, whose[i]), space)
            hashes[i - first] = kc_hash(space, end + 2, SEED) if end else 0
        rows.approach(hashes, last - first, NULL, 0)
        for i in range(first, last):
            end = star_of(<bytes>PyList_GET_ITEM(names, whose[i]), space)
            if not end:
                continue
            out[i] = rows.at(space, end + 2, hashes[i - first])
            if out[i] < 0:
                star = PyBytes_FromStringAndSize(space, end + 2)
                at = new.setdefault(star, len(new))
                if at == PyList_GET_SIZE(absent.names):
                    absent.note(i, star, hashes[i - first])
                number[len(places)] = at
                places.append(i)
            name = PyBytes_AS_STRING(<bytes>PyList_GET_ITEM(names, whose[i]))
            size = PyBytes_GET_SIZE(<bytes>PyList_GET_ITEM(names, whose[i]))
            out[2 * n + i] = of_star[<uint8_t>space[0]]
            if out[2 * n + i] < -1:
                space[1] = c"*"
                out[2 * n + i] = of_star[<uint8_t>space[0]] = charts.at(space, 2, kc_hash(space, 2, SEED))
            memcpy(space + 1, name + end + 1, size - end - 1)
            out[n + i] = charts.at(space, size - end, kc_hash(space, size - end, SEED))
    return found, places, which[: len(places)], absent.names, absent.columns()[2]
