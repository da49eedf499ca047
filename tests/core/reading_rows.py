"""Rows for the tests of what readers show of them."""

from typing import Any

from hypothesis import strategies as st

from streams.core.params import FAST_HALF_LIFE_MS, SLOW_HALF_LIFE_MS
from streams.core.rows import EMPTY_EPOCH, UserRow

topics = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 9), unique=True, max_size=60)
weights = st.sampled_from([0.0, 1.0, 0.1]) | st.floats(0, 1000, width=32)
counts = st.integers(0, 2**32 - 1)
NOW_MS = 1_700_000_000_000
EPOCHS = NOW_MS // FAST_HALF_LIFE_MS, NOW_MS // SLOW_HALF_LIFE_MS


@st.composite
def user_rows(draw: st.DrawFn) -> UserRow:
    positive, negative = draw(topics), draw(topics)
    fast_epoch, slow_epoch = draw(st.sampled_from([EPOCHS, EPOCHS, (EMPTY_EPOCH, EMPTY_EPOCH)]))
    return UserRow(
        flags=draw(st.integers(0, 7)), account=draw(st.integers(0, 15)), views=draw(counts), likes=draw(counts),
        shares=draw(counts), repeats=draw(counts), late=draw(counts), fast_epoch=fast_epoch, slow_epoch=slow_epoch,
        last_ms=NOW_MS + draw(st.integers(0, 10**9)), view_ids=draw(st.lists(st.integers(0, 2**64 - 1), max_size=32)),
        seen=draw(st.lists(st.integers(0, 2**32 - 1), max_size=16)),
        positive=[(topic, draw(weights), draw(weights)) for topic in positive],
        negative=[(topic, draw(weights)) for topic in dict.fromkeys(negative + positive[:5])],
    )  # fmt: skip


totals = st.tuples(*[st.integers(0, 255) | st.integers(0, 2**64 - 1) | st.integers(0, 2**32)] * 3)
panes = st.dictionaries(st.integers(1, 100), st.tuples(*[st.integers(1, 9)] * 3))
names = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=4)


def tuple_of(*one: Any) -> tuple[Any, ...]:
    return one
