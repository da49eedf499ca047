"""Keeps child processes running: starts, restarts with back-off, honours exit codes, leaves no orphan.

A child is tied to this process (streams/ops/tether.py) and leads a group of its own: it dies with the supervisor even
if that is killed, and Ctrl-C at the terminal reaches the supervisor only, which then stops its children in order.
"""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from streams.ops.tether import tethered

EXIT_DONE = 0
EXIT_CONFIG = 78
LOG_TAIL_BYTES = 4096
REPLACED_S = 60.0
HISTORY = 100


class State(StrEnum):
    """Where a child stands."""

    IDLE = "idle"
    RUNNING = "running"
    WAITING = "waiting to restart"
    DONE = "done"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


FINAL = {EXIT_DONE: State.DONE, EXIT_CONFIG: State.GIVEN_UP}
"""Exit codes after which a child is not started again; any other end (70, a crash, a signal) is restarted."""


class Exit(NamedTuple):
    """One end of a child. `code` is negative for a signal; `reason` is the last line of its log."""

    code: int
    lived_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pause before a restart: doubles from `first_s` to `longest_s`, from the start again once up for `steady_s`."""

    first_s: float = 0.5
    longest_s: float = 30.0
    steady_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        """Pause after that many ends in a row (1 or more)."""
        return float(min(self.first_s * 2 ** min(failures - 1, 32), self.longest_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run. `env` is added to this process's own; output is appended to `log`."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_s: float = 10.0
    backoff: Backoff = Backoff()


class Child:
    """One supervised process: `pid`, `restarts` and `exits` tell what happened to it."""

    def __init__(self, spec: ChildSpec, on_change: Callable[["Child"], None]) -> None:
        """Start nothing yet; `on_change` is called after every change of state."""
        self.spec = spec
        self.state = State.IDLE
        self.starts = 0
        self.exits: deque[Exit] = deque(maxlen=HISTORY)
        self._on_change = on_change
        self._failures = 0
        self._stopping = False
        self._started_s = 0.0
        self._group = 0
        self._process: asyncio.subprocess.Process | None = None
        self._heir: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 while it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    @property
    def restarts(self) -> int:
        """Starts after the first."""
        return max(self.starts - 1, 0)

    @property
    def reason(self) -> str:
        """Why it ended the last time; empty if it never did."""
        return self.exits[-1].reason if self.exits else ""

    async def start(self) -> None:
        """Start it, and keep it running in the background until `stop`."""
        if self._keeper is not None and not self._keeper.done():
            return
        self._stopping = False
        await self._launch()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    async def stop(self) -> None:
        """SIGTERM, at most `stop_s` of patience, SIGKILL to its whole group; no restart afterwards."""
        self._stopping = True
        if self._keeper is None:
            return
        if not self.pid:
            self._keeper.cancel()
        self.kill(signal.SIGCONT)
        self.kill(signal.SIGTERM)
        await asyncio.wait([self._keeper], timeout=self.spec.stop_s)
        self._kill_own_group()
        await asyncio.wait([self._keeper])
        if self.state not in {State.DONE, State.GIVEN_UP}:
            self._become(State.STOPPED)

    async def replace(self, *options: str) -> bool:
        """Start a successor, `options` after the usual arguments, that ends this process when it is prepared.

        -> whether it has taken over after at most 60 s; if not it is killed, and this process stays what is kept.
        """
        if not self.pid or self._process is None:
            await self.start()
            return True
        former = self._process
        heir = self._heir = await self._spawn([*self.spec.argv, *options])
        ends = [asyncio.create_task(former.wait()), asyncio.create_task(heir.wait())]
        await asyncio.wait(ends, timeout=REPLACED_S, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if former.returncode is not None:
            return True
        self._heir = None
        _kill_group(heir.pid)
        return False

    async def wait(self) -> int:
        """Wait until it is done, given up or stopped -> its last exit code."""
        if self._keeper is not None:
            await asyncio.wait([self._keeper])
        return self.exits[-1].code if self.exits else EXIT_DONE

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal, as a fault would; the supervisor then does what it always does."""
        if self.pid and self._process is not None:
            with suppress(ProcessLookupError):
                # Not the process object's own method: it may reap the child before asyncio does and lose the exit code.
                os.kill(self._process.pid, number)

    async def _keep(self) -> None:
        while True:
            code = await self._await_end()
            heir, self._heir = self._heir, None
            if self._stopping:
                _kill_group(heir.pid if heir else 0)
                return
            if heir:
                self._adopt(heir)
                continue
            if code in FINAL:
                self._become(FINAL[code])
                return
            self._become(State.WAITING)
            await asyncio.sleep(self.spec.backoff.pause_s(self._failures))
            await self._launch()

    async def _launch(self) -> None:
        self._adopt(await self._spawn(self.spec.argv))

    async def _spawn(self, argv: Sequence[str]) -> asyncio.subprocess.Process:
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *tethered(list(argv)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.spec.env},
                start_new_session=True,
            )

    def _adopt(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._group = process.pid
        self._started_s = time.monotonic()
        self.starts += 1
        self._become(State.RUNNING)

    async def _await_end(self) -> int:
        assert self._process is not None
        code = await self._process.wait()
        # Whatever it had started must not outlive it.
        self._kill_own_group()
        lived_s = time.monotonic() - self._started_s
        self._failures = 1 if lived_s >= self.spec.backoff.steady_s else self._failures + 1
        self.exits.append(Exit(code, lived_s, last_line(self.spec.log)))
        return code

    def _kill_own_group(self) -> None:
        # Zero after its end: the number may then belong to others.
        group, self._group = self._group, 0
        _kill_group(group)

    def _become(self, state: State) -> None:
        self.state = state
        self._on_change(self)


class Supervisor:
    """Children in the order in which they were started; stopped in reverse. Use as `async with`."""

    def __init__(self, on_change: Callable[[Child], None] = lambda _child: None) -> None:
        """`on_change` is called with the child after every change of its state."""
        self.children: dict[str, Child] = {}
        self._on_change = on_change

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, spec: ChildSpec) -> Child:
        """Start a child under a name that is not taken."""
        if spec.name in self.children:
            raise ValueError(f"a child named {spec.name} exists")
        child = Child(spec, self._on_change)
        self.children[spec.name] = child
        await child.start()
        return child

    async def stop(self) -> None:
        """Stop all, the last started first, each with its own patience. Safe to call again."""
        for child in reversed(self.children.values()):
            await child.stop()


def _kill_group(group: int) -> None:
    """Nothing for 0, which would mean our own."""
    if group:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def last_line(log: Path) -> str:
    """The last line with text in it; reads only the end of the file."""
    with log.open("rb") as handle:
        handle.seek(max(log.stat().st_size - LOG_TAIL_BYTES, 0))
        lines = handle.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
