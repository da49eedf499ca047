"""Sorted rows as the data blocks, index and filter of a RocksDB table file (block-based, format version 2).

Layout: https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format; filter: "legacy" Bloom, by cache line.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

from streams.engine.compiled.row_order cimport AHEAD, Ordered, prefetch

include "../../wire/compiled/crc32c.pxi"

cdef enum:
    BLOCK = 4096  # bytes at which a block ends
    RESTART = 16  # rows between two that have their whole key
    TRAILER = 5
    FOOTER = 8  # of a key: sequence number and sort
    VALUE = 1
    LINE = 64
    BITS_PER_KEY = 10
    PROBES = 6

AVAILABLE = bool(crc_is_fast)
"""Whether the processor has the checksum as an instruction."""


cdef struct Bytes:
    char *at
    Py_ssize_t used
    Py_ssize_t room


cdef int reserve(Bytes *buffer, Py_ssize_t more) except -1:
    cdef char *grown
    if buffer.used + more > buffer.room:
        grown = <char *>realloc(buffer.at, 2 * buffer.room + more)
        if grown is NULL:
            raise MemoryError
        buffer.at, buffer.room = grown, 2 * buffer.room + more
    return 0


cdef inline void put_varint(Bytes *buffer, uint64_t number) noexcept nogil:
    while number >= 128:
        buffer.at[buffer.used] = <char>(number & 127 | 128)
        buffer.used += 1
        number >>= 7
    buffer.at[buffer.used] = <char>number
    buffer.used += 1


cdef inline void put_bytes(Bytes *buffer, const void *found, Py_ssize_t size) noexcept nogil:
    memcpy(buffer.at + buffer.used, found, size)
    buffer.used += size


cdef inline void put_number(Bytes *buffer, uint32_t number) noexcept nogil:
    put_bytes(buffer, &number, 4)  # little endian, as every processor with this instruction is


cdef uint32_t bloom_hash(const char *key, Py_ssize_t size) noexcept nogil:
    """RocksDB's `BloomHash`."""
    cdef uint32_t m = 0xC6A4A793U, word
    cdef uint32_t found = 0xBC9F1D34U ^ <uint32_t>(size * m)
    cdef Py_ssize_t left = size, i
    while left >= 4:
        memcpy(&word, key, 4)
        found = (found + word) * m
        found ^= found >> 16
        key += 4
        left -= 4
    if left:
        for i in range(left - 1, -1, -1):
            found += <uint32_t>(<signed char>key[i]) << (8 * i)
        found *= m
        found ^= found >> 24
    return found


cdef inline Py_ssize_t varint_size(uint64_t number) noexcept nogil:
    cdef Py_ssize_t size = 1
    while number >= 128:
        number >>= 7
        size += 1
    return size


cdef void end_block(Bytes *block, Py_ssize_t begin) noexcept nogil:
    """Append the trailer of a block that is not compressed: its sort, and the masked checksum of both."""
    cdef uint32_t crc
    block.at[block.used] = 0
    block.used += 1
    crc = crc32c_hardware(<unsigned char *>block.at + begin, block.used - begin)
    put_number(block, (crc >> 15 | crc << 17) + 0xA282EAD8U)


def ended(bytes block not None):
    """A block with its trailer."""
    cdef Bytes found
    found.at = <char *>malloc(PyBytes_GET_SIZE(block) + TRAILER)
    if found.at is NULL:
        raise MemoryError
    found.used = 0
    put_bytes(&found, PyBytes_AS_STRING(block), PyBytes_GET_SIZE(block))
    end_block(&found, 0)
    try:
        return PyBytes_FromStringAndSize(found.at, found.used)
    finally:
        free(found.at)


