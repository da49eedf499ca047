"""One user: what his views, likes and shares make of his row, his pairs, his parked shares and the tallies."""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.core.events import AccountState, Like, Share, View
from streams.core.keys import event_hash, seen_hash
from streams.core.panes import clamp, minute_code
from streams.core.params import LIKE_WEIGHT, SEEN_VIDEOS, SHARE_WEIGHT, VIEW_IDS
from streams.core.rows import HIDDEN, AccountFlag, Action, PairEntry, PairFlag, ParkedShare
from streams.core.types import UNKNOWN_REGION
from streams.testing.oracle import counts
from streams.testing.oracle.facts import Facts
from streams.testing.oracle.weights import Weights, view_weight

AddCell = Callable[[str, str, int, int], None]
"""(video, region, code, number of core counts): one cell for the video's owner."""
_UNIT = {Action.LIKE: counts.LIKE, Action.SHARE: counts.SHARE}
_WEIGHT = {Action.LIKE: LIKE_WEIGHT, Action.SHARE: SHARE_WEIGHT}


@dataclass(slots=True)
class Waiting:
    """Shares of one video whose facts never came, and the arrivals of their records."""

    shares: list[ParkedShare] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)


@dataclass(slots=True)
class User:
    """State of one user, as `UserRow` but without limits; `pairs` and `parked` are by video."""

    account: int = 0
    views: int = 0
    likes: int = 0
    shares: int = 0
    repeats: int = 0
    late: int = 0
    last_ms: int = 0
    view_ids: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    weights: Weights = field(default_factory=Weights)
    pairs: dict[str, dict[tuple[int, str], PairEntry]] = field(default_factory=dict)
    parked: dict[str, Waiting] = field(default_factory=dict)

    @property
    def hidden(self) -> bool:
        """Whether he counts for himself only."""
        return bool(self.account & HIDDEN)

    def set_account(self, state: AccountState | None) -> None:
        """A record of `accounts`; a tombstone goes back to nothing known."""
        if state is None:
            self.account = 0
            return
        self.account = int(
            AccountFlag.KNOWN
            | (AccountFlag.PRIVATE if state.private else 0)
            | (AccountFlag.BANNED if state.status in ("banned", "deleted") else 0)
            | (AccountFlag.MINOR if state.age_band in ("teen", "child") else 0)
        )

    def view(self, event: View, arrival_ms: int, facts: Facts, cell: AddCell) -> None:
        """A record of `views`."""
        id64 = event_hash(event.id)
        if id64 in self.view_ids:
            self.repeats += 1
            return
        at_ms, late = clamp(event.at_ms, arrival_ms)
        _ring(self.view_ids, self.views, VIEW_IDS, id64)
        _ring(self.seen, self.views, SEEN_VIDEOS, seen_hash(event.video))
        self.views += 1
        self.late += late
        self.last_ms = max(self.last_ms, at_ms)
        if not self.hidden:
            cell(event.video, event.region or UNKNOWN_REGION, minute_code(at_ms, late=late), counts.VIEW)
        if not late:
            share = ParkedShare(Action.VIEW, 1, at_ms, event.watch_ms, event.duration_ms or 0)
            self._share(event.video, share, arrival_ms, facts)

    def state(self, event: Like | Share, arrival_ms: int, facts: Facts, cell: AddCell) -> None:
        """A record of `likes` or `shares`: the greatest (event time, id) wins."""
        if isinstance(event, Like):
            action, channel, on = Action.LIKE, "", event.op == "like"
            self.likes += 1
        else:
            action, channel, on = Action.SHARE, event.channel, event.op == "share"
            self.shares += 1
        at_ms, late = clamp(event.at_ms, arrival_ms)
        self.late += late
        self.last_ms = max(self.last_ms, at_ms)
        flags = (PairFlag.ON if on else 0) | (PairFlag.LATE if late else 0)
        flags |= PairFlag.COUNTED if on and not self.hidden else 0
        region = event.region or UNKNOWN_REGION
        new = PairEntry(int(action), channel, at_ms, event_hash(event.id), int(flags), region)
        entries = self.pairs.setdefault(event.video, {})
        old = entries.get((action, channel))
        if old is not None and (old.at_ms, old.id64) >= (new.at_ms, new.id64):
            return
        entries[action, channel] = new
        for entry, sign in ((old, -1), (new, 1)):
            if entry is not None and entry.flags & PairFlag.ON:
                self._count(event.video, entry, sign, cell)
                if not entry.flags & PairFlag.LATE:
                    share = ParkedShare(int(action), sign, entry.at_ms, 0, 0)
                    self._share(event.video, share, arrival_ms, facts)

    def learn(self, facts: Facts) -> None:
        """Weigh shares that waited for facts which came after all (a recount in parts meets them later)."""
        for video in [video for video in self.parked if video in facts.last]:
            for share in self.parked.pop(video).shares:
                self._share(video, share, 0, facts)

    def _count(self, video: str, entry: PairEntry, sign: int, cell: AddCell) -> None:
        if entry.flags & PairFlag.COUNTED:
            late = bool(entry.flags & PairFlag.LATE)
            cell(video, entry.region, minute_code(entry.at_ms, late=late), sign * _UNIT[Action(entry.action)])

    def _share(self, video: str, share: ParkedShare, arrival_ms: int, facts: Facts) -> None:
        known = facts.last.get(video)
        if known is None:
            waiting = self.parked.setdefault(video, Waiting())
            waiting.shares.append(share)
            waiting.arrivals.append(arrival_ms)
            return
        if share.action == Action.VIEW:
            weight = view_weight(share.watch_ms, share.duration_ms or known.duration_ms)
        else:
            weight = _WEIGHT[Action(share.action)]
        self.weights.add(facts.topics(video), weight, share.at_ms, undo=share.sign < 0)
        if video in facts.versions:
            self.weights.bound(facts.versions[video], share.at_ms)


def _ring(ring: list[int], index: int, size: int, value: int) -> None:
    if index < size:
        ring.append(value)
    else:
        ring[index % size] = value
