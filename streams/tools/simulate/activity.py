"""What users do, as columns: sessions of views, with likes, shares and feedback on what was just watched."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from streams.tools.simulate.words import CHANNELS, FEEDBACK, SURFACES
from streams.tools.simulate.world import Floats, Ints, World

HOUR_MS = 3_600_000
SWING = 8.45
"""Busiest hour of the day against the quietest one (KuaiRand-27K: hours 21 and 4)."""
BUSIEST_HOUR, QUIETEST_HOUR = 21, 4
SESSION_EVENTS = 8
SESSION_GAP_MS = 18_000
VALID_PLAY = 0.38
"""Share of views that are more than a glance (KuaiRand-27K: 0.379)."""
FAVOURITE = 0.5
"""Share of views in the user's favourite category."""
VALID_IN_FAVOURITE = 0.5
CHURN_MS = 6 * HOUR_MS


class Did(IntEnum):
    """What an event is."""

    VIEW = 0
    LIKE = 1
    UNLIKE = 2
    SHARE = 3
    UNSHARE = 4
    FEEDBACK = 5


DID_MASS = (0.85, 0.085, 0.015, 0.03, 0.005, 0.015)


@dataclass(frozen=True)
class Activity:
    """Events in no particular order: one column entry each."""

    did: Ints
    user: Ints
    video: Ints
    at_ms: Ints
    watch_ms: Ints
    region: Ints
    """Index into the world's regions; -1: the event tells none."""
    surface: Ints
    choice: Ints
    """Index of the channel or of the kind of feedback."""
    session: Ints


