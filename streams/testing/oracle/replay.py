"""One partition of the user stage, commit by commit: accounts first, then views, likes and shares."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.core.events import AccountState, Like, Share, VideoFacts, View
from streams.core.panes import clamp
from streams.core.reasons import Reason
from streams.testing.oracle.checks import Entry, UnusableError, Value, check
from streams.testing.oracle.facts import Facts
from streams.testing.oracle.users import User

Log = Mapping[str, Sequence[Entry]]
"""Records of one partition by source topic, in order of offset."""
Cells = dict[tuple[str, str, int], int]
"""(video, region, code) -> number of `counts`."""
Place = tuple[str, int]
"""(topic, offset) of a record, in a partition that is clear from where it stands."""
ORDER = ("accounts", "views", "likes", "shares", "feedback")


class Refused(NamedTuple):
    """A record that must be in dead-letters."""

    topic: str
    entry: Entry
    reason: Reason


@dataclass(slots=True)
class Replay:
    """`users` by name; `cells` of the commit replayed last."""

    partition: int
    partitions: int
    facts: Facts
    users: dict[str, User] = field(default_factory=lambda: defaultdict(User))
    refused: list[Refused] = field(default_factory=list)
    cells: Cells = field(default_factory=dict)
    events: int = 0
    watermark_ms: int = 0
    aside: Collection[Place] = ()
    """Records that a handler failed on."""
    _done: dict[str, int] = field(default_factory=dict)

    def commit(self, log: Log, positions: Mapping[str, int]) -> Cells:
        """Fold what lies before these positions and was not folded yet -> the cells it sends."""
        self.cells = {}
        for topic in ORDER:
            entries, at = log.get(topic, ()), self._done.get(topic, 0)
            while at < len(entries) and entries[at].offset < positions.get(topic, 0):
                self._record(topic, entries[at])
                at += 1
            self._done[topic] = at
        return self.cells

    def _record(self, topic: str, entry: Entry) -> None:
        self.events += 1
        if (topic, entry.offset) in self.aside:
            self.refused.append(Refused(topic, entry, Reason.HANDLER_FAILED))
            return
        try:
            value = check(topic, entry, self.partition, self.partitions)
        except UnusableError as error:
            self.refused.append(Refused(topic, entry, error.reason))
            return
        if topic == "accounts":
            self.users[(entry.key or b"").decode()].set_account(value if isinstance(value, AccountState) else None)
        else:
            self._fold(value, entry.timestamp)

    def _fold(self, event: Value | None, arrival_ms: int) -> None:
        if isinstance(event, View | Like | Share):
            self.watermark_ms = max(self.watermark_ms, clamp(event.at_ms, arrival_ms)[0])
            user = self.users[event.user]
            if isinstance(event, View):
                user.view(event, arrival_ms, self.facts, self._cell)
            else:
                user.state(event, arrival_ms, self.facts, self._cell)

    def _cell(self, video: str, region: str, code: int, number: int) -> None:
        name = video, region, code
        self.cells[name] = self.cells.get(name, 0) + number


def read_facts(  # noqa: PLR0913, PLR0917  # where it stands, and what is known of it
    facts: Facts,
    entries: Sequence[Entry],
    position: int,
    partition: int,
    partitions: int,
    aside: Collection[Place] = (),
) -> list[Refused]:
    """Apply one partition of `videos` up to a position -> the records refused. `aside`: a handler failed on those."""
    refused: list[Refused] = []
    for entry in entries:
        if entry.offset >= position:
            break
        failed = ("videos", entry.offset) in aside
        try:
            value = check("videos", entry, partition, partitions)
        except UnusableError as error:
            refused.append(Refused("videos", entry, Reason.HANDLER_FAILED if failed else error.reason))
            continue
        if failed:
            refused.append(Refused("videos", entry, Reason.HANDLER_FAILED))
        learnt = value if isinstance(value, VideoFacts) else None
        facts.apply((entry.key or b"").decode(), entry.offset, learnt, aside=failed)
    return refused
