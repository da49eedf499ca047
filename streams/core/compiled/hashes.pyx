"""Hashes of many keys at once."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t

import numpy as np


include "murmur2.pxi"


def murmur2_many(keys):
    """`core.keys.murmur2` of each of these bytes, as an array."""
    found = np.empty(len(keys), np.uint32)
    cdef uint32_t[::1] hashes = found
    cdef Py_ssize_t i = 0
    for i, key in enumerate(keys):
        if not isinstance(key, bytes):
            raise TypeError("keys are bytes")
        hashes[i] = murmur2(<const unsigned char*>PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
    return found