def hour_shares() -> Floats:
    """Share of a day's events in each hour of the day; the greatest is `SWING` times the smallest."""
    hours = np.arange(24)
    rise = (BUSIEST_HOUR - QUIETEST_HOUR) % 24
    since = (hours - QUIETEST_HOUR) % 24
    height = np.where(since <= rise, since / rise, (24 - since) / (24 - rise))
    shares = SWING ** ((1 - np.cos(np.pi * height)) / 2)
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def times_at(quantiles: Floats, start_ms: int, end_ms: int) -> Ints:
    """Times at these quantiles of the activity between two times, which follows the hours of the day (UTC)."""
    edges = np.arange(start_ms // HOUR_MS, -(-end_ms // HOUR_MS) + 1) * HOUR_MS
    mass = hour_shares()[(edges[:-1] // HOUR_MS) % 24]
    edges = np.clip(edges, start_ms, end_ms)
    total = np.concatenate([[0.0], np.cumsum(mass * np.diff(edges))])
    return np.asarray(np.interp(quantiles * total[-1], total, edges.astype(np.float64)), dtype=np.int64)


def act(
    rng: np.random.Generator, world: World, count: int, part: tuple[float, float], span: tuple[int, int], *, churn: bool
) -> Activity:
    """`count` events of the sessions that begin in `part` (two quantiles) of the activity in `span` (two times, ms)."""
    session, within, starts = _sessions(rng, count)
    total = len(starts)
    began = times_at(part[0] + (part[1] - part[0]) * np.sort(rng.random(total)), *span)
    user = rng.choice(len(world.users), total, p=world.user_mass)[session]
    gap = rng.exponential(SESSION_GAP_MS, count).astype(np.int64) + 500
    at_ms = began[session] + _running_sums(gap, starts, session)
    did = np.where(within == 0, Did.VIEW, rng.choice(len(Did), count, p=np.array(DID_MASS)))
    liked, viewed = _target(did, starts, session)
    favourite = rng.random(count) < FAVOURITE
    video = _videos(rng, world, world.user_category[user], favourite, at_ms // CHURN_MS if churn else None)[viewed]
    return Activity(
        did=liked,
        user=user,
        video=video,
        at_ms=np.minimum(at_ms, span[1]),
        watch_ms=_watched(rng, world.duration_ms[video], favourite[viewed]),
        region=_regions(rng, world, user),
        surface=rng.choice(len(SURFACES), count, p=np.array((0.7, 0.12, 0.08, 0.06, 0.04))),
        choice=np.where(
            did == Did.FEEDBACK, rng.integers(0, len(FEEDBACK), count), rng.integers(0, len(CHANNELS), count)
        ),
        session=session,
    )


def _sessions(rng: np.random.Generator, count: int) -> tuple[Ints, Ints, Ints]:
    """-> (session of each event, its place in it, first event of each session)."""
    lengths = rng.geometric(1 / SESSION_EVENTS, count // SESSION_EVENTS + count // 16 + 16)
    while lengths.sum() < count:
        lengths = np.concatenate([lengths, lengths])
    ends = np.minimum(np.cumsum(lengths), count)
    starts = np.concatenate([[0], ends[:-1]])
    starts = starts[starts < count]
    session = np.searchsorted(starts, np.arange(count), side="right") - 1
    return session, np.arange(count) - starts[session], starts


def _running_sums(values: Ints, starts: Ints, session: Ints) -> Ints:
    """Sums of values since the first of the session, which itself counts 0."""
    total = np.cumsum(values)
    return np.asarray(total - total[starts][session])


def _target(did: Ints, starts: Ints, session: Ints) -> tuple[Ints, Ints]:
    """-> (what each event is in the end, the view whose video it is about).

    Likes, shares and feedback are about the session's last view. An unlike or unshare takes back the session's last
    like or share; where there is none, it is a like or share.
    """
    index = np.arange(len(did))
    viewed = np.maximum.accumulate(np.where(did == Did.VIEW, index, -1))
    for undo, do in ((Did.UNLIKE, Did.LIKE), (Did.UNSHARE, Did.SHARE)):
        last = np.maximum.accumulate(np.where(did == do, index, -1))
        known = (last >= starts[session]) & (last >= 0)
        viewed = np.where((did == undo) & known, viewed[np.maximum(last, 0)], viewed)
        did = np.where((did == undo) & ~known, do, did)
    return did, viewed


def _videos(
    rng: np.random.Generator, world: World, category: Ints, favourite: NDArray[np.bool_], age: Ints | None
) -> Ints:
    """A video for each view; with `age` (in churn periods), the places in a category's ranking move on with time."""
    edges = np.concatenate([[0.0], world.cumulative])
    low = np.where(favourite, edges[world.first[category]], 0.0)
    high = np.where(favourite, edges[world.first[category + 1]], 1.0)
    drawn = np.searchsorted(world.cumulative, low + (high - low) * rng.random(len(category)), side="right")
    place = np.minimum(drawn, len(world.by_category) - 1)
    if age is not None:
        part = np.searchsorted(world.first, place, side="right") - 1
        size = world.first[part + 1] - world.first[part]
        place = world.first[part] + (place - world.first[part] + age * np.maximum(size // 50, 1)) % size
    return np.asarray(world.by_category[place])


def _watched(rng: np.random.Generator, duration_ms: Ints, favourite: NDArray[np.bool_]) -> Ints:
    """Time watched: a valid play is half the video or more, at times several rounds; else it is a glance."""
    count = len(duration_ms)
    elsewhere = (VALID_PLAY - FAVOURITE * VALID_IN_FAVOURITE) / (1 - FAVOURITE)
    valid = rng.random(count) < np.where(favourite, VALID_IN_FAVOURITE, elsewhere)
    share = np.where(valid, 0.5 + rng.gamma(2.0, 0.3, count), 0.45 * rng.beta(1.0, 3.0, count))
    return np.maximum((share * duration_ms).astype(np.int64), 1)


def _regions(rng: np.random.Generator, world: World, user: Ints) -> Ints:
    """Mostly the user's home; 4 % on a journey, 1 % untold."""
    draw = rng.random(len(user))
    away = rng.integers(0, len(world.regions), len(user))
    return np.where(draw < 0.01, -1, np.where(draw < 0.05, away, world.user_region[user]))
