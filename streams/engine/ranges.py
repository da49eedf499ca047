"""Which offsets of a partition a fetch stands for: those of its records, and those that were passed without any."""

from collections.abc import Collection
from typing import Any

from faust.types import TP

Positions = dict[TP, int]


class Ranges:
    """Of one consumer. Fetches bring nothing of a partition and still move on in it where there are only markers or
    aborted records; the next records stand for these offsets too, or their batch would begin behind a hole.
    """

    def __init__(self) -> None:
        self._assignment: Any = None
        self._passed: dict[TP, tuple[int, int]] = {}
        """Offsets [from, to) without a record that counts. After a seek they do not end at the position: void."""

    def of(self, assignment: Any, before: Positions, after: Positions, found: Collection[TP]) -> Positions:
        """Where the batches of these partitions begin, after a fetch that moved positions from `before` to `after`.

        `assignment`: the one in force before and after; None if it changed in between. O(partitions).
        """
        if assignment is None or assignment is not self._assignment:
            self._assignment, self._passed = assignment, {}
        if assignment is None:
            return {}
        if before != after:
            self._passed |= {
                tp: (self._begin(tp, position), after[tp])
                for tp, position in before.items()
                if tp not in found and after[tp] != position
            }
        starts = {tp: self._begin(tp, before[tp]) for tp in found}
        for tp in found:
            self._passed.pop(tp, None)
        return starts

    def _begin(self, tp: TP, position: int) -> int:
        began, ended = self._passed.get(tp, (position, position))
        return began if ended == position else position
