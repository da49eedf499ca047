"""Likes and shares into the rows of their users: the same as the columns of `core.interests.reactions`."""

from libc.stdint cimport int64_t, uint8_t

from streams.core.compiled.users cimport AHEAD, Users, prefetch, users_of

from streams.core import params, rows

cdef int64_t OLDEST_MS = params.OLDEST_MS
cdef int64_t AHEAD_MS = params.LATEST_AHEAD_MS
cdef uint8_t HIDDEN = rows.HIDDEN
cdef int64_t ON = int(rows.PairFlag.ON)
cdef int64_t COUNTED = int(rows.PairFlag.COUNTED)
cdef int64_t LATE = int(rows.PairFlag.LATE)


def count(columns, int64_t[::1] slots, int64_t[::1] at_ms, int64_t[::1] arrival_ms, uint8_t[::1] on, bint likes,
          int64_t[::1] flags):
    """Clamps `at_ms` in place, counts the records at their users and fills in their `flags`.

    -> how many were clamped ahead and how many late, and the greatest event time and arrival.
    """
    cdef Users users = users_of(columns)
    cdef int64_t *counts = users.likes if likes else users.shares
    cdef Py_ssize_t i, row, n = slots.shape[0], clamped = 0, lates = 0
    cdef int64_t at, newest = 0, arrival = 0
    cdef bint late
    for i in range(n):
        if i + AHEAD < n:
            row = slots[i + AHEAD]
            prefetch(counts + row)
            prefetch(users.last_ms + row)
            prefetch(users.account + row)
            prefetch(users.dirty + row)
        row, at = slots[i], at_ms[i]
        late = at < arrival_ms[i] - OLDEST_MS
        if late:
            at = at_ms[i] = arrival_ms[i] - OLDEST_MS
            users.late[row] += 1
            lates += 1
        elif at > arrival_ms[i] + AHEAD_MS:
            at = at_ms[i] = arrival_ms[i] + AHEAD_MS
            clamped += 1
        newest, arrival = max(newest, at), max(arrival, arrival_ms[i])
        counts[row] += 1
        users.last_ms[row] = max(users.last_ms[row], at)
        users.dirty[row] = 1
        flags[i] = LATE if late else 0
        if on[i]:
            flags[i] |= ON if users.account[row] & HIDDEN else ON | COUNTED
    return clamped, lates, newest, arrival
