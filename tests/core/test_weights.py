"""Weights and decay: hand-computed values, and scalar = vector to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import decay
from streams.core.params import FAST_HALF_LIFE_MS, SLOW_HALF_LIFE_MS
from streams.core.weights import view_weight, view_weights

lengths = st.integers(1, 2**31 - 1)
times = st.integers(0, 2**43 - 1)


@pytest.mark.parametrize(
    ("watch_ms", "duration_ms", "weight"),
    [
        (0, 10_000, -0.5),
        (1_999, 20_000, -0.5),
        (1_999, 19_000, 0.54 * (2 * 1_999 / 19_000 - 1)),
        (2_000, 60_000, 0.62 * (2 * 2_000 / 60_000 - 1)),
        (5_000, 10_000, 0.0),
        (10_000, 10_000, 0.31),
        (15_000, 15_000, 0.54),
        (30_000, 30_000, 0.62),
        (19_999, 10_000, 0.31),
        (20_000, 10_000, 0.46),
        (40_000, 10_000, 0.76),
        (900_000, 10_000, 0.76),
    ],
)
def test_weight_of_a_view(watch_ms: int, duration_ms: int, weight: float) -> None:
    assert view_weight(watch_ms, duration_ms) == pytest.approx(weight, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), lengths), min_size=1))
def test_vector_weights_have_the_same_bits(views: list[tuple[int, int]]) -> None:
    watch, duration = (np.array(column, np.int64) for column in zip(*views, strict=True))
    assert view_weights(watch, duration).tolist() == [view_weight(w, d) for w, d in views]


@given(st.floats(-2, 2), times, st.integers(-10, 300), st.sampled_from([FAST_HALF_LIFE_MS, SLOW_HALF_LIFE_MS]))
def test_vector_decay_has_the_same_bits(weight: float, at_ms: int, ahead: int, half_life_ms: int) -> None:
    epoch = decay.epoch_of(at_ms, half_life_ms) + ahead
    column = decay.grown_many(np.array([weight]), np.array([at_ms]), np.array([epoch]), half_life_ms)
    assert column[0] == np.float32(decay.grown(weight, at_ms, epoch, half_life_ms))


@given(st.floats(0.01, 2), times)
def test_decay_is_within_a_millionth_of_the_formula(weight: float, at_ms: int) -> None:
    epoch = decay.epoch_of(at_ms, FAST_HALF_LIFE_MS)
    stored = decay.grown(weight, at_ms, epoch, FAST_HALF_LIFE_MS)
    assert decay.value_at(stored, epoch, at_ms, FAST_HALF_LIFE_MS) == pytest.approx(weight, rel=1e-6)
    assert decay.value_at(stored, epoch, at_ms + FAST_HALF_LIFE_MS, FAST_HALF_LIFE_MS) == pytest.approx(
        weight / 2, rel=1e-6
    )
