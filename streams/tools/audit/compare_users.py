"""Tables of the user stage against the recount: interests, pairs, parked."""

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter

from streams.core.keys import pair_key
from streams.core.params import FAST_HALF_LIFE_MS, NEGATIVE_TOPICS, POSITIVE_TOPICS, SLOW_HALF_LIFE_MS
from streams.core.rows import PairRow, ParkedRow, UserFlag, UserRow
from streams.testing.oracle.users import User, Waiting
from streams.testing.oracle.weights import Sum, Sums
from streams.tools.audit.rows import Images, decoded
from streams.tools.audit.verdict import Difference, Verdict, differing

EXACT = ("account", "views", "likes", "shares", "repeats", "late", "last_ms", "view_ids", "seen")
_RELATIVE, _CANCELLED, _TINY = 1e-5, 1e-5, 1e-30
_ULP = 2.0**-24
Values = dict[int, tuple[float, float]]
"""Topic -> (fast, slow) at the time of comparison."""


def compare_interests(verdict: Verdict, users: Mapping[str, User], images: Images, *, holes: bool) -> None:
    """Every user of either side. `holes`: the videos log was compacted, so that a flag alone tells of changed facts."""
    for name, user in users.items():
        value = images.pop(name.encode(), None)
        if value is None:
            if any(getattr(user, counter) for counter in EXACT):
                verdict.row("interests", name, [Difference("row", "present", "missing")])
            continue
        row = decoded(verdict, "interests", name.encode(), value, UserRow.decode)
        if row is not None:
            _compare_user(verdict, name, user, row, holes=holes)
    for key, value in images.items():
        if decoded(verdict, "interests", key, value, UserRow.decode) not in (UserRow(), None):
            verdict.row("interests", key, [Difference("row", "missing", "present")])


def _compare_user(verdict: Verdict, name: str, user: User, row: UserRow, *, holes: bool) -> None:
    differences = differing((field, getattr(user, field), getattr(row, field)) for field in EXACT)
    if row.flags & UserFlag.EVICTED_TOPIC and not _may_evict(user):
        differences.append(Difference("flags", "no topic evicted: there never were enough", UserFlag(row.flags)))
    wrong = _weights(user, row)
    if wrong and (excuse := _excuse(user, row, holes=holes)):
        unchecked = excuse == "facts-changed" and not user.weights.loose
        wrong = [] if unchecked else _bounded(user, row)
        if not wrong:
            verdict.excuse(excuse)
    verdict.row("interests", name, differences + wrong)


def _may_evict(user: User) -> bool:
    topics = user.weights.loose.keys()
    positive, negative = len(user.weights.positive.keys() | topics), len(user.weights.negative.keys() | topics)
    return positive > POSITIVE_TOPICS or negative > NEGATIVE_TOPICS


def _excuse(user: User, row: UserRow, *, holes: bool) -> str | None:
    if user.weights.loose or (holes and row.flags & UserFlag.FACTS_CHANGED):
        return "facts-changed"
    if row.flags & UserFlag.GAVE_UP_SHARE:
        return "gave-up-share"
    return "evicted-topic" if row.flags & UserFlag.EVICTED_TOPIC else None


def _weights(user: User, row: UserRow) -> list[Difference]:
    weights, at_ms = user.weights, user.last_ms
    positive = _differing("positive", weights.at(weights.positive, at_ms), _positive(row, at_ms), weights.shares)
    return positive + _differing("negative", weights.at(weights.negative, at_ms), _negative(row, at_ms), weights.shares)


def _differing(side: str, expected: Sums, found: Values, shares: int) -> list[Difference]:
    differences = []
    for topic in expected.keys() | found.keys():
        sums, pair = expected.get(topic), found.get(topic)
        if sums is None or pair is None:
            differences.append(Difference(f"{side} {topic}", sums and (sums.fast, sums.slow), pair))
            continue
        fast = side == "negative" or _close(sums.fast, sums.fast_size, pair[0], shares)
        if not (fast and _close(sums.slow, sums.slow_size, pair[1], shares)):
            differences.append(Difference(f"{side} {topic} (fast, slow)", (sums.fast, sums.slow), pair))
    return differences


def _close(expected: float, size: float, found: float, shares: int) -> bool:
    cancelled = size > abs(expected) * (1 + 1e-9)
    return abs(found - expected) <= _tolerance(expected, size, shares) + (_CANCELLED if cancelled else 0.0)


def _tolerance(expected: float, size: float, shares: int) -> float:
    return max(_RELATIVE * abs(expected), shares * _ULP * size) + _TINY


