"""Whether everything written has gone through all three hops."""

from enum import IntEnum
from typing import Protocol

from streams.tools.run.progress import INPUTS, Ends


class Watching(Protocol):
    """What is asked of `Watch`."""

    async def ends(self, *topics: str) -> Ends:
        """End offsets now."""
        ...

    async def folded_to(self, ends: Ends) -> bool:
        """Whether no record below is left to fold."""
        ...


class Hop(IntEnum):
    """Stages in the order in which an event goes through them."""

    USER = 0
    VIDEO = 1
    TREND = 2
    DONE = 3


_READS = {Hop.USER: INPUTS, Hop.VIDEO: ("video-tallies",), Hop.TREND: ("trend-tallies",)}


class CaughtUp:
    """Ask `check` again and again once nothing more is written.

    The end of a hop's input is taken down only when the hop before is done, so it holds all that follows from the
    input; what comes later (empty tallies of idle units) is not waited for.
    """

    def __init__(self) -> None:
        """Begin at the first hop."""
        self.hop = Hop.USER
        self._ends: Ends | None = None

    async def check(self, watching: Watching) -> bool:
        """Go on as far as possible -> whether all three hops are done."""
        while self.hop is not Hop.DONE:
            if self._ends is None:
                self._ends = await watching.ends(*_READS[self.hop])
            if not await watching.folded_to(self._ends):
                return False
            self.hop = Hop(self.hop + 1)
            self._ends = None
        return True
