"""CPU time by step, on this thread; functions of the product are timed by standing in for them."""

import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Place = tuple[str, str]
"""Module and name of a function."""


class Stopwatch:
    """Adds up CPU nanoseconds by name. Times of parts lie within the times of what contains them."""

    def __init__(self) -> None:
        """All at zero."""
        self.ns: Counter[str] = Counter()

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add what the block takes."""
        began = time.thread_time_ns()
        try:
            yield
        finally:
            self.ns[name] += time.thread_time_ns() - began

    @contextmanager
    def standing_in(self, parts: Mapping[Place, str]) -> Iterator[None]:
        """Time these functions wherever their module's name is used. AttributeError if there is no such function."""
        real: dict[Place, Any] = {}
        try:
            for (module, name), step in parts.items():
                owner = importlib.import_module(module)
                real[module, name] = getattr(owner, name)
                setattr(owner, name, self._timed(real[module, name], step))
            yield
        finally:
            for (module, name), function in real.items():
                setattr(importlib.import_module(module), name, function)

    def _timed(self, function: Callable[..., Any], step: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.time(step):
                return function(*args, **kwargs)

        return timed