cdef class DataBlocks:
    """Takes rows in the order of their keys, one table after the other. Its bytes go into the file from its start on."""

    cdef Bytes out, index, hashes, key, last, starts, index_starts
    cdef Py_ssize_t begin, in_block, written
    cdef readonly Py_ssize_t blocks, rows, deletions, key_bytes, value_bytes

    def __dealloc__(self):
        free(self.out.at)
        free(self.index.at)
        free(self.hashes.at)
        free(self.key.at)
        free(self.last.at)
        free(self.starts.at)
        free(self.index_starts.at)

    def add(self, Ordered rows not None, Py_ssize_t at, Py_ssize_t end):
        """The rows in [at, end) of the order, as far as there are so many. O(bytes)."""
        cdef Py_ssize_t i
        cdef object value
        if at < 0:
            raise ValueError("no such row")
        for i in range(at, min(end, rows.count)):
            rows.ask_for(i + AHEAD)
            value = rows.values[rows.places[i].number]
            if value is not None and type(value) is not bytes:
                raise TypeError("values are bytes or None")
            self._add(rows.first, rows.places[i].key, rows.places[i].size, value)

    def taken(self):
        """Blocks that are complete and were not handed out yet."""
        found = PyBytes_FromStringAndSize(self.out.at, self.begin)
        self.out.used -= self.begin
        memmove(self.out.at, self.out.at + self.begin, self.out.used)
        self.written += self.begin
        self.begin = 0
        return found

    def end(self):
        """End the last block."""
        if self.in_block:
            self._end_block()

    def index_block(self):
        """Last key and place of every block, without a trailer."""
        reserve(&self.index, self.index_starts.used + 4)
        put_bytes(&self.index, self.index_starts.at, self.index_starts.used)
        put_number(&self.index, self.blocks)
        return PyBytes_FromStringAndSize(self.index.at, self.index.used)

    def filter_block(self):
        """Bits of all keys, without a trailer. O(rows)."""
        cdef uint32_t lines = <uint32_t>((self.rows * BITS_PER_KEY + 8 * LINE - 1) // (8 * LINE)) | 1
        cdef bytes found = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>lines * LINE + 5)
        cdef char *bits = PyBytes_AS_STRING(found)
        cdef char *line
        cdef uint32_t *hashes = <uint32_t *>self.hashes.at
        cdef uint32_t number, delta
        cdef Py_ssize_t i, j
        memset(bits, 0, <Py_ssize_t>lines * LINE)
        for i in range(self.rows):
            if i + AHEAD < self.rows:
                prefetch(bits + <Py_ssize_t>(hashes[i + AHEAD] % lines) * LINE)
            number = hashes[i]
            line = bits + <Py_ssize_t>(number % lines) * LINE
            delta = number >> 17 | number << 15
            for j in range(PROBES):
                line[number % (8 * LINE) >> 3] |= <char>(1 << (number & 7))
                number += delta
        bits[<Py_ssize_t>lines * LINE] = PROBES
        memcpy(bits + <Py_ssize_t>lines * LINE + 1, &lines, 4)
        return found

    cdef int _add(self, bytes first, const char *text, Py_ssize_t size, object value) except -1:
        cdef Py_ssize_t before = PyBytes_GET_SIZE(first), shared = 0, most
        cdef Py_ssize_t value_size = 0 if value is None else PyBytes_GET_SIZE(value)
        cdef uint64_t sort = 0 if value is None else VALUE
        self.key.used = 0
        reserve(&self.key, before + size + FOOTER)
        put_bytes(&self.key, PyBytes_AS_STRING(first), before)
        put_bytes(&self.key, text, size)
        size += before
        reserve(&self.hashes, 4)
        put_number(&self.hashes, bloom_hash(self.key.at, size))
        put_bytes(&self.key, &sort, FOOTER)
        if self.in_block % RESTART:
            most = min(size, self.last.used - FOOTER)
            while shared < most and self.key.at[shared] == self.last.at[shared]:
                shared += 1
        else:
            reserve(&self.starts, 4)
            put_number(&self.starts, self.out.used - self.begin)
        reserve(&self.out, self.key.used + value_size + 3 * 10)
        put_varint(&self.out, shared)
        put_varint(&self.out, self.key.used - shared)
        put_varint(&self.out, value_size)
        put_bytes(&self.out, self.key.at + shared, self.key.used - shared)
        if value is not None:
            put_bytes(&self.out, PyBytes_AS_STRING(value), value_size)
        self.key, self.last = self.last, self.key
        self.in_block += 1
        self.rows += 1
        self.deletions += value is None
        self.key_bytes += size + FOOTER
        self.value_bytes += value_size
        if self.out.used - self.begin >= BLOCK:
            self._end_block()
        return 0

    cdef int _end_block(self) except -1:
        cdef Py_ssize_t size
        reserve(&self.out, self.starts.used + 4 + TRAILER)
        put_bytes(&self.out, self.starts.at, self.starts.used)
        put_number(&self.out, self.starts.used // 4)
        size = self.out.used - self.begin
        end_block(&self.out, self.begin)
        reserve(&self.index_starts, 4)
        put_number(&self.index_starts, self.index.used)
        reserve(&self.index, self.last.used + 5 * 10)
        put_varint(&self.index, 0)
        put_varint(&self.index, self.last.used)
        put_varint(&self.index, varint_size(self.written + self.begin) + varint_size(size))
        put_bytes(&self.index, self.last.at, self.last.used)
        put_varint(&self.index, self.written + self.begin)
        put_varint(&self.index, size)
        self.begin, self.starts.used, self.in_block = self.out.used, 0, 0
        self.blocks += 1
        return 0
