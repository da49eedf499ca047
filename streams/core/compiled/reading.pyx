"""What readers show of many rows; value for value what `streams.core.reading` computes in Python."""

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport isinf, pow, signbit
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

UNNAMED = (None, None)
DEF MOST = 512  # 255 positive and 255 negative topics are all that a row can hold


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
    double score
    double fast
    double slow
    double bad
    uint32_t topic


cdef inline bint before(Entry* a, Entry* b) noexcept nogil:
    return a.score > b.score or (a.score == b.score and a.topic < b.topic)


cdef int read_topics(const unsigned char* at, const Head* head, double fast_now, double slow_now, Entry* entries) noexcept nogil:
    """The topics from `at` on, weights as they are now -> how many."""
    cdef int pos = head.positive, neg = head.negative, n = 0, i, j
    cdef float w
    cdef uint32_t topic
    for i in range(pos):
        memcpy(&entries[n].topic, at + i * 4, 4)
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
        for j in range(n):
            if entries[j].topic == topic:
                break
        else:
            j = n
            entries[j].topic = topic
            entries[j].fast = entries[j].slow = 0.0
            n += 1
        entries[j].bad = <double>w * slow_now
    return n


cdef int best(Entry* entries, int n, int limit, Weighing* weighing) noexcept nogil:
    """Bring the greatest scores to the front, then by topic -> how many."""
    cdef int i, j, least
    cdef Entry one
    for i in range(n):
        one = entries[i]
        entries[i].score = (
            weighing.fast_share * one.fast + weighing.slow_share * one.slow - weighing.bad_share * one.bad
        )
    if limit > n:
        limit = n
    for i in range(limit):  # a selection: the limit is small
        least = i
        for j in range(i + 1, n):
            if before(&entries[j], &entries[least]):
                least = j
        if least != i:
            one = entries[i]; entries[i] = entries[least]; entries[least] = one
    return limit


cdef object ZERO = 0.0


cdef inline object number(double x):
    """As a Python number; most weights of most topics are 0, and those share one."""
    return ZERO if x == 0.0 and not signbit(x) else x


cdef list interests_of(Entry* entries, int count, dict names, object interest):
    cdef int i
    cdef tuple named
    cdef object topic
    found = []
    for i in range(count):
        topic = entries[i].topic
        named = <tuple>names.get(topic, UNNAMED)
        found.append(
            interest(
                named[0], named[1], topic, entries[i].score,
                number(entries[i].fast), number(entries[i].slow), number(entries[i].bad),
            )
        )
    return found


def users(list values, list at_least_ms, int version, double base, tuple half_lives_ms, tuple shares, int limit,
          dict names, object interest, object counts):
    """(account, flags, at_ms, last_ms, counts, interests) of each row, None where there is none.

    None instead of the list if one of the rows cannot be read: the version in Python says why.
    """
    cdef Weighing weighing
    weighing.base = base
    weighing.fast_half_life_ms, weighing.slow_half_life_ms = half_lives_ms
    weighing.fast_share, weighing.slow_share, weighing.bad_share = shares
    cdef Entry entries[MOST]
    cdef Head head
    cdef bytes value
    cdef const unsigned char* p
    cdef Py_ssize_t topics_at, i
    cdef int64_t at_ms
    cdef double fast_now, slow_now
    cdef int count
    found = []
    for i in range(len(values)):
        value = values[i]
        if value is None:
            found.append(None)
            continue
        p = value
        if len(value) < <Py_ssize_t>sizeof(Head) or p[0] != version:
            return None
        memcpy(&head, p, sizeof(Head))
        topics_at = sizeof(Head) + head.ids * 8 + head.seen * 4
        if len(value) < topics_at + head.positive * 12 + head.negative * 8:
            return None
        at_ms = max(<int64_t>at_least_ms[i], head.last_ms)
        fast_now = pow(weighing.base, head.fast_epoch - <double>at_ms / weighing.fast_half_life_ms)
        slow_now = pow(weighing.base, head.slow_epoch - <double>at_ms / weighing.slow_half_life_ms)
        if isinf(fast_now) or isinf(slow_now):
            return None
        count = best(entries, read_topics(p + topics_at, &head, fast_now, slow_now, entries), limit, &weighing)
        found.append((
            head.account, head.flags, at_ms, head.last_ms,
            counts(head.views, head.likes, head.shares, head.repeats, head.late),
            interests_of(entries, count, names, interest),
        ))
    return found


cdef inline bint read_totals(bytes value, int version, Py_ssize_t header, uint64_t* totals) noexcept:
    """Whether it is a counter row whose totals are there."""
    cdef const unsigned char* p = value
    cdef int i, wide
    cdef uint16_t two
    cdef uint32_t four
    if len(value) < header or p[0] != version:
        return False
    wide = p[1] >> 4
    if wide > 3 or len(value) < header + (3 << wide):
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


def videos(list names, dict keys_of, dict rows, int version, Py_ssize_t header, object counted):
    """(facts row or None, sum of the regions, region -> its totals) of each video, None where there is none.

    None instead of the list as with `users`.
    """
    cdef bytes name, key, value
    cdef tuple keys
    cdef uint64_t sums[3]
    cdef uint64_t totals[3]
    cdef int i
    cdef dict regions
    found = []
    for name in names:
        keys = keys_of.get(name)
        if keys is None:
            found.append(None)
            continue
        facts, regions = None, {}
        sums[0] = sums[1] = sums[2] = 0
        for key in keys:
            value = rows[key]
            if len(key) == len(name) + 1:
                facts = value
                continue
            if not read_totals(value, version, header, totals):
                return None
            for i in range(3):
                sums[i] += totals[i]
                if sums[i] < totals[i]:
                    return None
            region = PyUnicode_DecodeUTF8(<const char*>key + len(name) + 1, len(key) - len(name) - 1, NULL)
            regions[region] = counted(totals[0], totals[1], totals[2])
        found.append((facts, counted(sums[0], sums[1], sums[2]), regions))
    return found
