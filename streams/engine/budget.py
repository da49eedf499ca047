"""How much of what a worker holds in memory may grow, from its row budget. Pure arithmetic."""

from collections.abc import Mapping

from streams.engine.api import Fold, Options

LEAST_PENDING = 4_000
LOOSE_SHARE = 2
"""One part in so many of the row budget is left to rows that can be evicted, however many cannot."""
SPARE_SHARE = 10
"""One part in so many of the row budget is freed beside what is too much, so that not every look evicts."""


def to_evict(loose: int, pinned: int, row_budget: int) -> int:
    """Rows to evict: `pinned` ones take part in the budget, and leave the other rows no less than half of it.

    With less, each row would be read again as soon as it has been forgotten.
    """
    allowed = max(row_budget - pinned, row_budget // LOOSE_SHARE)
    over = loose - allowed
    return min(over + row_budget // SPARE_SHARE, loose) if over > 0 else 0


def shares(rows: int, folds: Mapping[str, Fold]) -> dict[str, int]:
    """Of `rows` rows, how many each stage is to forget: in proportion to those that it can."""
    loose = {name: fold.resident() - fold.pinned() for name, fold in folds.items()}
    total = max(sum(loose.values()), 1)
    return {name: rows * have // total for name, have in loose.items()}


def max_pending(options: Options, units: int) -> int:
    """Events of a unit after which it commits: what is not committed cannot be evicted, whatever the budget says."""
    return min(options.max_pending, max(options.row_budget // max(units, 1), LEAST_PENDING))
