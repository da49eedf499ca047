"""Rows of `interests` from and to the columns of users: the same bytes as `core.interests.image`."""

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from streams.core.compiled.users cimport AHEAD, IDS, SEEN, Topics, Users, ask, users_of

from streams.core.rows import ROW_VERSION, USER_HEADER

cnp.import_array()


cdef struct Head:  # as core.rows.USER_HEADER, without padding
    uint8_t version
    uint8_t flags
    uint8_t account
    uint8_t ids
    uint8_t seen
    uint8_t positive
    uint8_t negative
    uint8_t nothing
    uint32_t views
    uint32_t likes
    uint32_t shares
    uint32_t repeats
    uint32_t late
    int32_t fast_epoch
    int32_t slow_epoch
    uint32_t last_low
    uint32_t last_high


cdef uint8_t VERSION = ROW_VERSION
if sizeof(Head) != USER_HEADER.size:
    raise ValueError("image.pyx and core.rows differ in the header of a row")


cdef inline Py_ssize_t length(Head *head) noexcept nogil:
    return sizeof(Head) + head.ids * 8 + head.seen * 4 + head.positive * 12 + head.negative * 8


cdef inline char *put(char *at, const void *source, Py_ssize_t size) noexcept nogil:
    memcpy(at, source, size)
    return at + size


cdef inline const char *get(const char *at, void *target, Py_ssize_t size) noexcept nogil:
    memcpy(target, at, size)
    return at + size


cdef void write(Users *users, Py_ssize_t row, Head *head, char *at) noexcept nogil:
    cdef Topics *up = &users.positive
    cdef Topics *down = &users.negative
    at = put(at, head, sizeof(Head))
    at = put(at, users.ids + row * IDS, head.ids * 8)
    at = put(at, users.seen + row * SEEN, head.seen * 4)
    at = put(at, up.topic + row * up.most, head.positive * 4)
    at = put(at, up.fast + row * up.most, head.positive * 4)
    at = put(at, up.slow + row * up.most, head.positive * 4)
    at = put(at, down.topic + row * down.most, head.negative * 4)
    put(at, down.slow + row * down.most, head.negative * 4)


cdef void read(Users *users, Py_ssize_t row, Head *head, const char *at) noexcept nogil:
    cdef Topics *up = &users.positive
    cdef Topics *down = &users.negative
    at = get(at, users.ids + row * IDS, head.ids * 8)
    at = get(at, users.seen + row * SEEN, head.seen * 4)
    at = get(at, up.topic + row * up.most, head.positive * 4)
    at = get(at, up.fast + row * up.most, head.positive * 4)
    at = get(at, up.slow + row * up.most, head.positive * 4)
    at = get(at, down.topic + row * down.most, head.negative * 4)
    get(at, down.slow + row * down.most, head.negative * 4)


cdef Head head_of(Users *users, Py_ssize_t row) noexcept nogil:
    cdef Head head
    head.version, head.nothing = VERSION, 0
    head.flags, head.account = users.flags[row], users.account[row]
    head.ids, head.seen = <uint8_t>min(users.views[row], IDS), <uint8_t>min(users.views[row], SEEN)
    head.positive, head.negative = <uint8_t>users.positive.size[row], <uint8_t>users.negative.size[row]
    head.views, head.likes, head.shares = users.views[row], users.likes[row], users.shares[row]
    head.repeats, head.late = users.repeats[row], users.late[row]
    head.fast_epoch, head.slow_epoch = users.fast_epoch[row], users.slow_epoch[row]
    head.last_low, head.last_high = <uint32_t>users.last_ms[row], <uint32_t>(users.last_ms[row] >> 32)
    return head


def encode(columns, int64_t[::1] slots):
    """`image.encode`: the rows of these slots as a list of bytes."""
    cdef Users users = users_of(columns)
    cdef Py_ssize_t i
    cdef Head head
    cdef bytes value
    rows = []
    for i in range(slots.shape[0]):
        if i + AHEAD < slots.shape[0]:
            ask(&users, slots[i + AHEAD])
        head = head_of(&users, slots[i])
        value = PyBytes_FromStringAndSize(NULL, length(&head))
        write(&users, slots[i], &head, PyBytes_AS_STRING(value))
        rows.append(value)
    return rows


def decode(columns, int64_t[::1] slots, list rows):
    """`image.decode`: fills slots that are empty. ValueError if a row is not as long as its header says."""
    cdef Users users = users_of(columns)
    cdef Py_ssize_t i, row
    cdef Head head
    cdef bytes value
    for i in range(slots.shape[0]):
        value, row = rows[i], slots[i]
        if PyBytes_GET_SIZE(value) < <Py_ssize_t>sizeof(Head):
            raise ValueError(f"interests: a row of {len(value)} bytes is shorter than its header")
        memcpy(&head, PyBytes_AS_STRING(value), sizeof(Head))
        if (
            PyBytes_GET_SIZE(value) != length(&head) or head.ids > IDS or head.seen > SEEN
            or head.positive > users.positive.most or head.negative > users.negative.most
        ):
            raise ValueError(f"interests: a row of {len(value)} bytes does not fit its header")
        users.flags[row], users.account[row] = head.flags, head.account
        users.views[row], users.likes[row], users.shares[row] = head.views, head.likes, head.shares
        users.repeats[row], users.late[row] = head.repeats, head.late
        users.fast_epoch[row], users.slow_epoch[row] = head.fast_epoch, head.slow_epoch
        users.last_ms[row] = <int64_t>head.last_high << 32 | head.last_low
        users.positive.size[row], users.negative.size[row] = head.positive, head.negative
        read(&users, row, &head, PyBytes_AS_STRING(value) + sizeof(Head))
