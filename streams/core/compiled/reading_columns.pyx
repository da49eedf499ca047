"""What readers show of many rows, as columns: the same values as `core.reading_columns` makes in Python."""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from streams.core.compiled.counters cimport SEED, NameTable, kc_hash, prefetch
from streams.core.compiled.reading cimport (
    MOST, Entry, Head, Rank, Weighing, best, read_head, read_topics, read_totals, weighing_of,
)

cdef enum:
    AT_ONCE = 32  # rows
    BEGIN = 48  # into an object of bytes: the 16th of them

cdef enum:  # as core.reading_columns.VideoStatus
    NO_FACTS = 1
    LIVE = 2
    NOT_LIVE = 3
    REMOVED = 4


cdef extern from "Python.h":
    PyObject* PyTuple_GET_ITEM(object items, Py_ssize_t at)


cdef Py_ssize_t most_topics(list values, int version, int limit) except -2:
    """How many topics these rows have at most; -1: one of them cannot be read."""
    cdef Py_ssize_t most = 0
    cdef bytes value
    cdef Head head
    for value in values:
        if value is not None:
            if not read_head(value, version, &head):
                return -1
            most += min(limit, <int>head.positive + <int>head.negative)
    return most


def users(list values, const int64_t[::1] at_least_ms, int version, double base, tuple half_lives_ms, tuple shares,
          int limit):
    """What `UserReadColumns` consists of, in that order.

    None instead if one of the rows cannot be read: the version in Python says why.
    """
    cdef Weighing weighing = weighing_of(base, half_lives_ms, shares)
    cdef Entry entries[MOST]
    cdef Rank ranks[MOST]
    cdef const Entry* entry
    cdef Head head
    cdef bytes value
    cdef Py_ssize_t n = len(values), most = most_topics(values, version, limit), i, at = 0
    cdef int count, k
    if at_least_ms.shape[0] != n:
        raise ValueError("columns must have one length")
    if most < 0:
        return None
    bytes_of, times_of, counts_of = np.zeros((3, n), np.uint8), np.zeros((2, n), np.int64), np.zeros((n, 5), np.uint32)
    starts_of, topics_of, weights_of = np.zeros(n + 1, np.int64), np.empty(most, np.uint32), np.empty((4, most))
    cdef uint8_t[:, ::1] small = bytes_of
    cdef int64_t[:, ::1] times_ms = times_of
    cdef uint32_t[:, ::1] counts = counts_of
    cdef int64_t[::1] starts = starts_of
    cdef uint32_t[::1] topics = topics_of
    cdef double[:, ::1] weights = weights_of
    for i in range(n):
        value = values[i]
        if value is not None:
            read_head(value, version, &head)
            small[0, i], small[1, i], small[2, i] = 1, head.account, head.flags
            times_ms[0, i], times_ms[1, i] = max(at_least_ms[i], head.last_ms), head.last_ms
            memcpy(&counts[i, 0], &head.views, 5 * sizeof(uint32_t))
            count = read_topics(PyBytes_AS_STRING(value), &head, times_ms[0, i], &weighing, entries)
            if count < 0:
                return None
            count = best(entries, count, limit, &weighing, ranks)
            for k in range(count):
                entry = entries + ranks[k].at
                topics[at], weights[0, at], weights[1, at] = ranks[k].topic, ranks[k].score, entry.fast
                weights[2, at], weights[3, at] = entry.slow, entry.bad
                at += 1
        starts[i + 1] = at
    found, account, flags = bytes_of
    return found.view(np.bool_), account, flags, *times_of, counts_of, starts_of, topics_of[:at], *weights_of[:, :at]


