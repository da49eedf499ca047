"""Rows of a table in the order of their keys, as a file of the local copy takes them."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp, memcpy, memset


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


cdef Py_ssize_t alike(list keys) except -1:
    """How many first bytes all keys have in common. TypeError if one is no bytes."""
    cdef object first = keys[0]
    cdef object key
    cdef const char *text = PyBytes_AS_STRING(first)
    cdef Py_ssize_t i, j, count = len(keys), common = PyBytes_GET_SIZE(first)
    for i in range(count):
        if i + AHEAD < count:
            prefetch(<char *>PyList_GET_ITEM(keys, i + AHEAD) + LATER)
        key = keys[i]
        if type(key) is not bytes:
            raise TypeError("keys are bytes")
        common = min(common, PyBytes_GET_SIZE(key))
        j = 0
        while j < common and PyBytes_AS_STRING(key)[j] == text[j]:
            j += 1
        common = j
    return common


cdef int sort_places(Place *places, Py_ssize_t count) except -1:
    """By head in eight passes, one for each byte of it; rows of the same head by their keys. O(rows) if heads differ."""
    cdef Place *spare = <Place *>malloc(count * sizeof(Place))
    cdef Place *source = places
    cdef Place *target = spare
    cdef Py_ssize_t ends[8][256]
    cdef Py_ssize_t i, byte, digit, sum, begin
    if spare is NULL:
        raise MemoryError
    memset(ends, 0, sizeof(ends))
    for i in range(count):
        for byte in range(8):
            ends[byte][places[i].head >> 8 * byte & 255] += 1
    for byte in range(8):
        if ends[byte][places[0].head >> 8 * byte & 255] == count:
            continue
        sum = 0
        for digit in range(256):
            sum += ends[byte][digit]
            ends[byte][digit] = sum - ends[byte][digit]
        for i in range(count):
            digit = source[i].head >> 8 * byte & 255
            target[ends[byte][digit]] = source[i]
            ends[byte][digit] += 1
        source, target = target, source
    if source != places:
        memcpy(places, source, count * sizeof(Place))
    free(spare)
    begin = 0
    for i in range(1, count + 1):
        if i == count or places[i].head != places[begin].head:
            if i - begin > 1:
                qsort(places + begin, i - begin, sizeof(Place), compared)
            begin = i
    return 0


cdef class Ordered:
    """The rows of a dictionary (bytes -> bytes or None), sorted when it is made; it keeps them alive."""

    def __cinit__(self, dict rows not None, bytes first not None):
        """`first` is put before every key. O(rows log rows)."""
        cdef Py_ssize_t i, common, size
        cdef bytes key
        self.keys, self.values, self.first, self.count = list(rows), list(rows.values()), first, len(rows)
        self.places = <Place *>malloc(max(self.count, 1) * sizeof(Place))
        if self.places is NULL:
            raise MemoryError
        common = alike(self.keys) if self.count else 0
        for i in range(self.count):
            if i + AHEAD < self.count:
                prefetch(<char *>PyList_GET_ITEM(self.keys, i + AHEAD) + LATER)
            key = self.keys[i]
            size = PyBytes_GET_SIZE(key)
            self.places[i] = Place(
                head_of(PyBytes_AS_STRING(key) + common, size - common), PyBytes_AS_STRING(key), size, i
            )
        if self.count:
            sort_places(self.places, self.count)

    def __dealloc__(self):
        free(self.places)

    def __len__(self):
        return self.count

    cdef void ask_for(self, Py_ssize_t at) noexcept:
        """Have the memory of a row at hand soon, if there is such a row."""
        cdef PyObject *value
        cdef Py_ssize_t i
        if at < self.count:
            prefetch(self.places[at].key)
            value = <PyObject *>PyList_GET_ITEM(self.values, self.places[at].number)
            for i in range(LINES):
                prefetch(<char *>value + 64 * i)

    def part(self, Py_ssize_t at, Py_ssize_t end):
        """(`first` + key, value) of the rows in [at, end) of the order, as far as there are so many."""
        cdef Py_ssize_t i, before = PyBytes_GET_SIZE(self.first)
        cdef bytes key
        if at < 0:
            raise ValueError("no such row")
        end = min(end, self.count)
        rows = []
        for i in range(at, end):
            self.ask_for(i + AHEAD)
            key = PyBytes_FromStringAndSize(NULL, before + self.places[i].size)
            memcpy(PyBytes_AS_STRING(key), PyBytes_AS_STRING(self.first), before)
            memcpy(PyBytes_AS_STRING(key) + before, self.places[i].key, self.places[i].size)
            rows.append((key, self.values[self.places[i].number]))
        return rows
