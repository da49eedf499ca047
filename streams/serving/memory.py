"""What the garbage collector need not walk: millions of rows that form no cycles."""

import gc

THRESHOLDS = (50_000, 20, 100)


def spare_collector() -> None:
    """Collect seldom: answers hold few objects that can form cycles."""
    gc.set_threshold(*THRESHOLDS)


def settle() -> None:
    """What is held now stays: the collector leaves it alone from here on."""
    gc.collect()
    gc.freeze()
