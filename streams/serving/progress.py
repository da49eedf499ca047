"""Whether the copy is complete: it has to reach the ends seen at a look, and the look must not be old."""

from collections.abc import Mapping

from streams.serving.looks import Look

Positions = Mapping[tuple[str, int], int]


class Progress:
    """Chases one look after the other: the next one is taken up when the last is reached."""

    def __init__(self) -> None:
        self.reached_ms: int | None = None
        """Time of the newest look that was reached; None: the copy was never complete."""
        self._target: Look | None = None
        self._next: Look | None = None

    def look(self, look: Look) -> None:
        """Ends of all followed partitions were seen."""
        if self._target is None:
            self._target = look
        else:
            self._next = look

    def check(self, positions: Positions) -> None:
        """Take note of how far the copy is."""
        if self._target is not None and missing(self._target, positions) == 0:
            self.reached_ms = self._target.at_ms
            self._target, self._next = self._next, None

    def trouble(self, positions: Positions, now_ms: int, max_lag_ms: int) -> str | None:
        """Why the copy is not fit to answer; None if it is."""
        if self.reached_ms is None:
            if self._target is None:
                return "the ends of the tables are not known yet"
            return f"{missing(self._target, positions)} records to read"
        age_ms = now_ms - self.reached_ms
        if age_ms > max_lag_ms:
            return f"last complete {age_ms // 1000} s ago: the broker is away, or this reader is too slow"
        return None


def missing(look: Look, positions: Positions) -> int:
    """Records between the positions and the ends of the look."""
    return sum(max(end - positions.get(at, 0), 0) for at, end in look.ends.items())
