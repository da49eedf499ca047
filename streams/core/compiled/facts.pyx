"""Facts of videos: which are surely good, and the hashes of their topics (BLAKE2b, four bytes) as `core.keys` has them."""

import sys

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from streams.core import checks

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyUnicode_IS_ASCII(object text)

if sys.byteorder != "little":
    raise ImportError("written for processors that store the low byte first")

cdef enum:
    BLOCK = 128
    DIGEST = 4
    TAGS = 16

cdef Py_ssize_t NAME_CHARS = checks.NAME_CHARS, LABEL_CHARS = checks.LABEL_CHARS
cdef int64_t MOST_MS = checks.MOST_MS, MOST_WATCH_MS = checks.MOST_WATCH_MS

cdef uint64_t[8] START = [
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
]
cdef uint8_t[160] ORDER = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
    11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
    7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
    9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
    2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
    12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
    13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
    6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
    10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
]


cdef inline uint64_t turned(uint64_t a, int by) noexcept nogil:
    return a >> by | a << (64 - by)


cdef inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) noexcept nogil:
    v[a] = v[a] + v[b] + x
    v[d] = turned(v[d] ^ v[a], 32)
    v[c] = v[c] + v[d]
    v[b] = turned(v[b] ^ v[c], 24)
    v[a] = v[a] + v[b] + y
    v[d] = turned(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d]
    v[b] = turned(v[b] ^ v[c], 63)


cdef void compress(uint64_t *h, const char *block, uint64_t done, bint last) noexcept nogil:
    """One block of BLAKE2b (RFC 7693); `done`: bytes up to its end."""
    cdef uint64_t v[16]
    cdef uint64_t m[16]
    cdef uint8_t *order
    cdef int i
    memcpy(m, block, BLOCK)
    memcpy(v, h, 64)
    memcpy(v + 8, START, 64)
    v[12] ^= done
    if last:
        v[14] = ~v[14]
    for i in range(12):
        order = ORDER + 16 * (i % 10)
        mix(v, 0, 4, 8, 12, m[order[0]], m[order[1]])
        mix(v, 1, 5, 9, 13, m[order[2]], m[order[3]])
        mix(v, 2, 6, 10, 14, m[order[4]], m[order[5]])
        mix(v, 3, 7, 11, 15, m[order[6]], m[order[7]])
        mix(v, 0, 5, 10, 15, m[order[8]], m[order[9]])
        mix(v, 1, 6, 11, 12, m[order[10]], m[order[11]])
        mix(v, 2, 7, 8, 13, m[order[12]], m[order[13]])
        mix(v, 3, 4, 9, 14, m[order[14]], m[order[15]])
    for i in range(8):
        h[i] ^= v[i] ^ v[i + 8]


cdef uint32_t hashed(bytes head, object name) except? 1:
    """The hash of `head` followed by a text of at most `NAME_CHARS` characters in UTF-8."""
    cdef Py_ssize_t size, before = len(head), at = 0
    cdef const char *text = PyUnicode_AsUTF8AndSize(name, &size)
    cdef char message[5 * BLOCK]
    cdef uint64_t h[8]
    if before + size > 4 * BLOCK:
        raise ValueError("no name is so long")
    memset(message, 0, sizeof(message))
    memcpy(message, <const char *>head, before)
    memcpy(message + before, text, size)
    size += before
    memcpy(h, START, 64)
    h[0] ^= 0x01010000 ^ DIGEST
    while size - at > BLOCK:
        compress(h, message + at, at + BLOCK, False)
        at += BLOCK
    compress(h, message + at, size, True)
    return <uint32_t>h[0]


def seen_hash(str video not None):
    """`core.keys.seen_hash` of a name."""
    return hashed(b"seen:", video)


def topics(list facts not None):
    """Of each of these facts (None: no topics) how many hashes of topics, and all of them, in the order of weighing."""
    cdef Py_ssize_t i, before, n = len(facts)
    cdef list found = []
    sizes = np.zeros(n, np.int64)
    cdef int64_t[::1] sizes_ = sizes
    for i in range(n):
        one = facts[i]
        if one is None:
            continue
        before = len(found)
        for tag in one.tags:
            found.append(hashed(b"tag:", tag))
        found.append(hashed(b"sound:", one.sound))
        found.append(hashed(b"creator:", one.creator))
        found.append(hashed(b"category:", one.category))
        found.append(hashed(b"language:", one.language))
        sizes_[i] = len(found) - before
    return sizes, np.array(found, np.uint32)


cdef bint is_plain(object text, Py_ssize_t most) except -1:
    """1 to `most` printable ASCII characters."""
    cdef Py_ssize_t size, i
    cdef const char *p
    if not isinstance(text, str) or not PyUnicode_IS_ASCII(text):
        return False
    p = PyUnicode_AsUTF8AndSize(text, &size)
    if not 0 < size <= most:
        return False
    for i in range(size):
        if not 0x20 <= <unsigned char>p[i] <= 0x7E:
            return False
    return True


cdef bint are_plain_tags(tuple tags) except -1:
    """At most 16, all plain and different."""
    cdef Py_ssize_t i, j, n = len(tags)
    cdef const char *text[TAGS]
    cdef Py_ssize_t size[TAGS]
    if n > TAGS:
        return False
    for i in range(n):
        if not is_plain(tags[i], NAME_CHARS):
            return False
        text[i] = PyUnicode_AsUTF8AndSize(tags[i], &size[i])
        for j in range(i):
            if size[i] == size[j] and memcmp(text[i], text[j], size[i]) == 0:
                return False
    return True


def are_plain(facts):
    """Whether decoded facts pass every rule of `core.arrival` that looks at a single value, as far as plain text goes.

    `visibility` and `status` are left to the caller.
    """
    cdef int64_t published_ms, duration_ms
    try:
        published_ms, duration_ms = facts.published_ms, facts.duration_ms
    except OverflowError:
        return False
    return (
        0 <= published_ms < MOST_MS and 1 <= duration_ms <= MOST_WATCH_MS
        and is_plain(facts.creator, NAME_CHARS) and is_plain(facts.sound, NAME_CHARS)
        and is_plain(facts.category, NAME_CHARS) and is_plain(facts.language, LABEL_CHARS)
        and are_plain_tags(facts.tags)
    )
