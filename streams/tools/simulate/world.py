"""Who lives in the simulated world: users, videos and what they are about. One seed, one world."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.events import VideoFacts
from streams.tools.simulate.words import (
    ADJECTIVES,
    CATEGORIES,
    LANGUAGES,
    REGIONS,
    SOUNDS,
    STUDIOS,
    SUBJECTS,
    numbered,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOP_SHARE = 0.44
"""Share of exposures that the top 1 % of videos take (KuaiRand-27K: 0.441)."""
USER_EXPONENT = 0.6
DAY_MS = 86_400_000


class Size(msgspec.Struct, frozen=True):
    """How large a world is."""

    users: int
    videos: int
    regions: int = 12

    @classmethod
    def for_events(cls, events: int) -> "Size":
        """A world in which so many events look natural: about 40 a user."""
        return cls(max(100, events // 40), max(200, events // 50))


@dataclass(frozen=True)
class World:
    """Users and videos as columns. `mass` is a video's share of exposures; videos of a category lie side by side in
    `by_category`, whose part for category c is `[first[c], first[c + 1])`.
    """

    users: list[str]
    user_mass: Floats
    user_region: Ints
    user_category: Ints
    regions: list[str]
    videos: list[str]
    facts: list[VideoFacts]
    mass: Floats
    duration_ms: Ints
    by_category: Ints
    first: Ints
    cumulative: Floats
    """Sums of mass along `by_category`, the last one 1."""


def zipf_mass(count: int, exponent: float) -> Floats:
    """Shares of `count` ranks, greatest first; they sum to 1."""
    mass: Floats = 1.0 / np.arange(1, count + 1, dtype=np.float64) ** exponent
    return np.asarray(mass / mass.sum())


def exponent_for(count: int, top_share: float) -> float:
    """Zipf exponent at which the top 1 % of `count` take `top_share` of all."""
    low, high = 0.0, 3.0
    top = max(1, count // 100)
    for _ in range(50):
        middle = (low + high) / 2
        if zipf_mass(count, middle)[:top].sum() < top_share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def make_world(size: Size, seed: int, end_ms: int) -> World:
    """The world of this seed. `end_ms`: videos were published in the 60 days before it."""
    rng = np.random.default_rng([seed, 1])
    regions = list(REGIONS[: size.regions])
    region_mass = zipf_mass(len(regions), 1.0)
    mass = rng.permutation(zipf_mass(size.videos, exponent_for(size.videos, TOP_SHARE)))
    category = rng.choice(len(CATEGORIES), size.videos, p=zipf_mass(len(CATEGORIES), 0.7))
    by_category = np.argsort(category, kind="stable")
    first = np.searchsorted(category[by_category], np.arange(len(CATEGORIES) + 1))
    cumulative = np.cumsum(mass[by_category])
    category_mass = np.bincount(category, weights=mass, minlength=len(CATEGORIES))
    duration_ms = (rng.choice([8, 12, 15, 24, 45, 60, 180], size.videos, p=_DURATION_MASS) * 1000).astype(np.int64)
    language = rng.choice(len(regions), size.videos, p=region_mass)
    return World(
        users=[f"user-{number:06d}" for number in range(size.users)],
        user_mass=rng.permutation(zipf_mass(size.users, USER_EXPONENT)),
        user_region=rng.choice(len(regions), size.users, p=region_mass),
        user_category=rng.choice(len(CATEGORIES), size.users, p=category_mass / category_mass.sum()),
        regions=regions,
        videos=[f"video-{number:06d}" for number in range(size.videos)],
        facts=_facts(rng, category, duration_ms, [LANGUAGES[regions[at]] for at in language], end_ms),
        mass=mass,
        duration_ms=duration_ms,
        by_category=by_category,
        first=first,
        cumulative=cumulative / cumulative[-1],
    )


_DURATION_MASS = (0.1, 0.2, 0.25, 0.15, 0.15, 0.1, 0.05)


def _facts(
    rng: np.random.Generator, category: Ints, duration_ms: Ints, languages: list[str], end_ms: int
) -> list[VideoFacts]:
    """Facts of all videos: a video's tags come mostly from its category's share of the tags."""
    count = len(category)
    creators = rng.choice(max(2, count // 4), count, p=zipf_mass(max(2, count // 4), 0.5)).tolist()
    sounds = rng.choice(max(2, count // 5), count, p=zipf_mass(max(2, count // 5), 0.9)).tolist()
    tags = tag_numbers(rng, category).tolist()
    tag_count = rng.integers(1, 5, count).tolist()
    ages_ms = rng.integers(0, 60 * DAY_MS, count).tolist()
    facts = []
    for at in range(count):
        names = dict.fromkeys(numbered(tag, ADJECTIVES, SUBJECTS) for tag in tags[at][: tag_count[at]])
        facts.append(
            VideoFacts(
                creator=numbered(creators[at], ADJECTIVES, SUBJECTS, STUDIOS),
                sound=numbered(sounds[at], ADJECTIVES, SUBJECTS, SOUNDS),
                tags=tuple(names),
                category=CATEGORIES[category[at]],
                duration_ms=int(duration_ms[at]),
                language=languages[at],
                published_ms=end_ms - ages_ms[at],
            )
        )
    return facts


TAGS = len(SUBJECTS) * len(ADJECTIVES)


def tag_numbers(rng: np.random.Generator, category: Ints) -> Ints:
    """Four tag numbers for each video of these categories: three of four from the category's own part of all tags."""
    shape = (len(category), 4)
    part = TAGS // len(CATEGORIES)
    own = category[:, None] * part + rng.choice(part, shape, p=zipf_mass(part, 0.9))
    anywhere = rng.choice(TAGS, shape, p=zipf_mass(TAGS, 0.9))
    return np.where(rng.random(shape) < 0.75, own, anywhere)