cdef Py_ssize_t past(const uint8_t* p, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """Where the MessagePack value at `at` ends; -1: not before `size`, or no row of facts has such a value."""
    cdef int64_t left = 1, told
    cdef int kind, wide, i
    while left > 0:
        if at >= size:
            return -1
        kind = p[at]
        at, left = at + 1, left - 1
        if kind < 0x80 or kind >= 0xE0 or kind == 0xC0 or kind == 0xC2 or kind == 0xC3:
            continue  # small integers, null, booleans
        if kind < 0xA0:  # a map or an array of up to 15
            left += (kind & 15) << (kind < 0x90)
        elif kind < 0xC0:  # a text of up to 31 bytes
            at += kind & 31
        elif 0xCC <= kind <= 0xD3:  # integers of 1, 2, 4 or 8 bytes
            at += 1 << (kind & 3)
        elif 0xD9 <= kind <= 0xDD:  # a text whose length takes 1, 2 or 4 bytes, an array whose takes 2 or 4
            wide = 1 << (kind - 0xD9) if kind < 0xDC else 2 << (kind - 0xDC)
            if size - at < wide:
                return -1
            told = 0
            for i in range(wide):
                told = told << 8 | p[at + i]
            at += wide
            if kind < 0xDC:
                at += told
            else:
                left += told
        else:
            return -1
    return at


cdef int told_by(bytes row, int version) noexcept:
    """From the beginning of a row of facts: offset, live, facts or null. -1: it cannot be told, or it is cut."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(row)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(row), at
    if size < 5 or p[0] != version or not 0x93 <= p[1] <= 0x9F or past(p, 1, size) != size:
        return -1
    if not (p[2] < 0x80 or p[2] >= 0xE0 or 0xCC <= p[2] <= 0xD3):
        return -1
    at = past(p, 2, size)
    if p[at] != 0xC2 and p[at] != 0xC3:
        return -1
    if p[at + 1] == 0xC0:
        return REMOVED
    return LIVE if p[at] == 0xC3 else NOT_LIVE


cdef uint32_t number_of(NameTable table, const char* text, Py_ssize_t size) except? 0:
    """The number of a name: the next one if it is new."""
    cdef uint32_t hashed = kc_hash(text, size, SEED)
    cdef int64_t number = table.at(text, size, hashed)
    if number < 0:
        number = len(table.names)
        table.reserve(1)
        table.names.append(PyBytes_FromStringAndSize(text, size))
        table.set(<uint64_t>hashed << 32 | <uint64_t>(number + 1))
        table.count += 1
    return <uint32_t>number


cdef inline void ask(const PyObject* some) noexcept nogil:
    """For the memory of bytes that will be needed soon: what Python keeps with them, and their beginning."""
    prefetch(some)
    prefetch(<const char*>some + BEGIN)


cdef void gather(list held, PyObject** keys):
    """The keys of all videos, one after the other."""
    cdef Py_ssize_t i
    cdef tuple of_video
    for of_video in held:
        if of_video is not None:
            for i in range(len(of_video)):
                keys[0] = PyTuple_GET_ITEM(of_video, i)
                keys += 1


cdef int look_up(PyObject** keys, Py_ssize_t count, dict rows, PyObject** found) except -1:
    """The next rows, asked for, so that no look-up waits until a row has come; so are the keys of those after them."""
    cdef Py_ssize_t i
    for i in range(min(count, AT_ONCE)):
        if i + AT_ONCE < count:
            ask(keys[i + AT_ONCE])
        found[i] = PyDict_GetItemWithError(rows, <object>keys[i])
        if found[i] is NULL:
            raise KeyError(<object>keys[i])
        ask(found[i])
    return 0


def videos(list names, dict keys_of, dict rows, int version, Py_ssize_t header):
    """What `VideoReadColumns` consists of, in that order. None instead as with `users`."""
    cdef list held = [keys_of.get(name) for name in names], regions = [], facts = [None] * len(names)
    cdef Py_ssize_t n = len(names), most = sum([len(keys) for keys in held if keys is not None]), i, j = 0, tail, at = 0
    cdef int told, k
    cdef bytes name, key, value
    cdef tuple keys
    cdef NameTable table = NameTable(regions)
    cdef PyObject* found[AT_ONCE]
    status_of, totals_of, starts_of = np.zeros(n, np.uint8), np.zeros((n, 3), np.uint64), np.zeros(n + 1, np.int64)
    region_of, by_region_of = np.empty(most, np.uint32), np.empty((most, 3), np.uint64)
    cdef uint8_t[::1] status = status_of
    cdef uint64_t[:, ::1] totals = totals_of
    cdef int64_t[::1] starts = starts_of
    cdef uint32_t[::1] region = region_of
    cdef uint64_t[:, ::1] by_region = by_region_of
    cdef uint64_t[::1] pointers = np.empty(most, np.uint64)
    cdef PyObject** all_keys = <PyObject**>&pointers[0]
    gather(held, all_keys)
    for i in range(n):
        keys = held[i]
        if keys is not None:
            name, status[i] = names[i], NO_FACTS
            for key in keys:
                if j % AT_ONCE == 0:
                    look_up(all_keys + j, most - j, rows, found)
                value, tail = <object>found[j % AT_ONCE], len(key) - len(name) - 1
                j += 1
                if value is None or tail < 0:
                    return None
                if tail == 0:
                    told, facts[i] = told_by(value, version), value
                    if told < 0:
                        return None
                    status[i] = told
                    continue
                if not read_totals(value, version, header, &by_region[at, 0]):
                    return None
                for k in range(3):
                    totals[i, k] += by_region[at, k]
                    if totals[i, k] < by_region[at, k]:
                        return None
                region[at] = number_of(table, PyBytes_AS_STRING(key) + len(name) + 1, tail)
                at += 1
        starts[i + 1] = at
    texts = [text.decode() for text in regions]
    return status_of, totals_of, starts_of, texts, region_of[:at], by_region_of[:at], facts
