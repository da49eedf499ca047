"""Record batches out: a whole Kafka record batch (format v2, no headers) from lists of keys and values, and its CRC."""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from aiokafka.record.util import calc_crc32c

include "crc32c.pxi"

cdef enum:
    HEADER_BYTES = 61
    LENGTH_FROM = 12
    CRC_FROM = 21


cdef inline Py_ssize_t varint_bytes(uint64_t zigzag) noexcept nogil:
    cdef Py_ssize_t size = 1
    while zigzag > 0x7F:
        zigzag >>= 7
        size += 1
    return size


cdef inline unsigned char *put_varint(unsigned char *to, uint64_t zigzag) noexcept nogil:
    while zigzag > 0x7F:
        to[0] = <unsigned char>(0x80 | (zigzag & 0x7F))
        zigzag >>= 7
        to += 1
    to[0] = <unsigned char>zigzag
    return to + 1


cdef inline void put_number(unsigned char *to, uint64_t number, int size) noexcept nogil:
    """Big-endian."""
    cdef int i
    for i in range(size):
        to[size - 1 - i] = <unsigned char>(number >> (8 * i))


cdef inline Py_ssize_t field_bytes(object field) except -1:
    """Of a key or value with its length."""
    if field is None:
        return 1
    if not PyBytes_CheckExact(field):
        raise TypeError("keys and values are bytes or None")
    return varint_bytes(<uint64_t>PyBytes_GET_SIZE(field) << 1) + PyBytes_GET_SIZE(field)


cdef inline unsigned char *put_field(unsigned char *to, object field):
    cdef Py_ssize_t size
    if field is None:
        to[0] = 1
        return to + 1
    size = PyBytes_GET_SIZE(field)
    to = put_varint(to, <uint64_t>size << 1)
    memcpy(to, PyBytes_AS_STRING(field), size)
    return to + size


cdef inline Py_ssize_t body_bytes(Py_ssize_t number, object key, object value) except -1:
    """Of a record without its length: attributes, timestamp delta 0, offset delta, key, value, no headers."""
    return 3 + varint_bytes(<uint64_t>number << 1) + field_bytes(key) + field_bytes(value)


def write(list keys not None, list values not None, Py_ssize_t first, Py_ssize_t limit, int64_t timestamp_ms,
          bint transactional):
    """A batch of the records from `first` on, as many as fit into `limit` bytes -> (batch, next record).

    All records have one timestamp. Producer id and epoch are -1, the CRC is missing. ValueError if not even
    one record fits. O(bytes).
    """
    cdef Py_ssize_t count = PyList_GET_SIZE(keys), size = HEADER_BYTES, last = first, body, whole
    cdef Py_ssize_t i
    cdef unsigned char *to
    cdef unsigned char *start
    if PyList_GET_SIZE(values) != count or not 0 <= first < count:
        raise ValueError("as many keys as values, and `first` among them")
    while last < count:
        body = body_bytes(last - first, <object>PyList_GET_ITEM(keys, last), <object>PyList_GET_ITEM(values, last))
        whole = varint_bytes(<uint64_t>body << 1) + body
        if size + whole > limit:
            break
        size += whole
        last += 1
    if last == first:
        raise ValueError(f"a record of {whole} bytes does not fit a batch of {limit}")
    batch = PyByteArray_FromStringAndSize(NULL, size)
    start = <unsigned char *>PyByteArray_AS_STRING(batch)
    to = start + HEADER_BYTES
    for i in range(first, last):
        key, value = <object>PyList_GET_ITEM(keys, i), <object>PyList_GET_ITEM(values, i)
        to = put_varint(to, <uint64_t>body_bytes(i - first, key, value) << 1)
        to[0] = to[1] = 0
        to = put_varint(to + 2, <uint64_t>(i - first) << 1)
        to = put_field(put_field(to, key), value)
        to[0] = 0
        to += 1
    memset(start, 0, HEADER_BYTES)
    put_number(start + 8, size - LENGTH_FROM, 4)
    put_number(start + 12, <uint64_t>-1, 4)
    start[16] = 2
    start[22] = 16 if transactional else 0
    put_number(start + 23, last - first - 1, 4)
    put_number(start + 27, <uint64_t>timestamp_ms, 8)
    put_number(start + 35, <uint64_t>timestamp_ms, 8)
    memset(start + 43, 0xFF, 10)
    put_number(start + 57, last - first, 4)
    return batch, last


def crc32c(bytearray batch not None):
    """Checksum of a batch: of everything behind the field that holds it."""
    cdef Py_ssize_t size = PyByteArray_GET_SIZE(batch)
    if size < HEADER_BYTES:
        raise ValueError("no record batch")
    if not crc_is_fast:
        return calc_crc32c(bytes(batch[CRC_FROM:]))
    return crc32c_hardware(<unsigned char *>PyByteArray_AS_STRING(batch) + CRC_FROM, size - CRC_FROM)
