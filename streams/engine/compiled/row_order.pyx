"""Rows of a table in the order of their keys, as a file of the local copy takes them."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp, memcpy

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *p) nogil

cdef enum:
    AHEAD = 16  # rows between asking for the memory of one and its use
    LINES = 4  # of 64 bytes, asked for of each value


cdef struct Place:
    uint64_t head  # of the key, so that most comparisons need no other memory
    const char *key
    Py_ssize_t size
    Py_ssize_t number


cdef inline uint64_t head_of(const char *key, Py_ssize_t size) noexcept nogil:
    """The first eight bytes, zeros after the end, as a number that orders as they do."""
    cdef uint64_t head = 0
    cdef Py_ssize_t i
    for i in range(8):
        head = head << 8 | (<unsigned char>key[i] if i < size else 0)
    return head


cdef int compared(const void *a, const void *b) noexcept nogil:
    cdef const Place *one = <const Place *>a
    cdef const Place *two = <const Place *>b
    cdef int found
    if one.head != two.head:
        return -1 if one.head < two.head else 1
    found = memcmp(one.key, two.key, min(one.size, two.size))
    if found:
        return found
    return (one.size > two.size) - (one.size < two.size)


cdef Py_ssize_t alike(list keys) noexcept:
    """How many first bytes all keys have in common."""
    cdef PyObject *first = <PyObject *>PyList_GET_ITEM(keys, 0)
    cdef PyObject *key
    cdef const char *text = PyBytes_AS_STRING(<object>first)
    cdef Py_ssize_t i, j, common = PyBytes_GET_SIZE(<object>first)
    for i in range(len(keys)):
        key = <PyObject *>PyList_GET_ITEM(keys, i)
        common = min(common, PyBytes_GET_SIZE(<object>key))
        j = 0
        while j < common and PyBytes_AS_STRING(<object>key)[j] == text[j]:
            j += 1
        common = j
    return common


cdef class Ordered:
    """The rows of a dictionary (bytes -> bytes or None), sorted when it is made; it keeps them alive."""

    cdef list keys, values
    cdef bytes first
    cdef Place *places
    cdef Py_ssize_t count

    def __cinit__(self, dict rows not None, bytes first not None):
        """`first` is put before every key. O(rows log rows)."""
        cdef Py_ssize_t i, common, size
        cdef bytes key
        self.keys, self.values, self.first, self.count = list(rows), list(rows.values()), first, len(rows)
        self.places = <Place *>malloc(max(self.count, 1) * sizeof(Place))
        if self.places is NULL:
            raise MemoryError
        for key in self.keys:  # TypeError if one is no bytes
            if key is None:
                raise TypeError("keys are bytes")
        common = alike(self.keys) if self.count else 0
        for i in range(self.count):
            key = self.keys[i]
            size = PyBytes_GET_SIZE(key)
            self.places[i] = Place(
                head_of(PyBytes_AS_STRING(key) + common, size - common), PyBytes_AS_STRING(key), size, i
            )
        qsort(self.places, self.count, sizeof(Place), compared)

    def __dealloc__(self):
        free(self.places)

    def __len__(self):
        return self.count

    def part(self, Py_ssize_t at, Py_ssize_t end):
        """(`first` + key, value) of the rows in [at, end) of the order, as far as there are so many."""
        cdef Py_ssize_t i, j, before = PyBytes_GET_SIZE(self.first)
        cdef PyObject *value
        cdef bytes key
        if at < 0:
            raise ValueError("no such row")
        end = min(end, self.count)
        rows = []
        for i in range(at, end):
            if i + AHEAD < end:
                prefetch(self.places[i + AHEAD].key)
                value = <PyObject *>PyList_GET_ITEM(self.values, self.places[i + AHEAD].number)
                for j in range(LINES):
                    prefetch(<char *>value + 64 * j)
            key = PyBytes_FromStringAndSize(NULL, before + self.places[i].size)
            memcpy(PyBytes_AS_STRING(key), PyBytes_AS_STRING(self.first), before)
            memcpy(PyBytes_AS_STRING(key) + before, self.places[i].key, self.places[i].size)
            rows.append((key, self.values[self.places[i].number]))
        return rows
