"""How much one view says about a user's interest. The scalar and the vector form give the same bits."""

import math

import numpy as np
from numpy.typing import NDArray

from streams.core.params import (
    REWATCH_WEIGHT,
    REWATCHES_AT_MOST,
    SKIP_BELOW_MS,
    SKIP_BELOW_RATIO,
    SKIP_WEIGHT,
)

SHORT_MS, MEDIUM_MS = 15_000, 30_000
KAPPAS = (0.31, 0.54, 0.62)
"""Weight of a full view of a video below 15 s, below 30 s and from 30 s on: a short one is easily seen to its end."""

Ints = NDArray[np.int64]


def kappa(duration_ms: int) -> float:
    """Weight of a full view, by the duration of the video."""
    return KAPPAS[(duration_ms >= SHORT_MS) + (duration_ms >= MEDIUM_MS)]


def view_weight(watch_ms: int, duration_ms: int) -> float:
    """Weight of a view: negative for what was skipped, 0 at half the duration, more for watching it again."""
    ratio = watch_ms / duration_ms
    completed = min(ratio, 1.0)
    if watch_ms < SKIP_BELOW_MS and completed < SKIP_BELOW_RATIO:
        return SKIP_WEIGHT
    rewatches = min(max(math.floor(ratio) - 1, 0), REWATCHES_AT_MOST)
    return kappa(duration_ms) * (2.0 * completed - 1.0) + REWATCH_WEIGHT * rewatches


_KAPPAS = np.array(KAPPAS)


def view_weights(watch_ms: Ints, duration_ms: Ints) -> NDArray[np.float64]:
    """`view_weight` of columns."""
    ratio = watch_ms / duration_ms
    completed = np.minimum(ratio, 1.0)
    rewatches = np.minimum(np.maximum(np.floor(ratio) - 1.0, 0.0), REWATCHES_AT_MOST)
    kappas = _KAPPAS[(duration_ms >= SHORT_MS).astype(np.int64) + (duration_ms >= MEDIUM_MS)]
    weight = kappas * (2.0 * completed - 1.0) + REWATCH_WEIGHT * rewatches
    skipped = (watch_ms < SKIP_BELOW_MS) & (completed < SKIP_BELOW_RATIO)
    return np.where(skipped, SKIP_WEIGHT, weight)
