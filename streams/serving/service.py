"""What the routes work with, and what a route is."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from streams.core.keys import partition_of, partitions_of
from streams.ops.health import Health
from streams.serving.asof import Truth
from streams.serving.looks import Looks
from streams.serving.params import Param
from streams.serving.standing import Standings
from streams.serving.state import ReaderState

READER = "tables"
"""The part of the service's health that stands for its copy of the tables."""


def now_ms() -> int:
    """Wall clock in milliseconds: for ages of answers only, never for counts."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Service:
    """The reader's knowledge. `opened`: the copy was complete once; from then on data routes answer, however old."""

    state: ReaderState
    looks: Looks = field(default_factory=Looks)
    health: Health = field(default_factory=Health)
    now_ms: Callable[[], int] = now_ms
    opened: bool = False
    standings: Standings = field(init=False)

    def __post_init__(self) -> None:
        self.standings = Standings(self.state, self.looks)
        if not self.opened:
            self.health.not_ready(READER, "not read yet")

    def truth(self) -> Truth:
        return Truth(self.standings, self.looks, self.state.partitions, self.now_ms())

    def partition_of(self, key: str) -> int:
        return partition_of(key.encode(), self.state.partitions)

    def partitions_of(self, keys: Sequence[bytes]) -> list[int]:
        found: list[int] = partitions_of(keys, self.state.partitions).tolist()
        return found


Values = Mapping[str, Any]
Handler = Callable[[Service, Values], msgspec.Struct]


@dataclass(frozen=True, slots=True)
class Route:
    """One path and method. `body` routes find the list of ids under `ids` in their values."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    handler: Handler
    answer: type[msgspec.Struct]
    params: tuple[Param, ...] = ()
    body: type[msgspec.Struct] | None = None
    problems: tuple[int, ...] = ()
