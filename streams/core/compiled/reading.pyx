"""What readers show of many rows; value for value what `streams.core.reading` computes in Python."""

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport signbit
from libc.stdint cimport int64_t, uint64_t

UNNAMED = (None, None)

cdef object ZERO = 0.0


cdef inline object number(double x):
    """As a Python number; most weights of most topics are 0, and those share one."""
    return ZERO if x == 0.0 and not signbit(x) else x


cdef list interests_of(const Entry* entries, const Rank* ranks, int count, dict names, object interest):
    cdef int i
    cdef const Entry* entry
    cdef tuple named
    cdef object topic
    found = []
    for i in range(count):
        entry, topic = entries + ranks[i].at, ranks[i].topic
        named = <tuple>names.get(topic, UNNAMED)
        found.append(
            interest(
                named[0], named[1], topic, ranks[i].score, number(entry.fast), number(entry.slow), number(entry.bad),
            )
        )
    return found


def users(list values, list at_least_ms, int version, double base, tuple half_lives_ms, tuple shares, int limit,
          dict names, object interest, object counts):
    """(account, flags, at_ms, last_ms, counts, interests) of each row, None where there is none.

    None instead of the list if one of the rows cannot be read: the version in Python says why.
    """
    cdef Weighing weighing = weighing_of(base, half_lives_ms, shares)
    cdef Entry entries[MOST]
    cdef Rank ranks[MOST]
    cdef Head head
    cdef bytes value
    cdef Py_ssize_t i
    cdef int64_t at_ms
    cdef int count
    found = []
    for i in range(len(values)):
        value = values[i]
        if value is None:
            found.append(None)
            continue
        if not read_head(value, version, &head):
            return None
        at_ms = max(<int64_t>at_least_ms[i], head.last_ms)
        count = read_topics(value, &head, at_ms, &weighing, entries)
        if count < 0:
            return None
        count = best(entries, count, limit, &weighing, ranks)
        found.append((
            head.account, head.flags, at_ms, head.last_ms,
            counts(head.views, head.likes, head.shares, head.repeats, head.late),
            interests_of(entries, ranks, count, names, interest),
        ))
    return found


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
