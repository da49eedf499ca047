# The strict part of JSON that `parse` understands: one object of short plain strings, whole numbers and nulls.
# Nothing is read at or behind `end`. What is found here msgspec would find too; the reverse need not hold.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum Field:
    ID, USER, VIDEO, REGION, SURFACE, SESSION, OP, CHANNEL, AT_MS, WATCH_MS, DURATION_MS, UNKNOWN

cdef enum:
    TEXTS = 8  # the first fields are strings
    MOST_DIGITS = 15

cdef struct Event:
    const char* text[TEXTS]
    Py_ssize_t size[TEXTS]
    int64_t number[3]
    unsigned int seen  # a bit for each field that is there and not null
    unsigned int named  # a bit for each field that is there

cdef uint64_t EACH = 0x0101010101010101
cdef uint64_t HIGH = 0x8080808080808080


cdef inline const char* past_blanks(const char* p, const char* end) noexcept nogil:
    while p < end and (p[0] == b' ' or p[0] == b'\n' or p[0] == b'\r' or p[0] == b'\t'):
        p += 1
    return p


cdef inline const char* quote(const char* p, const char* end) noexcept nogil:
    """The end of a string without escapes and control characters, NULL if it is not such a string."""
    cdef uint64_t word, is_quote, is_escape
    while end - p >= 8:
        memcpy(&word, p, 8)
        is_quote, is_escape = word ^ EACH * 0x22, word ^ EACH * 0x5C
        # Of each byte the high bit: is it a quote, a backslash or below a blank? Exact, if any is at all.
        if ((is_quote - EACH) & ~is_quote | (is_escape - EACH) & ~is_escape | (word - EACH * 0x20) & ~word) & HIGH:
            break
        p += 8
    while p < end and p[0] != b'"':
        if p[0] == b'\\' or <unsigned char>p[0] < 0x20:
            return NULL
        p += 1
    return p if p < end else NULL


cdef inline Field field_of(const char* p, Py_ssize_t size) noexcept nogil:
    if size == 2:
        return ID if memcmp(p, b"id", 2) == 0 else OP if memcmp(p, b"op", 2) == 0 else UNKNOWN
    if size == 4:
        return USER if memcmp(p, b"user", 4) == 0 else UNKNOWN
    if size == 5:
        return VIDEO if memcmp(p, b"video", 5) == 0 else AT_MS if memcmp(p, b"at_ms", 5) == 0 else UNKNOWN
    if size == 6:
        return REGION if memcmp(p, b"region", 6) == 0 else UNKNOWN
    if size == 7:
        if memcmp(p, b"session", 7) == 0:
            return SESSION
        return SURFACE if memcmp(p, b"surface", 7) == 0 else CHANNEL if memcmp(p, b"channel", 7) == 0 else UNKNOWN
    if size == 8:
        return WATCH_MS if memcmp(p, b"watch_ms", 8) == 0 else UNKNOWN
    if size == 11:
        return DURATION_MS if memcmp(p, b"duration_ms", 11) == 0 else UNKNOWN
    return UNKNOWN


cdef inline bint is_plain(const char* p, Py_ssize_t size, Py_ssize_t most) noexcept nogil:
    """1 to `most` printable ASCII characters."""
    cdef Py_ssize_t i
    if not 0 < size <= most:
        return False
    for i in range(size):
        if not 0x20 <= <unsigned char>p[i] <= 0x7E:
            return False
    return True


cdef inline const char* value(const char* p, const char* end, Field field, Event* event) noexcept nogil:
    """Takes the value of a field -> behind it, NULL: not understood."""
    cdef const char* begin = p
    cdef int64_t number = 0
    if p >= end:
        return NULL
    if p[0] == b'"':
        begin = p + 1
        p = quote(begin, end)
        if p == NULL or AT_MS <= field < UNKNOWN:
            return NULL
        if field == UNKNOWN:
            if p > begin and not is_plain(begin, p - begin, p - begin):
                return NULL
        else:
            event.text[<int>field], event.size[<int>field] = begin, p - begin
            event.seen |= 1 << <int>field
        return p + 1
    if end - p >= 4 and memcmp(p, b"null", 4) == 0:
        return p + 4
    if field == UNKNOWN and end - p >= 4 and memcmp(p, b"true", 4) == 0:
        return p + 4
    if field == UNKNOWN and end - p >= 5 and memcmp(p, b"false", 5) == 0:
        return p + 5
    if field < AT_MS:
        return NULL
    while p < end and b'0' <= p[0] <= b'9' and p - begin < MOST_DIGITS:
        number = 10 * number + (p[0] - c'0')
        p += 1
    if p == begin or (begin[0] == b'0' and p - begin > 1):
        return NULL
    if field != UNKNOWN:
        event.number[<int>field - <int>AT_MS] = number
        event.seen |= 1 << <int>field
    return p


cdef inline bint scan(const char* p, const char* end, unsigned int known, Event* event) noexcept nogil:
    """Whether the whole text was understood. Fields whose bit is not in `known` are unknown ones."""
    cdef const char* name
    cdef Field field
    event.seen = event.named = 0
    p = past_blanks(p, end)
    if p >= end or p[0] != b'{':
        return False
    p += 1
    while True:
        p = past_blanks(p, end)
        if p >= end or p[0] != b'"':
            return False
        name = p + 1
        p = quote(name, end)
        if p == NULL:
            return False
        field = field_of(name, p - name)
        if field != UNKNOWN and not known >> <int>field & 1:
            field = UNKNOWN
        if field == UNKNOWN:
            if not is_plain(name, p - name, 64):
                return False
        elif event.named >> <int>field & 1:
            return False
        event.named |= 1 << <int>field
        p = past_blanks(p + 1, end)
        if p >= end or p[0] != b':':
            return False
        p = value(past_blanks(p + 1, end), end, field, event)
        if p == NULL:
            return False
        p = past_blanks(p, end)
        if p >= end:
            return False
        if p[0] == b',':
            p += 1
        elif p[0] == b'}':
            return past_blanks(p + 1, end) == end
        else:
            return False
