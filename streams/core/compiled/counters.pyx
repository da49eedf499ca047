"""Slots of names: a hash table over bytes."""

import numpy as np

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item

cdef enum:
    AT_ONCE = 256
    AHEAD = 16
    LETTERS = 40  # into an object of bytes: the first of them

cnp.import_array()
SEED = <uint64_t><int64_t>hash(b"names of rows")  # drawn anew by each process


cdef class NameTable:
    """Slots by name. `names` is the owner's list of names by slot; entries are hash << 32 | slot + 1."""

    def __cinit__(self, list names):
        self.names, self.size, self.count = names, 64, 0
        self.entries = <uint64_t *>calloc(self.size, 8)
        if self.entries is NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.entries)

    def __len__(self):
        return self.count

    cdef int64_t at(self, const char *name, Py_ssize_t length, uint32_t hashed) noexcept:
        """The slot of a name, -1 if it has none."""
        cdef Py_ssize_t place = hashed & (self.size - 1)
        cdef uint64_t entry = self.entries[place]
        cdef void *known
        while entry:
            if entry >> 32 == hashed:
                known = <void *>PyList_GET_ITEM(self.names, <int64_t><uint32_t>entry - 1)
                if PyBytes_GET_SIZE(<object>known) == length:
                    if not memcmp(PyBytes_AS_STRING(<object>known), name, length):
                        return <int64_t><uint32_t>entry - 1
            place = (place + 1) & (self.size - 1)
            entry = self.entries[place]
        return -1

    cdef void approach(self, const uint32_t *hashes, Py_ssize_t n, const char *records, Py_ssize_t stride) noexcept:
        """Ask for the memory that searches for these hashes will need, all of it at once."""
        cdef Py_ssize_t i, place
        cdef uint64_t entry
        cdef int64_t slots[AT_ONCE]
        cdef PyObject **items = (<PyListObject *>self.names).ob_item
        for i in range(n):
            prefetch(&self.entries[hashes[i] & (self.size - 1)])
        for i in range(n):
            place, slots[i] = hashes[i] & (self.size - 1), -1
            entry = self.entries[place]
            while entry and entry >> 32 != hashes[i]:
                place = (place + 1) & (self.size - 1)
                entry = self.entries[place]
            if entry:
                slots[i] = <int64_t><uint32_t>entry - 1
                prefetch(&items[slots[i]])
                prefetch(records + slots[i] * stride)
        for i in range(n):
            if slots[i] >= 0:
                prefetch(items[slots[i]])
                prefetch(<char *>items[slots[i]] + LETTERS)  # these may lie in the next line

    cdef void set(self, uint64_t entry) noexcept:
        cdef Py_ssize_t place = (entry >> 32) & (self.size - 1)
        while self.entries[place]:
            place = (place + 1) & (self.size - 1)
        self.entries[place] = entry

    cdef int reserve(self, Py_ssize_t more) except -1:
        cdef uint64_t *old = self.entries
        cdef Py_ssize_t size = self.size, i
        if 2 * (self.count + more) <= size:
            return 0
        while 2 * (self.count + more) > self.size:
            self.size *= 2
        self.entries = <uint64_t *>calloc(self.size, 8)
        if self.entries is NULL:
            self.entries, self.size = old, size
            raise MemoryError
        for i in range(size):
            if old[i]:
                self.set(old[i])
        free(old)
        return 0

    def find(self, names):
        """Slots of names, -1 where there is none."""
        cdef Py_ssize_t n = len(names), i = 0
        cdef cnp.ndarray found = np.empty(n, np.int64)
        cdef int64_t *slots = <int64_t *>cnp.PyArray_DATA(found)
        cdef bytes name
        for name in names:
            slots[i] = self.at(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
                               kc_hash(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), SEED))
            i += 1
        return found

    def add(self, names, slots, cnp.ndarray hashes=None):
        """Give distinct names, none of which has one, these slots; the owner has put them into its list.

        `hashes` of the names, 4 bytes each, where they are known.
        """
        cdef list listed = names if isinstance(names, list) else list(names)
        cdef cnp.ndarray given = np.ascontiguousarray(slots if isinstance(slots, np.ndarray) else list(slots), np.int64)
        cdef const int64_t *slot = <const int64_t *>cnp.PyArray_DATA(given)
        cdef Py_ssize_t n = len(listed), i
        cdef uint32_t *hashed
        cdef bytes name
        if cnp.PyArray_SIZE(given) != n or (hashes is not None and cnp.PyArray_SIZE(hashes) != n):
            raise ValueError("as many slots and hashes as names")
        if hashes is None:
            hashes = np.empty(n, np.uint32)
            hashed = <uint32_t *>cnp.PyArray_DATA(hashes)
            for i in range(n):
                name = <bytes?>PyList_GET_ITEM(listed, i)
                hashed[i] = kc_hash(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), SEED)
        hashed = <uint32_t *>cnp.PyArray_DATA(hashes)
        self.reserve(n)
        for i in range(n):
            if i + AHEAD < n:
                prefetch(&self.entries[hashed[i + AHEAD] & (self.size - 1)])
            self.set(<uint64_t>hashed[i] << 32 | <uint64_t>(slot[i] + 1))
        self.count += n

    def remove(self, slots):
        """Forget slots that have names."""
        cdef uint64_t slot
        cdef Py_ssize_t place, hole, mask = self.size - 1
        cdef bytes name
        for slot in slots:
            name = self.names[slot]
            place = kc_hash(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), SEED) & mask
            while <uint32_t>self.entries[place] != slot + 1:
                if not self.entries[place]:
                    raise KeyError(name)
                place = (place + 1) & mask
            self.count -= 1
            # Entries behind the hole that may stand there move up, so that no search stops short of them.
            hole = place
            while True:
                place = (place + 1) & mask
                if not self.entries[place]:
                    break
                if ((place - <Py_ssize_t>(self.entries[place] >> 32)) & mask) >= ((place - hole) & mask):
                    self.entries[hole] = self.entries[place]
                    hole = place
            self.entries[hole] = 0


cdef class Absent:
    """Places, names and hashes of names that have no slot."""

    def __cinit__(self, Py_ssize_t room):
        self.names, self.places, self.hashes = [], np.empty(room, np.int64), np.empty(room, np.uint32)
        self.place = <int64_t *>cnp.PyArray_DATA(self.places)
        self.hashed = <uint32_t *>cnp.PyArray_DATA(self.hashes)

    cdef int note(self, Py_ssize_t place, bytes name, uint32_t hashed) except -1:
        cdef Py_ssize_t n = PyList_GET_SIZE(self.names)
        self.place[n], self.hashed[n] = place, hashed
        self.names.append(name)
        return 0

    cdef bint twice(self) except -1:
        """Whether a name is among them twice. Names are compared only if two hashes are the same."""
        cdef Py_ssize_t n = PyList_GET_SIZE(self.names), size = 64, i, at
        cdef uint32_t *seen
        cdef bint same = False
        while size < 2 * n:
            size *= 2
        seen = <uint32_t *>calloc(size, 4)
        if seen is NULL:
            raise MemoryError
        for i in range(n):
            at = self.hashed[i] & (size - 1)
            while seen[at] and seen[at] != self.hashed[i]:
                at = (at + 1) & (size - 1)
            same |= seen[at] == self.hashed[i]
            seen[at] = self.hashed[i]
        free(seen)
        return same and len(set(self.names)) < n

    cdef tuple columns(self):
        cdef Py_ssize_t n = PyList_GET_SIZE(self.names)
        return self.places[:n], self.names, self.hashes[:n]
