"""Tally messages read straight into columns."""

import sys

import numpy as np

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy

from streams.core.compiled.counters cimport SEED, Absent, NameTable, kc_hash

cnp.import_array()
if sys.byteorder != "little":
    raise ImportError("columns are read as they lie in the message: little-endian only")

cdef enum:
    HEADER = 44
    VERSION = 1
    AT_ONCE = 256
cdef int64_t TOTAL_ONLY = <int64_t>3 << 30


cdef int widen(const char *at, int width, int is_signed, Py_ssize_t n, int64_t *out, Py_ssize_t step) noexcept:
    """A column of narrow numbers as numbers of 8 bytes, `step` apart."""
    cdef Py_ssize_t i
    cdef int32_t v4
    if width == 0:
        if is_signed:
            for i in range(n):
                out[i * step] = (<int8_t *>at)[i]
        else:
            for i in range(n):
                out[i * step] = (<uint8_t *>at)[i]
    elif width == 1:
        for i in range(n):
            memcpy(&v4, at + 2 * i, 2)
            out[i * step] = <int64_t><int16_t>v4 if is_signed else <int64_t><uint16_t>v4
    elif width == 2:
        for i in range(n):
            memcpy(&v4, at + 4 * i, 4)
            out[i * step] = <int64_t>v4 if is_signed else <int64_t><uint32_t>v4
    else:
        for i in range(n):
            memcpy(&out[i * step], at + 8 * i, 8)
    return 0


cdef class Message:
    """A well-formed tally: what `core.tallies.unpack` gives, but for the names, which `find` looks up in place.

    `per_name`, `codes` (cells) and `counts` (cells, 3) are columns. A name of kind `region` is looked up as that of
    its row of scope `*` if `entities` (names are those of entities).
    """

    cdef readonly int64_t origin, flush, watermark_ms
    cdef readonly object per_name, codes, counts
    cdef bytes value
    cdef Py_ssize_t names
    cdef object spans
    cdef bint entities

    def __len__(self):
        return self.names

    cdef bytes name(self, Py_ssize_t i):
        """Name of the row."""
        cdef int32_t *spans = <int32_t *>cnp.PyArray_DATA(self.spans)
        cdef char *start = PyBytes_AS_STRING(self.value) + spans[2 * i]
        cdef bytes name = PyBytes_FromStringAndSize(start, spans[2 * i + 1])
        if self.entities and start[0] == c"r":
            return name[: name.index(b"\x00")] + b"\x00*"
        return name

    def find(self, NameTable table, used, int64_t tick):
        """Slots of the names, which are marked as used at `tick` in `used`; and of those that have none (slot -1)
        places, names, and hashes. None if a row is named twice."""
        cdef Py_ssize_t n = self.names, i
        cdef cnp.ndarray found = np.empty(n, np.int64)
        cdef int64_t *slots = <int64_t *>cnp.PyArray_DATA(found)
        cdef int32_t *spans = <int32_t *>cnp.PyArray_DATA(self.spans)
        cdef const char *base = PyBytes_AS_STRING(self.value)
        cdef char *marks = <char *>cnp.PyArray_DATA(used)
        cdef Py_ssize_t stride = cnp.PyArray_STRIDE(used, 0)
        cdef uint32_t hashes[AT_ONCE]
        cdef Absent absent = Absent(n)
        cdef bytes name
        cdef uint32_t hashed
        cdef Py_ssize_t first, last
        for first in range(0, n, AT_ONCE):
            last = min(first + AT_ONCE, n)
            for i in range(first, last):
                hashes[i - first] = kc_hash(base + spans[2 * i], spans[2 * i + 1], SEED)
            table.approach(hashes, last - first, marks, stride)
            for i in range(first, last):
                hashed, name = hashes[i - first], None
                if self.entities and base[spans[2 * i]] == c"r":
                    name = self.name(i)
                    hashed = kc_hash(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), SEED)
                    slots[i] = table.at(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), hashed)
                else:
                    slots[i] = table.at(base + spans[2 * i], spans[2 * i + 1], hashed)
                if slots[i] < 0:
                    absent.note(i, self.name(i) if name is None else name, hashed)
                elif (<int64_t *>(marks + slots[i] * stride))[0] == tick:
                    return None
                else:
                    (<int64_t *>(marks + slots[i] * stride))[0] = tick
        return None if absent.twice() else (found, *absent.columns())


