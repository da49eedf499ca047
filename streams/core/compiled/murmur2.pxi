# Included by modules that cimport uint32_t.

cdef uint32_t murmur2(const unsigned char* data, Py_ssize_t size) noexcept nogil:
    """As `core.keys.murmur2`: that of Kafka's default partitioner."""
    cdef uint32_t multiplier = 0x5BD1E995
    cdef uint32_t h = <uint32_t>0x9747B28C ^ <uint32_t>size
    cdef uint32_t word
    cdef Py_ssize_t i
    for i in range(size >> 2):
        word = (
            <uint32_t>data[4 * i] | <uint32_t>data[4 * i + 1] << 8 | <uint32_t>data[4 * i + 2] << 16
            | <uint32_t>data[4 * i + 3] << 24
        ) * multiplier
        h = (h * multiplier) ^ ((word ^ word >> 24) * multiplier)
    if size & 3:
        word = 0
        for i in range(size & 3):
            word |= <uint32_t>data[(size & ~3) + i] << (8 * i)
        h = (h ^ word) * multiplier
    h = (h ^ h >> 13) * multiplier
    return h ^ h >> 15
