"""Health of a process: named parts that are ready or say why not."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Check = Callable[[], str | None]


@dataclass(slots=True)
class Health:
    """Parts report from any thread; probes ask. `alive` is about restarting, `ready` about traffic."""

    _not_ready: dict[str, str] = field(default_factory=dict)
    _dead: dict[str, str] = field(default_factory=dict)
    _checks: dict[str, Check] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def not_ready(self, part: str, why: str) -> None:
        """A part cannot serve yet: `why` is shown to whoever asks."""
        with self._lock:
            self._not_ready[part] = why

    def ready(self, part: str) -> None:
        """A part can serve (again)."""
        with self._lock:
            self._not_ready.pop(part, None)

    def dead(self, part: str, why: str) -> None:
        """A part will not come back without a restart."""
        with self._lock:
            self._dead[part] = why

    def watch(self, part: str, check: Check) -> None:
        """Ask at each probe, from its thread: `check` says why the part needs a restart, None if it does not."""
        with self._lock:
            self._checks[part] = check

    def problems(self) -> dict[str, str]:
        """Parts that keep the process from being ready -> why; empty if it is ready."""
        return {**self._not_ready_now(), **self.failures()}

    def failures(self) -> dict[str, str]:
        """Parts that need a restart -> why; empty if the process is alive."""
        with self._lock:
            dead, checks = dict(self._dead), dict(self._checks)
        asked = {part: check() for part, check in checks.items()}
        return dead | {part: why for part, why in asked.items() if why is not None}

    def _not_ready_now(self) -> dict[str, str]:
        with self._lock:
            return dict(self._not_ready)
