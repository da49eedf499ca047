"""Record batches of Kafka's format v2, decoded as a whole. Nothing is read outside of the given range."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t

import numpy as np

LEAST_RECORD_BYTES = 7

include "crc32c.pxi"


def crc32c(const unsigned char[::1] data, Py_ssize_t start, Py_ssize_t end):
    """Checksum of data[start:end] by the processor's own instruction; None if it has none."""
    if not 0 <= start <= end <= data.shape[0]:
        raise ValueError("outside of the buffer")
    if not crc_is_fast:
        return None
    return crc32c_hardware(&data[0] + start, <size_t>(end - start)) if data.shape[0] else 0


cdef struct Reader:
    const unsigned char* p
    const unsigned char* end
    bint damaged


cdef inline int64_t varint(Reader* r) noexcept nogil:
    """The next zigzag number; 0 and `damaged` if it does not end in time."""
    cdef uint64_t found = 0, byte
    cdef int shift = 0
    while r.p < r.end and shift < 64:
        byte = r.p[0]
        r.p += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return <int64_t>(found >> 1) ^ -<int64_t>(found & 1)
        shift += 7
    r.damaged = True
    return 0


cdef inline object take(Reader* r, int64_t size):
    """The next bytes, None for a negative size."""
    if size < 0:
        return None
    if size > r.end - r.p:
        r.damaged = True
        return None
    found = PyBytes_FromStringAndSize(<const char*>r.p, size)
    r.p += size
    return found


cdef tuple headers_of(Reader* r, int64_t count):
    """(name, value) of each header. Names that are no UTF-8 are made readable: they must not stop a partition."""
    found = []
    cdef int64_t i, size
    for i in range(count):
        size = varint(r)
        if size < 0:
            r.damaged = True
        name = take(r, size)
        value = take(r, varint(r))
        if r.damaged:
            break
        found.append((name.decode("utf-8", "replace"), value))
    return tuple(found)


def decode(
    const unsigned char[::1] data, Py_ssize_t start, Py_ssize_t end, Py_ssize_t count,
    int64_t base_offset, int64_t first_ms, object append_ms,
):
    """The `count` records in data[start:end], no compression -> keys, values, offsets, timestamps, headers by offset.

    `append_ms`: their time if the log sets it, else None. ValueError: damaged, with the place.
    """
    if not 0 <= start <= end <= data.shape[0] or not 0 <= count <= (end - start) // LEAST_RECORD_BYTES:
        raise ValueError(f"{count} records cannot be in bytes {start} to {end} of {data.shape[0]}")
    cdef list keys = PyList_New(count), values = PyList_New(count)
    cdef dict headers = {}
    offsets, timestamps = np.empty(count, np.int64), np.empty(count, np.int64)
    cdef int64_t[::1] offset = offsets, timestamp = timestamps
    cdef Py_ssize_t i
    cdef int64_t size, delta_ms, header_count
    cdef bint appended = append_ms is not None
    cdef int64_t time_ms = append_ms if appended else 0
    cdef Reader r
    cdef const unsigned char* stop
    r.damaged = False
    r.p = &data[0] + start if count else NULL
    cdef const unsigned char* last = r.p + (end - start) if count else NULL
    cdef const unsigned char* first = r.p
    for i in range(count):
        r.end = last
        size = varint(&r)
        if r.damaged or size < 0 or size > last - r.p:
            size, r.damaged = 0, True
        stop = r.end = r.p + size
        if r.p < r.end:
            r.p += 1  # attributes of a record: none are defined
        delta_ms = varint(&r)
        timestamp[i] = time_ms if appended else <int64_t>(<uint64_t>first_ms + <uint64_t>delta_ms)
        offset[i] = <int64_t>(<uint64_t>base_offset + <uint64_t>varint(&r))
        # Every place is filled, even of a damaged batch: the lists are freed as any others.
        put(keys, i, take(&r, varint(&r)))
        put(values, i, take(&r, varint(&r)))
        header_count = varint(&r)
        if header_count > 0 and header_count <= r.end - r.p:
            headers[offset[i]] = headers_of(&r, header_count)
        elif header_count:
            r.damaged = True
        if r.p != stop:
            r.damaged = True
        if r.damaged:
            for i in range(i + 1, count):
                put(keys, i, None)
                put(values, i, None)
            raise ValueError(f"a record is damaged near byte {r.p - first} of {last - first}")
    if r.p != last or (not count and start != end):
        raise ValueError(f"bytes are left after {count} records")
    return keys, values, offsets, timestamps, headers


cdef inline void put(list target, Py_ssize_t i, object value):
    Py_INCREF(value)
    PyList_SET_ITEM(target, i, value)
