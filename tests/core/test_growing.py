"""Arrays that grow in place keep what was written, whether they can move or not."""

import numpy as np
import pytest

from streams.core.counters.memory import Growing


@pytest.mark.parametrize("held", [False, True], ids=["moved", "copied"])
def test_rows_stay_and_new_ones_are_zero(held: bool) -> None:
    memory = Growing(4)
    memory.resize(3)
    memory.rows[:] = np.arange(12).reshape(3, 4)
    kept = memory.rows if held else None
    memory.resize(100_000)
    assert memory.rows[:3].tolist() == np.arange(12).reshape(3, 4).tolist()
    assert not memory.rows[3:].any()
    memory.rows[0] = 7
    assert kept is None or kept[0].tolist() == [0, 1, 2, 3]


def test_rows_of_half_a_line_do_not_cross_one() -> None:
    memory = Growing(4)
    for rows in (1, 1_000, 1_000_000):
        memory.resize(rows)
        assert memory.rows.shape == (rows, 4)
        assert memory.rows.ctypes.data % 64 == 0
