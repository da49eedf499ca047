"""The clamp of event time: columns as single events."""

import numpy as np

from streams.core.panes import clamp, clamp_many
from streams.core.params import DAY_MS

ARRIVAL_MS = 10 * DAY_MS
CASES = (0, ARRIVAL_MS - DAY_MS - 1, ARRIVAL_MS - DAY_MS, ARRIVAL_MS, ARRIVAL_MS + 2_000, ARRIVAL_MS + 2_001, 1 << 42)


def test_columns_are_clamped_as_single_events() -> None:
    at_ms, late = clamp_many(np.array(CASES), np.full(len(CASES), ARRIVAL_MS))
    assert list(zip(at_ms.tolist(), late.tolist(), strict=True)) == [clamp(at, ARRIVAL_MS) for at in CASES]
    assert late.tolist() == [True, True, False, False, False, False, False]
    assert at_ms.max() == ARRIVAL_MS + 2_000
