"""A log handler that lets a line through so many times a minute; then one line says how many were left out."""

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TextIO

import structlog

log: Any = structlog.stdlib.get_logger(__name__)

MOST = 30
MOST_OF_LIBRARIES = 5
WINDOW_S = 60.0
SUPPRESSED = "suppressed"

Key = tuple[object, ...]


class _Window:
    """Lines of one kind since `since` (seconds)."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.shown = 0
        self.left_out = 0


class _Line(NamedTuple):
    key: Key
    most: int
    told: dict[str, Any]
    """What a line about those left out says."""


def _line(record: logging.LogRecord) -> _Line:
    if isinstance(record.msg, dict):
        event, where = record.msg.get("event"), {n: record.msg[n] for n in ("topic", "partition") if n in record.msg}
        key = (record.name, record.levelno, event, *where.items())
        return _Line(key, MOST, {"of": event, **where})
    # The place in the library's code is the event: its text may have numbers in it.
    return _Line((record.pathname, record.lineno), MOST_OF_LIBRARIES, {"of": f"{record.name}:{record.lineno}"})


class LimitingHandler(logging.StreamHandler[TextIO]):
    """Counts lines by event, level, topic and partition (libraries: by place). What is critical is always shown."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._windows: dict[Key, tuple[_Window, _Line]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if record.name == __name__:
            super().emit(record)
            return
        urgent = record.levelno >= logging.CRITICAL
        self.tell(now, everything=urgent)
        if urgent:
            super().emit(record)
            return
        line = _line(record)
        window, _ = self._windows.setdefault(line.key, (_Window(now), line))
        if window.shown < line.most:
            window.shown += 1
            super().emit(record)
        else:
            window.left_out += 1

    def tell(self, now: float, *, everything: bool = False) -> None:
        """Say what was left out in windows that are over (or in all of them)."""
        over = [key for key, (w, _) in self._windows.items() if everything or now - w.since >= WINDOW_S]
        for key in over:
            window, line = self._windows.pop(key)
            if window.left_out:
                log.warning(SUPPRESSED, suppressed=window.left_out, **line.told)

    def close(self) -> None:
        """Say what is left to say, at the end of the process."""
        self.acquire()
        try:
            self.tell(self._clock(), everything=True)
        finally:
            self.release()
        super().close()
