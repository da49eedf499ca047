"""The best entities of every chart, and their entries in JSON."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t, uint8_t
from libc.string cimport memcmp, memcpy

import numpy as np

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *p) nogil

cdef enum:
    ENTRY_BYTES = 140  # without its id: names and punctuation, and four numbers of up to 20 digits
    PREFIX = 8

cdef struct Place:
    # Of a slot in a chart: what decides mostly, in one piece.
    int64_t score
    uint64_t prefix
    int64_t slot


cdef uint64_t prefix_of(int64_t slot, uint64_t[::1] prefixes, list names) noexcept:
    """The first bytes of an id, in their order as a number; kept by slot."""
    cdef const uint8_t *name
    cdef Py_ssize_t size, i
    cdef uint64_t found = 0
    if not prefixes[slot]:
        name = <const uint8_t *>PyBytes_AS_STRING(<object>PyList_GET_ITEM(names, slot))
        size = PyBytes_GET_SIZE(<object>PyList_GET_ITEM(names, slot))
        for i in range(1, 1 + PREFIX):
            found = found << 8 | (name[i] if i < size else 0)
        prefixes[slot] = found
    return prefixes[slot]


cdef bint later(int64_t a, int64_t b, list names) noexcept:
    """Whether the name of slot a comes after that of slot b."""
    cdef object x = <object>PyList_GET_ITEM(names, a), y = <object>PyList_GET_ITEM(names, b)
    cdef int order = memcmp(PyBytes_AS_STRING(x), PyBytes_AS_STRING(y), min(PyBytes_GET_SIZE(x), PyBytes_GET_SIZE(y)))
    return order > 0 if order else PyBytes_GET_SIZE(x) > PyBytes_GET_SIZE(y)


cdef inline bint worse(const Place *a, const Place *b, list names) noexcept:
    """Whether a comes after b in the same chart."""
    if a.score != b.score:
        return a.score < b.score
    if a.prefix != b.prefix:
        return a.prefix > b.prefix
    return later(a.slot, b.slot, names)


cdef void sink(Place *heap, Py_ssize_t size, list names) noexcept:
    """Move the first of a heap, whose root is the worst, to where it belongs."""
    cdef Py_ssize_t at = 0, child
    cdef Place moved = heap[0]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and worse(&heap[child + 1], &heap[child], names):
            child += 1
        if not worse(&heap[child], &moved, names):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


cdef void rise(Place *heap, Py_ssize_t at, list names) noexcept:
    cdef Place moved = heap[at]
    while at and worse(&moved, &heap[(at - 1) // 2], names):
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = moved


def best(const int64_t[::1] scores, const int64_t[::1] numbers, const uint8_t[::1] wanted, Py_ssize_t size,
         list names not None, uint64_t[::1] prefixes):
    """The `size` best of every wanted chart, by (chart, -score, name), and how many each chart has.

    `scores` (none if not above 0), `numbers` (charts), `names` and `prefixes` (0: not known yet) stand by slot. Slots
    that stay out of their chart cost a look at their score.
    """
    cdef Py_ssize_t charts = wanted.shape[0], slot, chart, left, i, at = 0
    kept, taken = np.empty((charts * size, 3), np.int64), np.zeros(charts, np.int64)
    cdef int64_t[:, ::1] space = kept
    cdef int64_t[::1] counts = taken
    cdef Place *heaps = <Place *>&space[0, 0] if charts else NULL
    cdef Place *heap
    cdef Place new
    for slot in range(scores.shape[0]):
        new.score, new.slot = scores[slot], slot
        if new.score <= 0 or not wanted[numbers[slot]]:
            continue
        chart = numbers[slot]
        heap = heaps + chart * size
        if counts[chart] < size:
            new.prefix = prefix_of(slot, prefixes, names)
            heap[counts[chart]] = new
            rise(heap, counts[chart], names)
            counts[chart] += 1
        elif new.score >= heap.score:
            new.prefix = prefix_of(slot, prefixes, names)
            if worse(heap, &new, names):
                heap[0] = new
                sink(heap, size, names)
    slots = np.empty(int(taken.sum()), np.int64)
    cdef int64_t[::1] out = slots
    for chart in range(charts):
        heap = heaps + chart * size
        for left in range(counts[chart] - 1, 0, -1):
            heap[0], heap[left] = heap[left], heap[0]
            sink(heap, left, names)
        for i in range(counts[chart]):
            out[at] = heap[i].slot
            at += 1
    return slots, taken


cdef inline char *put_text(char *to, const char *text, Py_ssize_t size) noexcept:
    memcpy(to, text, size)
    return to + size


cdef inline char *put_number(char *to, int64_t number) noexcept:
    cdef uint64_t rest = <uint64_t>number, limit = 10
    cdef int size = 1, i
    while size < 19 and rest >= limit:
        limit *= 10
        size += 1
    for i in range(size - 1, -1, -1):
        to[i] = <char>(48 + rest % 10)
        rest //= 10
    return to + size


cdef Py_ssize_t put_id(char *to, const uint8_t *name, Py_ssize_t size) except -2:
    """Write the id in a name that stands behind the kind's letter -> its length; -1 if it needs escapes in JSON."""
    cdef Py_ssize_t i = 0
    while i < size and name[i]:
        if name[i] < 32 or name[i] == 34 or name[i] == 92:
            return -1
        to[i] = <char>name[i]
        i += 1
    if i == size:
        raise ValueError("a name without a scope")
    return i


def entries(const int64_t[::1] slots, const int64_t[::1] scores, const int64_t[:, ::1] sums, list names not None):
    """Entries of these slots as a JSON array, or None if an id needs escapes. Counts and scores are not negative."""
    cdef Py_ssize_t size = 2, i, length
    cdef char *to
    cdef char *start
    cdef object name
    cdef int64_t slot
    cdef PyObject **items = (<PyListObject *>names).ob_item
    for i in range(slots.shape[0]):
        prefetch(&items[slots[i]])
        prefetch(&sums[slots[i], 0])
        prefetch(&scores[slots[i]])
    for i in range(slots.shape[0]):
        prefetch(items[slots[i]])
    for i in range(slots.shape[0]):
        size += ENTRY_BYTES + PyBytes_GET_SIZE(<object>PyList_GET_ITEM(names, slots[i]))
    buffer = PyBytes_FromStringAndSize(NULL, size)
    start = to = PyBytes_AS_STRING(buffer)
    to = put_text(to, b"[", 1)
    for i in range(slots.shape[0]):
        slot = slots[i]
        name = <object>PyList_GET_ITEM(names, slot)
        if i:
            to = put_text(to, b",", 1)
        to = put_text(to, b'{"id":"', 7)
        length = put_id(to, <const uint8_t *>PyBytes_AS_STRING(name) + 1, PyBytes_GET_SIZE(name) - 1)
        if length < 0:
            return None
        to += length
        to = put_number(put_text(to, b'","score":', 10), scores[slot])
        to = put_number(put_text(to, b',"views":', 9), sums[slot, 0])
        to = put_number(put_text(to, b',"likes":', 9), sums[slot, 1])
        to = put_number(put_text(to, b',"shares":', 10), sums[slot, 2])
        to = put_text(to, b"}", 1)
    to = put_text(to, b"]", 1)
    return buffer[: to - start]
