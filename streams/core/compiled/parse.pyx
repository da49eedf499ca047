"""Values of `views`, `likes` and `shares` -> columns, as far as they are plain; the rest is left to `core.arrival`.

What is taken here would arrive there with the same fields. A row whose `good` stays 0 was not understood.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.list cimport PyList_GET_ITEM
from cpython.ref cimport PyObject

from streams.core.compiled.counters cimport SEED, NameTable, kc_hash

include "scan.pxi"

cdef int64_t MOST_MS = <int64_t>1 << 43
cdef int64_t MOST_WATCH_MS = (<int64_t>1 << 31) - 1
cdef Py_ssize_t VALUE_BYTES = 16 * 1024
cdef Py_ssize_t LABEL_CHARS = 16, NAME_CHARS = 64, HEX_CHARS = 16
cdef uint64_t ZERO_ID = 0x9E3779B97F4A7C15

cdef enum:
    AT_ONCE = 128  # records that are scanned before any of their names is looked up
    REGIONS_AT_HAND = 64
    REGION_BYTES = 16

cdef unsigned int COMMON = 1 << <int>ID | 1 << <int>USER | 1 << <int>VIDEO | 1 << <int>AT_MS
cdef unsigned int VIEW = COMMON | 1 << <int>WATCH_MS
cdef unsigned int VIEW_FIELDS = (
    VIEW | 1 << <int>DURATION_MS | 1 << <int>REGION | 1 << <int>SURFACE | 1 << <int>SESSION
)
cdef unsigned int LIKE = COMMON | 1 << <int>OP
cdef unsigned int SHARE = LIKE | 1 << <int>CHANNEL


cdef struct Region:
    char text[REGION_BYTES]
    Py_ssize_t size
    int64_t number


cdef class Names:
    """The numbers that stand for names: tables of known ones, and what is asked for others."""

    cdef NameTable users, videos
    cdef object regions, new_video, new_region, hash_of
    cdef Region recent[REGIONS_AT_HAND]  # by hash: most regions are met again at once

    def __init__(self, NameTable users not None, NameTable videos not None, regions, new_video, new_region, hash_of):
        """`regions`: numbers by bytes. The others take bytes; -1 (no name) or a number, `hash_of` 0."""
        cdef Py_ssize_t i
        self.users, self.videos, self.regions = users, videos, regions
        self.new_video, self.new_region, self.hash_of = new_video, new_region, hash_of
        for i in range(REGIONS_AT_HAND):
            self.recent[i].size = -1

    cdef int64_t region(self, const char* p, Py_ssize_t size) except -2:
        """-1: no name."""
        cdef Region* recent = self.recent + kc_hash(p, size, SEED) % REGIONS_AT_HAND
        cdef PyObject* found
        cdef int64_t number
        if recent.size == size and memcmp(recent.text, p, size) == 0:
            return recent.number
        key = PyBytes_FromStringAndSize(p, size)
        found = PyDict_GetItemWithError(self.regions, key)
        number = <int64_t>(<object>found) if found != NULL else <int64_t>self.new_region(key)
        if number >= 0 and size <= REGION_BYTES:
            memcpy(recent.text, p, size)
            recent.size, recent.number = size, number
        return number


cdef inline uint64_t id_of(Names names, const char* p, Py_ssize_t size) except? 1:
    """`event_hash`; 0: no name."""
    cdef uint64_t found = 0
    cdef Py_ssize_t i
    cdef char c
    if size == HEX_CHARS:
        for i in range(HEX_CHARS):
            c = p[i]
            if b'0' <= c <= b'9':
                found = found << 4 | <uint64_t>(c - c'0')
            elif b'a' <= c <= b'f':
                found = found << 4 | <uint64_t>(c - c'a' + 10)
            else:
                break
        else:
            return found if found else ZERO_ID
    return names.hash_of(PyBytes_FromStringAndSize(p, size))


cdef struct Part:
    Event events[AT_ONCE]
    bint good[AT_ONCE]
    uint32_t users[AT_ONCE]  # hashes
    uint32_t videos[AT_ONCE]


cdef class Columns:
    """What all three kinds have, one row for each record."""

    cdef Names names
    cdef list keys, values
    cdef unsigned char[::1] good
    cdef int64_t[::1] slots, contents, regions, at_ms
    cdef uint64_t[::1] ids

    def __init__(self, names, keys, values, good, slots, ids, contents, regions, at_ms):
        """`good`: zeros. A slot of -1 is a user not known yet, a region of -1 one that is not given."""
        self.names, self.keys, self.values = names, keys, values
        self.good, self.slots, self.ids, self.contents = good, slots, ids, contents
        self.regions, self.at_ms = regions, at_ms
        if not len(keys) == len(values) == len(good) == len(slots) == len(ids) == len(contents) == len(regions):
            raise ValueError("columns must have one length")
        if len(at_ms) != len(keys):
            raise ValueError("columns must have one length")

    cdef bint scanned(self, Py_ssize_t i, unsigned int known, unsigned int needed, Event* event) except -1:
        """Scan a record; False: not understood. Its key and value stay alive as long as the lists do."""
        cdef PyObject* key = PyList_GET_ITEM(self.keys, i)
        cdef PyObject* raw = PyList_GET_ITEM(self.values, i)
        cdef const char* p
        cdef Py_ssize_t size
        if not isinstance(<object>key, bytes) or not isinstance(<object>raw, bytes):
            return False
        p, size = PyBytes_AS_STRING(<object>raw), PyBytes_GET_SIZE(<object>raw)
        if size > VALUE_BYTES or not scan(p, p + size, known, event) or event.seen & needed != needed:
            return False
        size = PyBytes_GET_SIZE(<object>key)
        if size != event.size[<int>USER] or memcmp(PyBytes_AS_STRING(<object>key), event.text[<int>USER], size) != 0:
            return False
        return event.number[0] < MOST_MS

    cdef int scan_some(
        self, Py_ssize_t first, Py_ssize_t n, unsigned int known, unsigned int needed, Part* part
    ) except -1:
        """Scan `n` records, and ask for the memory where their users and videos are looked up."""
        cdef Py_ssize_t i
        cdef Event* event
        for i in range(n):
            event = part.events + i
            part.good[i] = self.scanned(first + i, known, needed, event)
            if part.good[i]:
                part.users[i] = kc_hash(event.text[<int>USER], event.size[<int>USER], SEED)
                part.videos[i] = kc_hash(event.text[<int>VIDEO], event.size[<int>VIDEO], SEED)
            else:
                part.users[i] = part.videos[i] = 0
        self.names.users.approach(part.users, n, NULL, 0)
        self.names.videos.approach(part.videos, n, NULL, 0)
        return 0

    cdef bint take(self, Py_ssize_t i, Part* part, Py_ssize_t place) except -1:
        """Fill the row of a record that was scanned; False: not understood."""
        cdef Event* event = part.events + place
        cdef const char* video = event.text[<int>VIDEO]
        cdef Py_ssize_t size = event.size[<int>VIDEO]
        cdef int64_t number
        self.at_ms[i] = event.number[0]
        self.slots[i] = self.names.users.at(event.text[<int>USER], event.size[<int>USER], part.users[place])
        self.ids[i] = id_of(self.names, event.text[<int>ID], event.size[<int>ID])
        if not self.ids[i]:
            return False
        number = self.names.videos.at(video, size, part.videos[place])
        if number < 0:
            number = <int64_t>self.names.new_video(PyBytes_FromStringAndSize(video, size))
        if number < 0:
            return False
        self.contents[i], self.regions[i] = number, -1
        if event.seen >> <int>REGION & 1:
            self.regions[i] = self.names.region(event.text[<int>REGION], event.size[<int>REGION])
            return self.regions[i] >= 0
        return True


cdef inline bint fits(Event* event, Field field, Py_ssize_t most) noexcept nogil:
    """Whether an optional string is absent or plain."""
    return not event.seen >> <int>field & 1 or is_plain(event.text[<int>field], event.size[<int>field], most)


def views(Columns columns, int64_t[::1] watch_ms, int64_t[::1] duration_ms):
    """Fill the columns from views; a duration of 0 is absent."""
    cdef Part part
    cdef Event* event
    cdef Py_ssize_t i, place, n = len(columns.keys)
    if len(watch_ms) != n or len(duration_ms) != n:
        raise ValueError("columns must have one length")
    for i in range(n):
        place = i % AT_ONCE
        if place == 0:
            columns.scan_some(i, min(AT_ONCE, n - i), VIEW_FIELDS, VIEW, &part)
        event = part.events + place
        if not part.good[place] or not columns.take(i, &part, place):
            continue
        watch_ms[i], duration_ms[i] = event.number[1], 0
        if event.number[1] > MOST_WATCH_MS:
            continue
        if event.seen >> <int>DURATION_MS & 1:
            if not 1 <= event.number[2] <= MOST_WATCH_MS:
                continue
            duration_ms[i] = event.number[2]
        if fits(event, SURFACE, LABEL_CHARS) and fits(event, SESSION, NAME_CHARS):
            columns.good[i] = 1


def reactions(Columns columns, bytes on_op, bytes off_op, bint has_channel, unsigned char[::1] on, list pairs, list channels):
    """Fill the columns from likes or shares; `pairs`: user NUL video, `channels`: only if they have one."""
    cdef Part part
    cdef Event* event
    cdef Py_ssize_t i, place, size, n = len(columns.keys)
    cdef unsigned int needed = SHARE if has_channel else LIKE
    cdef dict labels = {}
    if len(on) != n or len(pairs) != n or len(channels) != n:
        raise ValueError("columns must have one length")
    for i in range(n):
        place = i % AT_ONCE
        if place == 0:
            columns.scan_some(i, min(AT_ONCE, n - i), needed | 1 << <int>REGION, needed, &part)
        event = part.events + place
        if not part.good[place] or not columns.take(i, &part, place):
            continue
        if same(event, OP, on_op):
            on[i] = 1
        elif same(event, OP, off_op):
            on[i] = 0
        else:
            continue
        if has_channel:
            if not is_plain(event.text[<int>CHANNEL], event.size[<int>CHANNEL], LABEL_CHARS):
                continue
            label = PyBytes_FromStringAndSize(event.text[<int>CHANNEL], event.size[<int>CHANNEL])
            if label not in labels:
                labels[label] = label.decode()
            channels[i] = labels[label]
        size = event.size[<int>USER]
        pair = PyBytes_FromStringAndSize(NULL, size + 1 + event.size[<int>VIDEO])
        memcpy(PyBytes_AS_STRING(pair), event.text[<int>USER], size)
        PyBytes_AS_STRING(pair)[size] = 0
        memcpy(PyBytes_AS_STRING(pair) + size + 1, event.text[<int>VIDEO], event.size[<int>VIDEO])
        pairs[i] = pair
        columns.good[i] = 1


cdef inline bint same(Event* event, Field field, bytes text) noexcept:
    return event.size[<int>field] == PyBytes_GET_SIZE(text) and (
        memcmp(event.text[<int>field], PyBytes_AS_STRING(text), event.size[<int>field]) == 0
    )