cdef bint names_are_good(const char *blob, Py_ssize_t blob_size, Py_ssize_t n, int32_t *spans, bytes letters):
    """Fill in start (in the message) and length of n names: two parts each, not empty, around a NUL; 0x01 between."""
    cdef Py_ssize_t at, first = 0, middle = -1, done = 0
    cdef char byte, high = 0
    cdef bint known[256]
    cdef Py_ssize_t i
    for i in range(256):
        known[i] = letters is None
    if letters is not None:
        for i in range(PyBytes_GET_SIZE(letters)):
            known[<uint8_t>PyBytes_AS_STRING(letters)[i]] = True
    for at in range(blob_size + 1):
        byte = blob[at] if at < blob_size else 1
        high |= byte
        if <uint8_t>byte > 1:
            continue
        if byte == 0:
            if middle >= 0 or at == first:
                return False
            middle = at
            continue
        if middle < 0 or at == middle + 1 or done == n or not known[<uint8_t>blob[first]]:
            return False
        spans[2 * done], spans[2 * done + 1] = <int32_t>(HEADER + first), <int32_t>(at - first)
        done += 1
        first, middle = at + 1, -1
    if done < n:
        return False
    if high & 0x80:
        try:
            PyUnicode_DecodeUTF8(blob, blob_size, NULL)
        except UnicodeDecodeError:
            return False
    return True


cdef bint cells_are_good(const int64_t *per, Py_ssize_t n, int64_t *codes, Py_ssize_t cells, int64_t base):
    """Add `base` to the codes, which are to ascend inside each name and to stay in range."""
    cdef Py_ssize_t i, at = 0, end
    if base < 0 or base > TOTAL_ONLY:
        return False
    for i in range(n):
        if per[i] < 1 or per[i] > cells - at:
            return False
        end = at + per[i]
        while at < end:
            if codes[at] < 0 or codes[at] > TOTAL_ONLY - base:
                return False
            codes[at] += base
            if at > end - per[i] and codes[at] <= codes[at - 1]:
                return False
            at += 1
    return at == cells


def read(bytes value not None, bytes letters=None):
    """The message in `value`. None: it is no tally, or one that has to be looked at more closely.

    `letters`: the names are those of entities, and begin with one of these.
    """
    cdef const char *start = PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value), n, cells, blob, i, at
    cdef int widths[5]
    cdef uint32_t sizes[3]
    cdef int64_t head[4]
    cdef Message found
    if size < HEADER or size > 1 << 30 or start[0] != VERSION:
        return None
    widths[0], widths[1] = <uint8_t>start[1] >> 4, start[1] & 15
    widths[2], widths[3], widths[4] = <uint8_t>start[2] >> 4, start[2] & 15, <uint8_t>start[3]
    memcpy(sizes, start + 4, 4)
    found = Message.__new__(Message)
    found.origin = sizes[0]
    memcpy(head, start + 8, 24)
    found.flush, found.watermark_ms = head[0], head[1]
    memcpy(sizes, start + 32, 12)
    n, cells, blob = sizes[0], sizes[1], sizes[2]
    at = HEADER + blob
    for i in range(5):
        if widths[i] > 3:
            return None
        at += (cells if i else n) << widths[i]
    if at != size:
        return None
    found.value, found.names, found.entities = value, n, letters is not None
    found.spans = np.empty(2 * n, np.int32)
    found.per_name, found.codes = np.empty(n, np.int64), np.empty(cells, np.int64)
    found.counts = np.empty((cells, 3), np.int64)
    cdef int64_t *columns[3]
    columns[0] = <int64_t *>cnp.PyArray_DATA(found.per_name)
    columns[1] = <int64_t *>cnp.PyArray_DATA(found.codes)
    columns[2] = <int64_t *>cnp.PyArray_DATA(found.counts)
    if n == 0 and (blob or cells):
        return None
    if n and not names_are_good(start + HEADER, blob, n, <int32_t *>cnp.PyArray_DATA(found.spans), letters):
        return None
    at = HEADER + blob
    for i in range(5):
        if i < 2:
            widen(start + at, widths[i], False, cells if i else n, columns[i], 1)
        else:
            widen(start + at, widths[i], True, cells, columns[2] + i - 2, 3)
        at += (cells if i else n) << widths[i]
    if n and not cells_are_good(columns[0], n, columns[1], cells, head[2]):
        return None
    return found
