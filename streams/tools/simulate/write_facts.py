"""Facts of the simulated world as records: videos and accounts, and the few changes of both as time goes on."""

from collections.abc import Iterator

import msgspec
import numpy as np

from streams.core.events import AccountState
from streams.tools.produce import Produced
from streams.tools.simulate.words import ADJECTIVES, CATEGORIES, SUBJECTS, numbered
from streams.tools.simulate.world import World, tag_numbers

_json = msgspec.json.Encoder().encode

FACTS_LEAD_MS = 60_000
EVENTS_PER_CHANGE = 4_000
"""One change of a video and one of an account in so many events."""
TAIL = 0.5
"""Changes hit the less watched half of the videos only, as they mostly do."""

MINORS, PRIVATE, BANNED, PLAIN = 0.03, 0.02, 0.005, 0.1
"""Shares of users that are minors, private, banned, and known without being any of these."""


def first_facts(rng: np.random.Generator, world: World, start_ms: int, end_ms: int, late: float) -> list[Produced]:
    """Facts of all videos before the first event; a share `late` of them at a random time after it."""
    count = len(world.videos)
    is_late = rng.random(count) < late
    late_ms = rng.integers(start_ms, max(end_ms, start_ms + 1), count)
    at_ms = np.where(is_late, late_ms, start_ms - FACTS_LEAD_MS).tolist()
    rows = zip(world.videos, world.facts, at_ms, strict=True)
    return [Produced("videos", video.encode(), _json(facts), at) for video, facts, at in rows]


def first_accounts(rng: np.random.Generator, world: World, start_ms: int) -> list[Produced]:
    """Account states known before the first event; most users have none."""
    states: list[Produced] = []
    for at, draw in enumerate(rng.random(len(world.users)).tolist()):
        state = _state(draw, world.regions[world.user_region[at]])
        if state is not None:
            states.append(Produced("accounts", world.users[at].encode(), _json(state), start_ms - FACTS_LEAD_MS))
    return states


def _state(draw: float, region: str) -> AccountState | None:
    if draw < MINORS:
        return AccountState(region=region, age_band="teen" if draw < MINORS * 0.8 else "child")
    if draw < MINORS + PRIVATE:
        return AccountState(region=region, private=True)
    if draw < MINORS + PRIVATE + BANNED:
        return AccountState(region=region, status="banned", trust=0.0)
    if draw < MINORS + PRIVATE + BANNED + PLAIN:
        return AccountState(region=region)
    return None


def changes(rng: np.random.Generator, world: World, events: int, start_ms: int, end_ms: int) -> Iterator[Produced]:
    """Takedowns, restores, re-tags, changes of visibility, tombstones and account changes, at random times."""
    count = max(6, events // EVENTS_PER_CHANGE)
    tail = np.argsort(world.mass)[: max(1, int(len(world.mass) * TAIL))]
    for turn, video in enumerate(rng.choice(tail, count).tolist()):
        at_ms = int(rng.integers(start_ms, max(end_ms, start_ms + 1)))
        back_ms = int(rng.integers(at_ms, max(end_ms, at_ms + 1)))
        yield from _video_change(rng, world, video, turn % 4, at_ms, back_ms)
    for turn, user in enumerate(rng.integers(0, len(world.users), count).tolist()):
        at_ms = int(rng.integers(start_ms, max(end_ms, start_ms + 1)))
        yield Produced("accounts", world.users[user].encode(), _account_change(turn), at_ms)


def _video_change(
    rng: np.random.Generator, world: World, video: int, turn: int, at_ms: int, back_ms: int
) -> Iterator[Produced]:
    """One change; three of four are undone later (restore, public again, facts after a tombstone)."""
    key, facts = world.videos[video].encode(), world.facts[video]
    if turn == 0:
        yield Produced("videos", key, _json(msgspec.structs.replace(facts, status="removed")), at_ms)
    elif turn == 1:
        yield Produced("videos", key, _json(msgspec.structs.replace(facts, visibility="private")), at_ms)
    elif turn == 2:
        yield Produced("videos", key, None, at_ms)
    else:
        category = np.array([CATEGORIES.index(facts.category)])
        tags = dict.fromkeys(numbered(tag, ADJECTIVES, SUBJECTS) for tag in tag_numbers(rng, category)[0].tolist())
        yield Produced("videos", key, _json(msgspec.structs.replace(facts, tags=tuple(tags))), at_ms)
        return
    yield Produced("videos", key, _json(facts), back_ms)


def _account_change(turn: int) -> bytes | None:
    """In turn: banned, private, an adult again, forgotten."""
    states = (AccountState(status="banned"), AccountState(private=True), AccountState(), None)
    state = states[turn % len(states)]
    return None if state is None else _json(state)
