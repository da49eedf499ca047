# CRC32C by the processor's own instruction, where it has one; included by modules that cimport uint32_t.

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__x86_64__) && defined(__GNUC__)
    static int crc_in_hardware(void) { __builtin_cpu_init(); return __builtin_cpu_supports("sse4.2") != 0; }
    __attribute__((target("sse4.2")))
    static uint32_t crc32c_hardware(const unsigned char *at, size_t left) {
        uint64_t crc = 0xFFFFFFFFu, word;
        for (; left >= 8; at += 8, left -= 8) { memcpy(&word, at, 8); crc = __builtin_ia32_crc32di(crc, word); }
        for (; left; at++, left--) crc = __builtin_ia32_crc32qi((uint32_t)crc, *at);
        return ~(uint32_t)crc;
    }
    #else
    static int crc_in_hardware(void) { return 0; }
    static uint32_t crc32c_hardware(const unsigned char *at, size_t left) { return 0; }
    #endif
    """
    int crc_in_hardware() nogil
    uint32_t crc32c_hardware(const unsigned char *at, size_t left) nogil

cdef bint crc_is_fast = crc_in_hardware()
