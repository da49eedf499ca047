"""The columns of users as the kernels see them: pointers, good until the columns grow."""

cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    IDS = 32
    SEEN = 16
    MOST = 64  # topics of a list
    AHEAD = 6  # rows between asking for the memory of one and its use

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *p) nogil


cdef struct Topics:
    uint32_t *topic
    int64_t *size
    float *fast  # NULL where there is one weight only
    float *slow  # ranks
    int most
    int kept


cdef struct Users:
    uint8_t *flags
    uint8_t *account
    uint8_t *dirty
    int64_t *views
    int64_t *likes
    int64_t *shares
    int64_t *repeats
    int64_t *late
    int64_t *fast_epoch
    int64_t *slow_epoch
    int64_t *last_ms
    uint64_t *ids
    uint32_t *seen
    Topics positive
    Topics negative


cdef inline void *data(cnp.ndarray column) noexcept:
    return cnp.PyArray_DATA(column)


cdef inline Topics topics_of(lists) except *:
    cdef Topics topics
    topics.topic, topics.size = <uint32_t *>data(lists.topic), <int64_t *>data(lists.size)
    topics.fast = <float *>data(lists.weights[0]) if len(lists.weights) == 2 else NULL
    topics.slow = <float *>data(lists.weights[len(lists.weights) - 1])
    topics.most, topics.kept = lists.most, lists.kept
    if topics.most > MOST:
        raise ValueError("users.pxd and core.params differ in the topics of a list")
    return topics


cdef inline Users users_of(columns) except *:
    """Of `UserColumns`: contiguous columns of these types."""
    cdef Users users
    if columns.view_ids.shape[1] != IDS or columns.seen.shape[1] != SEEN:
        raise ValueError("users.pxd and core.params differ in the lengths of a user's lists")
    users.flags, users.account = <uint8_t *>data(columns.flags), <uint8_t *>data(columns.account)
    users.dirty, users.views = <uint8_t *>data(columns.dirty), <int64_t *>data(columns.views)
    users.likes, users.shares = <int64_t *>data(columns.likes), <int64_t *>data(columns.shares)
    users.repeats, users.late = <int64_t *>data(columns.repeats), <int64_t *>data(columns.late)
    users.fast_epoch, users.slow_epoch = <int64_t *>data(columns.fast_epoch), <int64_t *>data(columns.slow_epoch)
    users.last_ms = <int64_t *>data(columns.last_ms)
    users.ids, users.seen = <uint64_t *>data(columns.view_ids), <uint32_t *>data(columns.seen)
    users.positive, users.negative = topics_of(columns.positive), topics_of(columns.negative)
    return users


cdef inline void ask(Users *users, Py_ssize_t row) noexcept nogil:
    """For the memory of a row that will be needed soon."""
    cdef int i
    for i in range(0, IDS, 8):
        prefetch(users.ids + row * IDS + i)
    for i in range(0, users.positive.most, 16):
        prefetch(users.positive.topic + row * users.positive.most + i)
        prefetch(users.positive.fast + row * users.positive.most + i)
        prefetch(users.positive.slow + row * users.positive.most + i)
    prefetch(users.negative.topic + row * users.negative.most)
