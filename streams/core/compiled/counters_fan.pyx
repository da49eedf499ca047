"""Cells of videos summed up for the entities that their routes name."""

import numpy as np

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, strlen

from streams.core.compiled.counters cimport SEED, NameTable, kc_hash, prefetch, room

cnp.import_array()

cdef enum:
    AT_ONCE = 32
    AHEAD = 8
    NEAR = 4
    SEPARATOR = 1
    UNSET = -1

cdef struct Target:
    # A row of an entity: cells that wait, ascending by code, the one last met, how many, and the partition.
    int32_t head
    int32_t met
    int32_t cells
    int32_t home

cdef struct Cell:
    int64_t counts[3]
    int64_t code
    int64_t next


include "murmur2.pxi"


cdef class Fan:
    """Routes, and the cells that wait; the same as `core.fanout.PlainFan`."""

    cdef list names
    cdef NameTable table
    cdef bytes own_region
    cdef Py_ssize_t own_size
    cdef dict texts
    cdef int partitions
    cdef Target *targets
    cdef Cell *cells
    cdef int32_t *ids
    cdef int64_t *ends
    cdef int32_t *touched
    cdef char *space
    cdef Py_ssize_t targets_room, cells_room, ids_room, ends_room, touched_room, space_room
    cdef Py_ssize_t routes, waiting, touches

    def __cinit__(self, int partitions, bytes own_region):
        self.names, self.partitions, self.own_region = [], partitions, own_region
        self.own_size, self.texts = PyBytes_GET_SIZE(own_region), {}
        self.table = NameTable(self.names)
        self.ends = <int64_t *>room(self.ends, &self.ends_room, 2, 8)
        self.ends[0] = self.ends[1] = 0
        self.routes = 1

    def __dealloc__(self):
        free(self.targets)
        free(self.cells)
        free(self.ids)
        free(self.ends)
        free(self.touched)
        free(self.space)

    def __len__(self):
        return self.routes

    def route(self, bytes entities, bytes region):
        """Number of a way to these entities in this region."""
        return self.way(entities, PyBytes_AS_STRING(region), PyBytes_GET_SIZE(region))

    cdef int64_t way(self, bytes joined, const char *region, Py_ssize_t length) except -1:
        cdef const char *entities = PyBytes_AS_STRING(joined)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(joined), end = self.ends[self.routes], n = 1, i, first = 0
        cdef int32_t *ids
        if not size:
            return 0
        for i in range(size):
            n += entities[i] == SEPARATOR
        self.ids = <int32_t *>room(self.ids, &self.ids_room, end + n, 4)
        self.ends = <int64_t *>room(self.ends, &self.ends_room, self.routes + 2, 8)
        # An own region's name holds the region twice.
        self.space = <char *>room(self.space, &self.space_room, size + 2 * n * (length + 1), 1)
        ids = self.ids + end
        while first <= size:
            first += self.find(entities + first, size - first, region, length, &ids)
        self.routes += 1
        self.ends[self.routes] = end + n
        return self.routes - 1

    cdef Py_ssize_t find(self, const char *entities, Py_ssize_t left, const char *region, Py_ssize_t length,
                         int32_t **ids) except -1:
        """Numbers of the rows of the next, at most AT_ONCE, entities in a region -> how many bytes they were."""
        cdef uint32_t hashes[AT_ONCE]
        cdef Py_ssize_t sizes[AT_ONCE]
        cdef Py_ssize_t i, size, n = 0, at = 0
        cdef char *out = self.space
        cdef int64_t found
        while n < AT_ONCE and at <= left:
            size = 0
            while at + size < left and entities[at + size] != SEPARATOR:
                out[size] = entities[at + size]
                size += 1
            at += size + 1
            if size == self.own_size and not memcmp(out, PyBytes_AS_STRING(self.own_region), size):
                memcpy(out + size, region, length)
                size += length
            out[size] = 0
            memcpy(out + size + 1, region, length)
            sizes[n] = size
            hashes[n] = kc_hash(out, size + 1 + length, SEED)
            out += size + 1 + length
            n += 1
        self.table.approach(hashes, n, <char *>self.targets, sizeof(Target))
        out = self.space
        for i in range(n):
            size = sizes[i] + 1 + length
            found = self.table.at(out, size, hashes[i])
            ids[0][0] = <int32_t>found if found >= 0 else self.new_target(out, sizes[i], size, hashes[i])
            ids[0] += 1
            out += size
        return at

    def resolve(self, list names, cnp.ndarray slots, cnp.ndarray routes, videos):
        """See `core.fanout.Fanout.resolve`."""
        cdef const int64_t *whose = <const int64_t *>cnp.PyArray_DATA(slots)
        cdef int64_t *column = <int64_t *>cnp.PyArray_DATA(routes)
        cdef Py_ssize_t n = cnp.PyArray_SIZE(slots), i, size, length
        cdef bytes name, video, key
        cdef const char *region
        cdef list absent = []
        cdef dict known = videos.known
        for i in range(n):
            if i + AHEAD < n:
                prefetch(<void *>PyList_GET_ITEM(names, whose[i + AHEAD]))
            if column[whose[i]] != UNSET:
                continue
            name = <bytes>PyList_GET_ITEM(names, whose[i])
            size = strlen(PyBytes_AS_STRING(name))
            region, length = PyBytes_AS_STRING(name) + size + 1, PyBytes_GET_SIZE(name) - size - 1
            video = PyBytes_FromStringAndSize(PyBytes_AS_STRING(name), size)
            state = known.get(video)
            if state is None:
                absent.append(whose[i])
                continue
            state.used = videos.tick
            key = PyBytes_FromStringAndSize(region, length)
            text = self.texts.get(key) or self.texts.setdefault(key, key.decode())
            if text not in state.regions:
                state.regions.add(text)
                if not state.dirty:
                    state.dirty = True
                    videos.dirty.append(video)
            column[whose[i]] = self.way(state.entities, region, length)
        return np.array(absent, np.int64)

    cdef int32_t new_target(self, char *name, Py_ssize_t entity, Py_ssize_t size, uint32_t hashed) except -1:
        cdef Py_ssize_t number = len(self.names)
        self.targets = <Target *>room(self.targets, &self.targets_room, number + 1, sizeof(Target))
        self.targets[number].head = self.targets[number].met = -1
        self.targets[number].cells = 0
        self.targets[number].home = (murmur2(<const unsigned char *>name, entity) & 0x7FFFFFFFU) % <uint32_t>self.partitions
        self.table.reserve(1)
        self.names.append(PyBytes_FromStringAndSize(name, size))
        self.table.set(<uint64_t>hashed << 32 | <uint64_t>(number + 1))
        self.table.count += 1
        return <int32_t>number

    def add(self, cnp.ndarray routes, cnp.ndarray per, cnp.ndarray codes, cnp.ndarray counts):
        """Note the next `per[i]` cells for each route."""
        cdef int64_t *route = <int64_t *>cnp.PyArray_DATA(routes)
        cdef int64_t *sizes = <int64_t *>cnp.PyArray_DATA(per)
        cdef int64_t *code = <int64_t *>cnp.PyArray_DATA(codes)
        cdef int64_t *values = <int64_t *>cnp.PyArray_DATA(counts)
        cdef Py_ssize_t n = cnp.PyArray_SIZE(routes), i, k, at = 0, e, fan
        for i in range(-3 * NEAR, n):
            self.approach(route, i, n)
            if i < 0:
                continue
            if sizes[i] < 0 or sizes[i] > cnp.PyArray_SIZE(codes) - at:
                raise ValueError("more cells than there are")
            fan = self.ends[route[i] + 1] - self.ends[route[i]]
            self.cells = <Cell *>room(self.cells, &self.cells_room, self.waiting + fan * sizes[i], sizeof(Cell))
            self.touched = <int32_t *>room(self.touched, &self.touched_room, self.touches + fan, 4)
            for k in range(at, at + sizes[i]):
                for e in range(self.ends[route[i]], self.ends[route[i] + 1]):
                    self.note(self.ids[e], code[k], &values[3 * k])
            at += sizes[i]

    cdef inline void approach(self, const int64_t *route, Py_ssize_t i, Py_ssize_t n) noexcept:
        """Ask for the memory of the routes behind the one at i: each step needs what the one before has brought."""
        cdef Py_ssize_t ahead = i + 3 * NEAR, e
        if ahead < n:
            prefetch(&self.ends[route[ahead]])
        ahead = i + 2 * NEAR
        if 0 <= ahead < n:
            prefetch(&self.ids[self.ends[route[ahead]]])
        ahead = i + NEAR
        if 0 <= ahead < n:
            for e in range(self.ends[route[ahead]], self.ends[route[ahead] + 1]):
                prefetch(&self.targets[self.ids[e]])
        ahead = i + NEAR // 2
        if 0 <= ahead < n:
            for e in range(self.ends[route[ahead]], self.ends[route[ahead] + 1]):
                # An address before the cells does no harm: nothing is read.
                prefetch(&self.cells[self.targets[self.ids[e]].met])

    cdef inline void note(self, int32_t number, int64_t code, const int64_t *counts) noexcept:
        cdef Target *target = &self.targets[number]
        cdef int64_t before, at
        if target.head < 0:
            self.touched[self.touches] = number
            self.touches += 1
        # Codes of a row ascend, so the search goes on where it ended.
        before = target.met
        if before >= 0 and self.cells[before].code > code:
            before = -1
        at = before if before >= 0 else target.head
        while at >= 0 and self.cells[at].code < code:
            before = at
            at = self.cells[at].next
        if at < 0 or self.cells[at].code > code:
            self.cells[self.waiting].counts[0] = self.cells[self.waiting].counts[1] = 0
            self.cells[self.waiting].counts[2] = 0
            self.cells[self.waiting].code, self.cells[self.waiting].next = code, at
            at = self.waiting
            if before >= 0:
                self.cells[before].next = at
            else:
                target.head = <int32_t>at
            target.cells += 1
            self.waiting += 1
        self.cells[at].counts[0] += counts[0]
        self.cells[at].counts[1] += counts[1]
        self.cells[at].counts[2] += counts[2]
        target.met = <int32_t>at

    def take(self):
        """What waited, by partition: (partition, names, cells per name, codes, counts)."""
        cdef Py_ssize_t i, n, home
        cdef int32_t number
        cdef Target *target
        cdef int64_t[::1] ends = np.zeros(self.partitions + 1, np.int64)
        cdef int32_t[::1] order = np.empty(self.touches, np.int32)
        cdef list found = []
        for i in range(self.touches):
            ends[self.targets[self.touched[i]].home] += 1
        n = 0
        for home in range(self.partitions):
            n, ends[home] = n + ends[home], n
        for i in range(self.touches):
            home = self.targets[self.touched[i]].home
            order[ends[home]] = self.touched[i]
            ends[home] += 1
        n = 0
        for home in range(self.partitions):
            if ends[home] > n:
                found.append((home, *self.columns(order[n : ends[home]])))
            n = ends[home]
        for i in range(self.touches):
            target = &self.targets[self.touched[i]]
            target.head = target.met = -1
            target.cells = 0
        self.touches = self.waiting = 0
        return found

    cdef tuple columns(self, int32_t[::1] numbers):
        """Names, cells per name, codes and counts of targets."""
        cdef Py_ssize_t i, at, cell = 0, n = len(numbers), cells = 0
        cdef list names = []
        cdef cnp.ndarray per = np.empty(n, np.int64), codes, counts
        cdef int64_t *column
        cdef int64_t *values
        for i in range(n):
            if i + AHEAD < n:
                prefetch(<void *>PyList_GET_ITEM(self.names, numbers[i + AHEAD]))
            names.append(<object>PyList_GET_ITEM(self.names, numbers[i]))
            (<int64_t *>cnp.PyArray_DATA(per))[i] = self.targets[numbers[i]].cells
            cells += self.targets[numbers[i]].cells
        codes, counts = np.empty(cells, np.int64), np.empty((cells, 3), np.int64)
        column, values = <int64_t *>cnp.PyArray_DATA(codes), <int64_t *>cnp.PyArray_DATA(counts)
        for i in range(n):
            if i + AHEAD < n:
                prefetch(&self.cells[self.targets[numbers[i + AHEAD]].head])
            at = self.targets[numbers[i]].head
            while at >= 0:
                column[cell] = self.cells[at].code
                memcpy(&values[3 * cell], self.cells[at].counts, 24)
                cell += 1
                at = self.cells[at].next
        return names, per, codes, counts