def _bounded(user: User, row: UserRow) -> list[Difference]:
    """No weight may be above what all that could have been added comes to."""
    weights, at_ms = user.weights, user.last_ms
    loose = weights.at(weights.loose, at_ms)
    sides = (
        ("positive", weights.at(weights.positive, at_ms), _positive(row, at_ms)),
        ("negative", weights.at(weights.negative, at_ms), _negative(row, at_ms)),
    )
    differences = []
    for side, expected, found in sides:
        for topic, pair in found.items():
            most = _most(expected.get(topic, Sum()), loose.get(topic, Sum()), weights.shares)
            if pair[0] > most[0] or pair[1] > most[1]:
                differences.append(Difference(f"{side} {topic} (fast, slow)", f"at most {most}", pair))
    return differences


def _most(sums: Sum, loose: Sum, shares: int) -> tuple[float, float]:
    added = (sums.fast + sums.fast_size) / 2 + loose.fast, (sums.slow + sums.slow_size) / 2 + loose.slow
    return (
        added[0] + _tolerance(added[0], sums.fast_size + loose.fast, shares) + _CANCELLED,
        added[1] + _tolerance(added[1], sums.slow_size + loose.slow, shares) + _CANCELLED,
    )


def _positive(row: UserRow, at_ms: int) -> Values:
    fast, slow = (
        2.0 ** (row.fast_epoch - at_ms / FAST_HALF_LIFE_MS),
        2.0 ** (row.slow_epoch - at_ms / SLOW_HALF_LIFE_MS),
    )
    return {topic: (weight * fast, slower * slow) for topic, weight, slower in row.positive}


def _negative(row: UserRow, at_ms: int) -> Values:
    slow = 2.0 ** (row.slow_epoch - at_ms / SLOW_HALF_LIFE_MS)
    return {topic: (0.0, weight * slow) for topic, weight in row.negative}


def compare_pairs(verdict: Verdict, users: Mapping[str, User], images: Images) -> None:
    """Every (user, video) of either side: entries exact."""
    for name, user in users.items():
        for video, entries in user.pairs.items():
            key = pair_key(name, video)
            value = images.pop(key, None)
            if value is None:
                verdict.row("pairs", key, [Difference("row", "present", "missing")])
                continue
            row = decoded(verdict, "pairs", key, value, PairRow.decode)
            if row is not None:
                expected = sorted(entries.values(), key=attrgetter("action", "channel"))
                verdict.row("pairs", key, differing([("entries", expected, row.entries)]))
    for key in images:
        verdict.row("pairs", key, [Difference("row", "missing", "present")])


def compare_parked(verdict: Verdict, users: Mapping[str, User], gave_up: set[str], images: Images) -> None:
    """Every (user, video) whose facts never came. Who gave up shares may have fewer, never others."""
    for name, user in users.items():
        for video, waiting in user.parked.items():
            key = pair_key(name, video)
            value = images.pop(key, None)
            row = decoded(verdict, "parked", key, value, ParkedRow.decode) if value is not None else None
            if row is not None:
                verdict.row("parked", key, _parked(waiting, row, may_lack=name in gave_up))
            elif value is None and name in gave_up:
                verdict.excuse("gave-up-share")
            elif value is None:
                verdict.row("parked", key, [Difference("row", "present", "missing")])
    for key in images:
        verdict.row("parked", key, [Difference("row", "missing", "present")])


def _parked(waiting: Waiting, row: ParkedRow, *, may_lack: bool) -> list[Difference]:
    expected = Counter(map(_share_key, waiting.shares))
    found = Counter(map(_share_key, row.shares))
    differences = []
    if found - expected or (expected - found and not may_lack):
        differences.append(Difference("shares", sorted(expected.elements()), sorted(found.elements())))
    if row.first_arrival_ms not in waiting.arrivals:
        differences.append(Difference("first_arrival_ms", sorted(waiting.arrivals), row.first_arrival_ms))
    return differences


_share_key = attrgetter("action", "sign", "at_ms", "watch_ms", "duration_ms")


def who_gave_up(images: Images) -> set[str]:
    """Users whose row says that a parked share was given up (rows that cannot be decoded are judged elsewhere)."""
    flags_at = 1
    return {
        key.decode(errors="replace")
        for key, value in images.items()
        if len(value) > flags_at and value[flags_at] & _GAVE_UP
    }


_GAVE_UP = int(UserFlag.GAVE_UP_SHARE)
