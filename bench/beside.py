"""Work in a thread beside the bench, from entering to leaving."""

import threading
from types import TracebackType
from typing import Self


class Beside:
    """Entered, `_run` goes on in a thread of its own; it has to return soon after `_over` is set."""

    def __init__(self, name: str) -> None:
        """`name`: of the thread."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError
