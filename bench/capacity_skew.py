"""How unlike one another users, videos and entities are: what of the load's shape decides how many rows it touches."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.tools.simulate.job import (
    CATEGORIES,
    CREATORS,
    SOUNDS,
    TAGS,
    USER_EXPONENT,
    VIDEO_EXPONENT,
    Shape,
)
from streams.tools.simulate.words import REGIONS
from streams.tools.simulate.world import zipf_mass

Floats = NDArray[np.float64]
GROUPS = 400
DRAWN = 20_000
"""So many videos, the most watched, are given their creator, sound and tags one by one; the rest evenly."""


class Group(NamedTuple):
    """Things of like mass lie in one place: the share of all events of one of them, and how many there are."""

    mass: Floats
    number: Floats


class Crowd(NamedTuple):
    """What events are about. `videos`: (video, region); `trends`: (entity, region) and (entity, all regions).

    `kinds`: entities of each kind that has charts by region.
    """

    users: Group
    videos: Group
    trends: Group
    kinds: tuple[Group, ...]


@lru_cache(maxsize=64)
def crowd(shape: Shape) -> Crowd:
    """Of a load that is shaped like the bench's. O(groups), whatever the numbers of users and videos."""
    regions = zipf_mass(len(REGIONS), 1.0)
    videos = _with_hot(zipf(shape.videos, VIDEO_EXPONENT), shape.hot_share)
    kinds = videos, *map(_grouped, _entities(videos, shape.videos))
    scoped = [_times(kind, np.append(regions, 1.0)) for kind in kinds]
    by_region = Group(regions, np.ones(len(regions)))
    return Crowd(zipf(shape.users, USER_EXPONENT), _times(videos, regions), _joined([*scoped, by_region]), kinds)


def zipf(count: int, exponent: float) -> Group:
    """Zipf's law, neighbouring ranks as one group: the first ones alone, the others by the integral."""
    edges = np.unique(np.round(np.geomspace(1, count + 1, GROUPS)).astype(np.int64))
    first, last = edges[:-1].astype(np.float64), edges[1:].astype(np.float64)
    if count == 1:
        return Group(np.ones(1), np.ones(1))
    whole = np.where(last - first == 1, first**-exponent, _between(first - 0.5, last - 0.5, exponent))
    return Group(whole / (last - first) / whole.sum(), last - first)


def _between(low: Floats, high: Floats, exponent: float) -> Floats:
    """Integral of x ** -exponent."""
    if exponent == 1.0:
        return np.asarray(np.log(high / low))
    return np.asarray((high ** (1 - exponent) - low ** (1 - exponent)) / (1 - exponent))


def _with_hot(videos: Group, share: float) -> Group:
    mass = videos.mass * (1 - share)
    mass[0] += share
    return Group(mass, videos.number)


def _entities(videos: Group, count: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Mass of each creator, sound, tag and category: the catalogue of the bench's load (2 tags a video)."""
    rng = np.random.default_rng(7)
    drawn = min(count, DRAWN)
    mass = _first(videos, drawn)
    rest = max(1 - float(mass.sum()), 0.0)
    sounds, tags = zipf_mass(SOUNDS, 0.8), zipf_mass(TAGS, 0.9)
    creator = np.bincount(rng.integers(0, CREATORS, drawn), mass, CREATORS) + rest / CREATORS
    sound = np.bincount(rng.choice(SOUNDS, drawn, p=sounds), mass, SOUNDS) + rest * sounds
    tag = np.bincount(rng.choice(TAGS, 2 * drawn, p=tags), np.repeat(mass, 2), TAGS) + 2 * rest * tags
    category = np.bincount(rng.integers(0, CATEGORIES, drawn), mass, CATEGORIES) + rest / CATEGORIES
    return np.asarray(creator), np.asarray(sound), np.asarray(tag), np.asarray(category)


def _first(videos: Group, count: int) -> Floats:
    """Mass of the first so many, one by one."""
    ends = np.cumsum(videos.number)
    return videos.mass[np.searchsorted(ends, np.arange(count), side="right")]


def _grouped(mass: Floats) -> Group:
    """Like ones together; what has no mass is left out."""
    mass = np.sort(mass[mass > 0])[::-1]
    edges = np.unique(np.round(np.geomspace(1, len(mass) + 1, GROUPS)).astype(np.int64)) - 1
    count = np.diff(edges).astype(np.float64)
    return Group(np.add.reduceat(mass, edges[:-1]) / count, count)


def _times(group: Group, shares: Floats) -> Group:
    """Each of the group in each of the scopes, of which each has a share."""
    return Group(np.outer(group.mass, shares).ravel(), np.repeat(group.number, len(shares)))


def _joined(groups: list[Group]) -> Group:
    return Group(np.concatenate([g.mass for g in groups]), np.concatenate([g.number for g in groups]))
