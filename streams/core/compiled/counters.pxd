"""The table of names, for the other kernels."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t kc_mix(uint64_t a, uint64_t b) {
        unsigned __int128 r = (unsigned __int128)a * b;
        return (uint64_t)r ^ (uint64_t)(r >> 64);
    }
    static inline uint64_t kc_8(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint64_t kc_4(const char *p) { uint32_t v; memcpy(&v, p, 4); return v; }
    static inline uint32_t kc_hash(const char *p, size_t n, uint64_t seed) {
        uint64_t a = 0, b = 0, h = seed ^ n;
        for (; n > 16; p += 16, n -= 16)
            h = kc_mix(kc_8(p) ^ 0xa0761d6478bd642fULL, kc_8(p + 8) ^ h);
        if (n >= 8) { a = kc_8(p); b = kc_8(p + n - 8); }
        else if (n >= 4) { a = kc_4(p); b = kc_4(p + n - 4); }
        else if (n) a = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n >> 1] << 8 | (uint8_t)p[n - 1];
        h = kc_mix(a ^ 0xa0761d6478bd642fULL, b ^ h);
        return (uint32_t)kc_mix(h ^ seed, 0xe7037ed1a0b428dbULL);
    }
    """
    uint32_t kc_hash(const char *p, size_t n, uint64_t seed) nogil
    void prefetch "__builtin_prefetch"(const void *p) nogil

cdef uint64_t SEED


cdef inline void *room(void *memory, Py_ssize_t *have, Py_ssize_t need, Py_ssize_t item) except NULL:
    """Memory for `need` items and some more."""
    cdef Py_ssize_t size = max(need + need // 2, 64)
    if need <= have[0] and memory is not NULL:
        return memory
    memory = realloc(memory, size * item)
    if memory is NULL:
        raise MemoryError
    have[0] = size
    return memory


cdef class NameTable:
    cdef list names
    cdef uint64_t *entries
    cdef Py_ssize_t size, count

    cdef int64_t at(self, const char *name, Py_ssize_t length, uint32_t hashed) noexcept
    cdef void approach(self, const uint32_t *hashes, Py_ssize_t n, const char *records, Py_ssize_t stride) noexcept
    cdef void set(self, uint64_t entry) noexcept
    cdef int reserve(self, Py_ssize_t more) except -1


cdef class Absent:
    cdef list names
    cdef object places, hashes
    cdef int64_t *place
    cdef uint32_t *hashed

    cdef int note(self, Py_ssize_t place, bytes name, uint32_t hashed) except -1
    cdef bint twice(self) except -1
    cdef tuple columns(self)
