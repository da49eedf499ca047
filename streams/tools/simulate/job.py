"""The load of the whole-job bench: the skew of `research/job/gen.py` in our topics."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from streams.tools.produce import Produced
from streams.tools.simulate.words import REGIONS
from streams.tools.simulate.world import zipf_mass

VIDEOS, USERS = 50_000, 100_000
CREATORS, SOUNDS, TAGS, CATEGORIES = 10_000, 5_000, 5_000, 20
USER_EXPONENT, VIDEO_EXPONENT = 0.6, 1.0
MIX = (0.85, 0.12, 0.03)
"""Shares of views, likes and shares."""
DELAY_MS = 5
FACTS_LEAD_MS = 60_000
BLOCK = 100_000


class Shape(NamedTuple):
    """How many there are, and which share of all events goes to one single video."""

    users: int = USERS
    videos: int = VIDEOS
    hot_share: float = 0.0


STANDARD = Shape()


def job_facts(end_ms: int, shape: Shape = STANDARD, seed: int = 7) -> Iterator[Produced]:
    """Facts of all videos: 1 to 3 tags each, 15 s or 60 s long."""
    rng = np.random.default_rng([seed, 1])
    count = shape.videos
    creators = rng.integers(0, CREATORS, count).tolist()
    sounds = rng.choice(SOUNDS, count, p=zipf_mass(SOUNDS, 0.8)).tolist()
    tags = rng.choice(TAGS, (count, 3), p=zipf_mass(TAGS, 0.9)).tolist()
    tag_counts = rng.integers(1, 4, count).tolist()
    categories = rng.integers(0, CATEGORIES, count).tolist()
    for video, duration_ms in enumerate(_durations(count, seed).tolist()):
        names = ",".join(f'"t{tag}"' for tag in sorted(set(tags[video]))[: tag_counts[video]])
        value = (
            f'{{"creator":"c{creators[video]}","sound":"s{sounds[video]}","tags":[{names}],'
            f'"category":"g{categories[video]}","duration_ms":{duration_ms},"language":"en",'
            f'"published_ms":{end_ms - 30 * 86_400_000}}}'
        )
        yield Produced("videos", f"v{video}".encode(), value.encode(), end_ms - FACTS_LEAD_MS)


def job_events(
    count: int, end_ms: int, shape: Shape = STANDARD, seed: int = 7, first: int = 0, *, per_s: float = 1_000.0
) -> Iterator[Produced]:
    """`count` events, `per_s` in a second, the last one at `end_ms`; `first` gives another part of the same job."""
    user_bounds, video_bounds, region_bounds, kind_bounds = (
        np.cumsum(mass)
        for mass in (
            zipf_mass(shape.users, USER_EXPONENT), zipf_mass(shape.videos, VIDEO_EXPONENT),
            zipf_mass(len(REGIONS), 1.0), MIX,
        )
    )  # fmt: skip
    who = np.random.default_rng([seed, 2]).permutation(shape.users)
    durations = _durations(shape.videos, seed)
    for begin in range(0, count, BLOCK):
        size = min(BLOCK, count - begin)
        rng = np.random.default_rng([seed, 3, first, begin])
        users = who[_drawn(rng, user_bounds, size)]
        videos = _drawn(rng, video_bounds, size)
        videos[rng.random(size) < shape.hot_share] = 0
        times_ms = end_ms - np.floor((count - 1 - np.arange(begin, begin + size)) * (1_000.0 / per_s)).astype(np.int64)
        columns = zip(
            users.tolist(), videos.tolist(), _drawn(rng, kind_bounds, size).tolist(),
            _drawn(rng, region_bounds, size).tolist(),
            (rng.beta(1.2, 1.2, size) * durations[videos]).astype(int).tolist(), durations[videos].tolist(),
            rng.integers(0, 1 << 63, size).tolist(), times_ms.tolist(),
            strict=True,
        )  # fmt: skip
        for user, video, kind, region, watch_ms, duration_ms, number, at_ms in columns:
            rest = _REST[kind] if kind else f',"watch_ms":{watch_ms},"duration_ms":{duration_ms}}}'
            head = f'{{"id":"{number:016x}","user":"u{user}","video":"v{video}","at_ms":{at_ms}'
            value = f'{head},"region":"{REGIONS[region]}"{rest}'.encode()
            yield Produced(_TOPICS[kind], f"u{user}".encode(), value, at_ms + DELAY_MS)


_TOPICS = ("views", "likes", "shares")
_REST = ("", ',"op":"like"}', ',"channel":"link","op":"share"}')


Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def _drawn(rng: np.random.Generator, bounds: np.ndarray[tuple[int], np.dtype[np.float64]], size: int) -> Numbers:
    """Numbers by the cumulated mass `bounds`; `Generator.choice` would add it up anew at each call."""
    return np.minimum(np.searchsorted(bounds, rng.random(size), side="right"), len(bounds) - 1)


def _durations(videos: int, seed: int) -> Numbers:
    return np.random.default_rng([seed, 4]).choice(np.array([15_000, 60_000]), videos, p=[0.7, 0.3])
