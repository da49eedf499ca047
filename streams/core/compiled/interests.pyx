"""One event after another into the rows of the users: the same bytes as `core.interests.weigh` and `views`."""

import numpy as np

cimport numpy as cnp
from libc.math cimport ldexp, ldexpf
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from streams.core.compiled.users cimport AHEAD, IDS, MOST, SEEN, Topics, Users, ask, data, users_of

from streams.core import decay, panes, params, rows, weights

cnp.import_array()

cdef int64_t FAST_MS = params.FAST_HALF_LIFE_MS
cdef int64_t SLOW_MS = params.SLOW_HALF_LIFE_MS
cdef int64_t SLOW_IN_FAST = params.SLOW_HALF_LIFE_MS // params.FAST_HALF_LIFE_MS
cdef int64_t OLDEST_MS = params.OLDEST_MS
cdef int64_t AHEAD_MS = params.LATEST_AHEAD_MS
cdef int64_t MINUTE_MS = params.MINUTE_MS
cdef int64_t TOTAL_ONLY = panes.TOTAL_ONLY
cdef int64_t SKIP_MS = params.SKIP_BELOW_MS
cdef double SKIP_RATIO = params.SKIP_BELOW_RATIO
cdef double SKIP = params.SKIP_WEIGHT
cdef double REWATCH = params.REWATCH_WEIGHT
cdef double REWATCHES = params.REWATCHES_AT_MOST
cdef int64_t SHORT_MS = weights.SHORT_MS
cdef int64_t MEDIUM_MS = weights.MEDIUM_MS
cdef double[3] KAPPAS = weights.KAPPAS
cdef uint8_t HIDDEN = rows.HIDDEN
cdef uint8_t EVICTED_TOPIC = rows.UserFlag.EVICTED_TOPIC
cdef uint8_t FACTS_CHANGED = rows.UserFlag.FACTS_CHANGED
cdef int STEPS = decay.STEPS
cdef int HALF_STEPS = decay.STEPS // 2
cdef int64_t FINE_MASK = (1 << decay.STEPS // 2) - 1
cdef double[::1] COARSE = decay.COARSE
cdef double[::1] FINE = decay.FINE

cdef struct Facts:
    uint8_t *known
    uint8_t *changed
    int64_t *duration_ms
    int64_t *start
    int64_t *size
    uint32_t *flat
    uint32_t *seen


cdef Facts facts_of(contents) except *:
    cdef Facts facts
    facts.known, facts.changed = <uint8_t *>data(contents.known), <uint8_t *>data(contents.changed)
    facts.duration_ms, facts.seen = <int64_t *>data(contents.duration_ms), <uint32_t *>data(contents.seen)
    facts.start, facts.size = <int64_t *>data(contents.start), <int64_t *>data(contents.size)
    facts.flat = <uint32_t *>data(contents.flat)
    return facts


cdef inline double grown(double weight, int64_t at_ms, int64_t epoch, int64_t half_life_ms) noexcept nogil:
    """As `decay.grown`. A power of two multiplies exactly, and a result below the normal ones is rounded once."""
    cdef int64_t whole = at_ms // half_life_ms, step, by
    step = ((at_ms - whole * half_life_ms) << STEPS) // half_life_ms
    weight = weight * (COARSE[step >> HALF_STEPS] * FINE[step & FINE_MASK])
    by = whole - epoch
    return weight if by == 0 else ldexp(weight, <int>by)


cdef void scale(float *weights, Py_ssize_t count, int64_t by) noexcept nogil:
    cdef Py_ssize_t i
    cdef float power
    cdef uint32_t bits
    if by < -126:
        for i in range(count):
            weights[i] = ldexpf(weights[i], <int>by)
        return
    bits = <uint32_t>(127 + by) << 23
    memcpy(&power, &bits, 4)
    for i in range(count):
        weights[i] = weights[i] * power


cdef inline uint64_t rank(float weight, uint32_t topic) noexcept nogil:
    """Orders as (weight, topic) does; both zeros are equal."""
    cdef uint32_t bits
    weight = weight + <float>0.0
    memcpy(&bits, &weight, 4)
    bits = ~bits if bits >> 31 else bits | <uint32_t>1 << 31
    return <uint64_t>bits << 32 | topic


cdef void prune(Topics *lists, Py_ssize_t row) noexcept nogil:
    """Drops the smallest until `kept` are left; those keep their order."""
    cdef uint32_t *topic = lists.topic + row * lists.most
    cdef float *slow = lists.slow + row * lists.most
    cdef float *fast = NULL if lists.fast is NULL else lists.fast + row * lists.most
    cdef uint64_t gone[MOST]
    cdef uint64_t key
    cdef int i, j, found = 0, drop = lists.most - lists.kept
    for i in range(lists.most):
        key = rank(slow[i], topic[i])
        if found == drop:
            if key > gone[found - 1]:
                continue
            found -= 1
        j = found
        while j > 0 and gone[j - 1] > key:
            gone[j] = gone[j - 1]
            j -= 1
        gone[j] = key
        found += 1
    j = 0
    for i in range(lists.most):
        if rank(slow[i], topic[i]) > gone[drop - 1]:
            topic[j], slow[j] = topic[i], slow[i]
            if fast is not NULL:
                fast[j] = fast[i]
            j += 1
    for i in range(j, lists.most):
        topic[i], slow[i] = 0, 0
        if fast is not NULL:
            fast[i] = 0
    lists.size[row] = j


cdef inline bint add(Topics *lists, Py_ssize_t row, uint32_t topic, float fast, float slow, bint undo) noexcept nogil:
    """Whether topics had to leave."""
    cdef uint32_t *listed = lists.topic + row * lists.most
    cdef int size = <int>lists.size[row], j
    cdef uint32_t place = 0
    cdef bint dropped = False
    for j in range(size):  # without a way out it becomes a few vector instructions
        place += <uint32_t>(listed[j] == topic) * <uint32_t>(j + 1)
    if not place:
        if undo:
            return False
        if size == lists.most:
            prune(lists, row)
            size, dropped = <int>lists.size[row], True
        listed[size] = topic
        place = size + 1
        lists.size[row] = place
    cdef Py_ssize_t at = row * lists.most + place - 1
    lists.slow[at] = lists.slow[at] + slow
    if lists.fast is not NULL:
        lists.fast[at] = lists.fast[at] + fast
    return dropped


cdef void advance(Users *users, Py_ssize_t row, int64_t epoch) noexcept nogil:
    cdef int64_t slow = epoch // SLOW_IN_FAST
    cdef Py_ssize_t up = row * users.positive.most, down = row * users.negative.most
    scale(users.positive.fast + up, users.positive.size[row], users.fast_epoch[row] - epoch)
    if slow > users.slow_epoch[row]:
        scale(users.positive.slow + up, users.positive.size[row], users.slow_epoch[row] - slow)
        scale(users.negative.slow + down, users.negative.size[row], users.slow_epoch[row] - slow)
    users.fast_epoch[row], users.slow_epoch[row] = epoch, slow


cdef void weigh(
    Users *users, Facts *facts, Py_ssize_t row, Py_ssize_t content, int64_t at_ms, double weight, bint undo
) noexcept nogil:
    cdef int64_t epoch = at_ms // FAST_MS
    cdef uint32_t *topic = facts.flat + facts.start[content]
    cdef float fast = 0, slow
    cdef Py_ssize_t i
    cdef bint dropped = False
    if epoch > users.fast_epoch[row]:
        advance(users, row, epoch)
    slow = <float>grown(weight, at_ms, users.slow_epoch[row], SLOW_MS)
    if weight > 0 or undo:
        fast = <float>grown(weight, at_ms, users.fast_epoch[row], FAST_MS)
        for i in range(facts.size[content]):
            dropped |= add(&users.positive, row, topic[i], fast, slow, undo)
    else:
        for i in range(facts.size[content]):
            dropped |= add(&users.negative, row, topic[i], 0, -slow, False)
    if dropped:
        users.flags[row] |= EVICTED_TOPIC


cdef inline double view_weight(int64_t watch_ms, int64_t duration_ms) noexcept nogil:
    """As `weights.view_weight`."""
    cdef double ratio = <double>watch_ms / <double>duration_ms, completed = ratio if ratio < 1.0 else 1.0
    cdef double rewatches
    if watch_ms < SKIP_MS and completed < SKIP_RATIO:
        return SKIP
    rewatches = <double>(watch_ms // duration_ms) - 1.0
    rewatches = 0.0 if rewatches < 0.0 else REWATCHES if rewatches > REWATCHES else rewatches
    return KAPPAS[(duration_ms >= SHORT_MS) + (duration_ms >= MEDIUM_MS)] * (2.0 * completed - 1.0) + REWATCH * rewatches


def fold(columns, contents, int64_t[::1] slots, int64_t[::1] videos, int64_t[::1] at_ms, double[::1] weight,
         undo):
    """`weigh.fold`."""
    cdef Users users = users_of(columns)
    cdef Facts facts = facts_of(contents)
    cdef const uint8_t[::1] taken_back = undo.view(np.uint8)
    cdef Py_ssize_t i
    for i in range(slots.shape[0]):
        weigh(&users, &facts, slots[i], videos[i], at_ms[i], weight[i], taken_back[i])


cdef inline bint repeated(const uint64_t *ring, uint64_t event_id) noexcept nogil:
    cdef int i
    cdef uint64_t hit = 0
    for i in range(IDS):
        hit |= ring[i] == event_id
    return hit != 0


def fold_views(columns, contents, int64_t[::1] slots, uint64_t[::1] ids, int64_t[::1] videos, int64_t[::1] regions,
               int64_t[::1] at_ms, int64_t[::1] arrival_ms, int64_t[::1] watch_ms, int64_t[::1] duration_ms,
               int64_t[::1] pairs, int64_t[::1] codes, int64_t[::1] waiting):
    """Views in log order; `at_ms` is clamped in place.

    -> how many were clamped ahead, repeats, late, shown (their cells are in `pairs` and `codes`) and waiting for facts
    (which ones is in `waiting`), and the greatest event time and arrival.
    """
    cdef Users users = users_of(columns)
    cdef Facts facts = facts_of(contents)
    cdef Py_ssize_t i, row, video, n = slots.shape[0]
    cdef Py_ssize_t clamped = 0, repeats = 0, lates = 0, shown = 0, waits = 0
    cdef int64_t at, oldest, newest = 0, arrival = 0, duration
    cdef bint late
    cdef double weight
    for i in range(n):
        if i + AHEAD < n:
            ask(&users, slots[i + AHEAD])
        row, video, at, oldest = slots[i], videos[i], at_ms[i], arrival_ms[i] - OLDEST_MS
        late = at < oldest
        if late:
            at = at_ms[i] = oldest
        elif at > arrival_ms[i] + AHEAD_MS:
            at = at_ms[i] = arrival_ms[i] + AHEAD_MS
            clamped += 1
        newest, arrival = max(newest, at), max(arrival, arrival_ms[i])
        users.dirty[row] = 1
        if repeated(users.ids + row * IDS, ids[i]):
            users.repeats[row] += 1
            repeats += 1
            continue
        users.ids[row * IDS + users.views[row] % IDS] = ids[i]
        users.seen[row * SEEN + users.views[row] % SEEN] = facts.seen[video]
        users.views[row] += 1
        users.last_ms[row] = max(users.last_ms[row], at)
        if not users.account[row] & HIDDEN:
            pairs[shown] = <int64_t>video << 31 | regions[i]
            codes[shown] = TOTAL_ONLY if late else at // MINUTE_MS
            shown += 1
        if late:
            users.late[row] += 1
            lates += 1
            continue
        if not facts.known[video]:
            waiting[waits] = i
            waits += 1
            continue
        if facts.changed[video]:
            users.flags[row] |= FACTS_CHANGED
        duration = duration_ms[i] or facts.duration_ms[video]
        weight = view_weight(watch_ms[i], duration)
        if weight != 0:
            weigh(&users, &facts, row, video, at, weight, False)
    return clamped, repeats, lates, shown, waits, newest, arrival
