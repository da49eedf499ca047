"""Exponential decay that has the same bits on every CPU and for any batch boundaries.

A weight `w` folded at time t is stored as `w * 2 ** (t / half_life - epoch)`. The whole part of the exponent is
applied by `ldexp`, the fraction is a product of two table entries, in steps of 2^-20 half-lives. No `exp2` of a
vector library is used: those differ between CPUs.
"""

import math

import numpy as np
from numpy.typing import NDArray

STEPS = 20
_HALF = 1 << STEPS // 2
COARSE = np.array([2.0 ** (i / _HALF) for i in range(_HALF)])
FINE = np.array([2.0 ** (i / _HALF / _HALF) for i in range(_HALF)])
_COARSE, _FINE = COARSE.tolist(), FINE.tolist()

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]


def epoch_of(at_ms: int, half_life_ms: int) -> int:
    """Number of the half-life that `at_ms` lies in."""
    return at_ms // half_life_ms


def grown(weight: float, at_ms: int, epoch: int, half_life_ms: int) -> float:
    """`weight` of time `at_ms` as stored in a row of this epoch (before it is rounded to float32)."""
    whole, rest = divmod(at_ms, half_life_ms)
    step = (rest << STEPS) // half_life_ms
    return math.ldexp(weight * (_COARSE[step >> STEPS // 2] * _FINE[step & _HALF - 1]), whole - epoch)


def grown_many(weight: Doubles, at_ms: Ints, epoch: Ints, half_life_ms: int) -> NDArray[np.float32]:
    """`grown` of columns, rounded to float32: the same bits."""
    whole = at_ms // half_life_ms
    step = ((at_ms - whole * half_life_ms) << STEPS) // half_life_ms
    fraction = COARSE[step >> STEPS // 2] * FINE[step & _HALF - 1]
    stored: NDArray[np.float32] = np.ldexp(weight * fraction, (whole - epoch).astype(np.int32)).astype(np.float32)
    return stored


def value_at(weight: float, epoch: int, at_ms: int, half_life_ms: int) -> float:
    """What a stored weight is worth at `at_ms`, for readers."""
    return float(weight * 2.0 ** (epoch - at_ms / half_life_ms))
