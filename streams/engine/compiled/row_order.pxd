"""Sorted rows, for the kernel that writes them into a file."""

from libc.stdint cimport uint64_t

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *p) nogil

cdef enum:
    AHEAD = 16  # rows between asking for the memory of one and its use
    LINES = 4  # of 64 bytes, asked for of each value
    LATER = 32  # bytes from the beginning of an object of `bytes` to its own

cdef struct Place:
    uint64_t head  # of the key, so that most comparisons need no other memory
    const char *key
    Py_ssize_t size
    Py_ssize_t number

cdef class Ordered:
    cdef list keys, values
    cdef bytes first
    cdef Place *places
    cdef Py_ssize_t count
    cdef void ask_for(self, Py_ssize_t at) noexcept
