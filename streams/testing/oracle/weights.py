"""Interest weights by the textbook: each share counts w * 2 ** (-(T - t) / H) at time T, in float64."""

from dataclasses import dataclass, field
from math import floor

from streams.core.params import (
    FAST_HALF_LIFE_MS,
    REWATCH_WEIGHT,
    REWATCHES_AT_MOST,
    SKIP_BELOW_MS,
    SKIP_BELOW_RATIO,
    SKIP_WEIGHT,
    SLOW_HALF_LIFE_MS,
)

_REBASE_AT = 500.0
"""Half-lives; 2 ** 1023 is the greatest float."""


def view_weight(watch_ms: int, duration_ms: int) -> float:
    """Weight of one view of a video of this length."""
    ratio = watch_ms / duration_ms
    watched = min(ratio, 1.0)
    if watch_ms < SKIP_BELOW_MS and watched < SKIP_BELOW_RATIO:
        return SKIP_WEIGHT
    kappa = 0.31 if duration_ms < 15_000 else 0.54 if duration_ms < 30_000 else 0.62
    return kappa * (2 * watched - 1) + REWATCH_WEIGHT * min(max(floor(ratio) - 1, 0), REWATCHES_AT_MOST)


@dataclass(slots=True)
class Sum:
    """Decayed sums of one topic: plain ones, and of absolute values (what rounding errors grow with)."""

    fast: float = 0.0
    slow: float = 0.0
    fast_size: float = 0.0
    slow_size: float = 0.0

    def add(self, fast: float, slow: float) -> None:
        self.fast += fast
        self.slow += slow
        self.fast_size += abs(fast)
        self.slow_size += abs(slow)

    def scaled(self, fast: float, slow: float) -> "Sum":
        return Sum(self.fast * fast, self.slow * slow, self.fast_size * fast, self.slow_size * slow)


Sums = dict[int, Sum]


@dataclass(slots=True)
class Weights:
    """All weights of one user, kept as they stand at `ref_ms`."""

    ref_ms: int = 0
    shares: int = 0
    positive: Sums = field(default_factory=dict)
    negative: Sums = field(default_factory=dict)
    loose: Sums = field(default_factory=dict)
    """Upper bounds for topics of videos that changed: each share counted for the topics of all versions."""

    def add(self, topics: tuple[int, ...], weight: float, at_ms: int, *, undo: bool = False) -> None:
        """One share of a video. `undo` takes back a like or share (weight is what it had added)."""
        if weight == 0:
            return
        fast, slow = self._at(at_ms)
        listed = self.negative if weight < 0 else self.positive
        size = -abs(weight) if undo else abs(weight)
        self.shares += 1
        for topic in topics:
            entry = listed.get(topic)
            if entry is None:
                entry = listed[topic] = Sum()
            entry.add(size * fast, size * slow)

    def bound(self, topics: set[int], at_ms: int) -> None:
        """Whatever this share's weight was, it was at most 1.1 on each of these topics."""
        fast, slow = self._at(at_ms)
        for topic in topics:
            self.loose.setdefault(topic, Sum()).add(1.1 * fast, 1.1 * slow)

    def at(self, sums: Sums, at_ms: int) -> Sums:
        """Values of these sums at a time."""
        fast, slow = _grown(self.ref_ms - at_ms)
        return {topic: entry.scaled(fast, slow) for topic, entry in sums.items()}

    def _at(self, at_ms: int) -> tuple[float, float]:
        if not self.ref_ms:
            self.ref_ms = at_ms
        elif (at_ms - self.ref_ms) / FAST_HALF_LIFE_MS > _REBASE_AT:
            self.positive, self.negative, self.loose = (
                self.at(sums, at_ms) for sums in (self.positive, self.negative, self.loose)
            )
            self.ref_ms = at_ms
        return _grown(at_ms - self.ref_ms)


def _grown(span_ms: int) -> tuple[float, float]:
    return 2.0 ** (span_ms / FAST_HALF_LIFE_MS), 2.0 ** (span_ms / SLOW_HALF_LIFE_MS)
