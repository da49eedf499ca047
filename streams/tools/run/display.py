"""Where snapshots go: a live view on a terminal, else a plain line every two seconds."""

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from streams.tools.run.view import Snapshot, line, panels

LINE_EVERY_S = 2.0


class Display(Protocol):
    """Shows snapshots between enter and exit."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; the last snapshot stays."""
        ...

    def show(self, shot: Snapshot) -> None:
        """Show this one now, or keep it for the next time."""
        ...


class Terminal:
    """Panels that are redrawn in place."""

    def __init__(self) -> None:
        """Draw on standard output."""
        self._live = Live(console=Console(), refresh_per_second=4)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture."""
        self._live.__exit__(kind, error, trace)

    def show(self, shot: Snapshot) -> None:
        """Draw."""
        self._live.update(panels(shot))


class Lines:
    """One line every two seconds, and the last one at the end."""

    def __init__(self) -> None:
        """Write to standard output."""
        self._shown_s = -LINE_EVERY_S
        self._kept: Snapshot | None = None

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what was kept back."""
        if self._kept is not None:
            self._write(self._kept)

    def show(self, shot: Snapshot) -> None:
        """Write it if it is time."""
        self._kept = shot
        if time.monotonic() - self._shown_s >= LINE_EVERY_S:
            self._write(shot)

    def _write(self, shot: Snapshot) -> None:
        self._shown_s, self._kept = time.monotonic(), None
        sys.stdout.write(line(shot) + "\n")
        sys.stdout.flush()


def display() -> Display:
    """A live view if somebody can see it."""
    return Terminal() if sys.stdout.isatty() else Lines()
