"""Rows of users and counters as readers take them apart, for the kernels that show many of them."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport isinf, pow
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    MOST = 512  # 255 positive and 255 negative topics are all that a row can hold


cdef packed struct Head:  # streams.core.rows.USER_HEADER
    uint8_t version, flags, account, ids, seen, positive, negative, zero
    uint32_t views, likes, shares, repeats, late
    int32_t fast_epoch, slow_epoch
    int64_t last_ms


cdef struct Weighing:
    double base  # 2.0, unknown to the C compiler: it must call `pow`, as Python does
    double fast_half_life_ms, slow_half_life_ms
    double fast_share, slow_share, bad_share


cdef struct Entry:
    double fast
    double slow
    double bad
    uint32_t topic


cdef struct Rank:
    double score
    uint32_t topic
    uint32_t at  # which of the entries


cdef inline Weighing weighing_of(double base, tuple half_lives_ms, tuple shares) except *:
    cdef Weighing weighing
    weighing.base = base
    weighing.fast_half_life_ms, weighing.slow_half_life_ms = half_lives_ms
    weighing.fast_share, weighing.slow_share, weighing.bad_share = shares
    return weighing


cdef inline bint read_head(bytes value, int version, Head* head) noexcept:
    """Whether it is a user's row of this version, and as long as it says."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    if size < <Py_ssize_t>sizeof(Head):
        return False
    memcpy(head, PyBytes_AS_STRING(value), sizeof(Head))
    return head.version == version and size >= topics_at(head) + head.positive * 12 + head.negative * 8


cdef inline Py_ssize_t topics_at(const Head* head) noexcept nogil:
    return sizeof(Head) + head.ids * 8 + head.seen * 4


cdef inline int read_topics(const char* row, const Head* head, int64_t at_ms, const Weighing* weighing,
                            Entry* entries) noexcept nogil:
    """The topics of a row, weights as they are at `at_ms` -> how many; -1: the weights have no number."""
    cdef double fast_now = pow(weighing.base, head.fast_epoch - <double>at_ms / weighing.fast_half_life_ms)
    cdef double slow_now = pow(weighing.base, head.slow_epoch - <double>at_ms / weighing.slow_half_life_ms)
    cdef const char* at = row + topics_at(head)
    cdef int pos = head.positive, neg = head.negative, n = 0, i, j
    cdef float w
    cdef uint32_t topic
    cdef uint8_t met[256]  # by the last byte of a hash: most negative topics need no search
    if isinf(fast_now) or isinf(slow_now):
        return -1
    memset(met, 0, sizeof(met))
    for i in range(pos):
        memcpy(&entries[n].topic, at + i * 4, 4)
        met[entries[n].topic & 0xFF] = 1
        memcpy(&w, at + (pos + i) * 4, 4)
        entries[n].fast = <double>w * fast_now
        memcpy(&w, at + (2 * pos + i) * 4, 4)
        entries[n].slow = <double>w * slow_now
        entries[n].bad = 0.0
        n += 1
    at += pos * 12
    for i in range(neg):
        memcpy(&topic, at + i * 4, 4)
        memcpy(&w, at + (neg + i) * 4, 4)
        j = 0 if met[topic & 0xFF] else n
        while j < n and entries[j].topic != topic:
            j += 1
        if j == n:
            entries[j].topic = topic
            entries[j].fast = entries[j].slow = 0.0
            met[topic & 0xFF] = 1
            n += 1
        entries[j].bad = <double>w * slow_now
    return n


cdef inline bint before(const Rank* a, const Rank* b) noexcept nogil:
    return a.score > b.score or (a.score == b.score and a.topic < b.topic)


cdef inline int best(const Entry* entries, int n, int limit, const Weighing* weighing, Rank* ranks) noexcept nogil:
    """The greatest scores, then by topic -> how many. Most entries are compared with the least one kept only."""
    cdef int i, j, kept = 0
    cdef Rank one
    if limit <= 0:
        return 0
    for i in range(n):
        one.score = (
            weighing.fast_share * entries[i].fast + weighing.slow_share * entries[i].slow
            - weighing.bad_share * entries[i].bad
        )
        one.topic, one.at = entries[i].topic, i
        if kept < limit:
            kept += 1
        elif not before(&one, &ranks[kept - 1]):
            continue
        j = kept - 1
        while j > 0 and before(&one, &ranks[j - 1]):
            ranks[j] = ranks[j - 1]
            j -= 1
        ranks[j] = one
    return kept


cdef inline bint read_totals(bytes value, int version, Py_ssize_t header, uint64_t* totals) noexcept:
    """Whether it is a counter row whose totals are there."""
    cdef const unsigned char* p = <const unsigned char*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    cdef int i, wide
    cdef uint16_t two
    cdef uint32_t four
    if size < header or p[0] != version:
        return False
    wide = p[1] >> 4
    if wide > 3 or size < header + (3 << wide):
        return False
    p += header
    for i in range(3):
        if wide == 0:
            totals[i] = p[i]
        elif wide == 1:
            memcpy(&two, p + i * 2, 2)
            totals[i] = two
        elif wide == 2:
            memcpy(&four, p + i * 4, 4)
            totals[i] = four
        else:
            memcpy(&totals[i], p + i * 8, 8)
    return True
