"""Folds likes and shares: states of pairs. Columns as far as records do not depend on one another."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from streams.core import pairs
from streams.core.arrival import Where, arrive_like, arrive_share, decode_like, decode_share
from streams.core.compiled import compiled
from streams.core.events import Like, Share
from streams.core.interests import weigh
from streams.core.interests.incoming import (
    Decoded,
    Ids,
    Incoming,
    are_labels,
    are_users,
    ids_of,
    kernel_columns,
    known,
    parts,
    read,
    times_of,
)
from streams.core.interests.state import State
from streams.core.interests.topics import Ints, Mask
from streams.core.keys import pair_key
from streams.core.pairs import flags_of
from streams.core.panes import TOTAL_ONLY, clamp_many
from streams.core.params import LIKE_WEIGHT, MINUTE_MS, SHARE_WEIGHT
from streams.core.ports import Record, Rejected
from streams.core.rows import Action, PairFlag, ParkedShare, UserFlag

RECORDS_AT_ONCE = 1 << 16


class Kind(NamedTuple):
    """What likes and shares differ in."""

    topic: str
    action: Action
    weight: float
    on: str
    off: str
    decode: Callable[[bytes], Any]
    arrive: Callable[[Where, Record], Like | Share | Rejected]


LIKES = Kind("likes", Action.LIKE, LIKE_WEIGHT, "like", "unlike", decode_like, arrive_like)
SHARES = Kind("shares", Action.SHARE, SHARE_WEIGHT, "share", "unshare", decode_share, arrive_share)


class Reactions(NamedTuple):
    """Checked likes or shares as columns."""

    keys: list[bytes]
    channels: list[str]
    slots: Ints
    ids: Ids
    contents: Ints
    regions: Ints
    at_ms: Ints
    arrival_ms: Ints
    on: Mask


class Effects(NamedTuple):
    """Entries that begin to count (`by` +1) or cease to (-1), in log order, as columns; `place`: by which record."""

    place: Ints
    by: Ints
    at_ms: Ints
    flags: Ints
    regions: Ints

    def where(self, chosen: Mask) -> "Effects":
        return self if chosen.all() else self.at(chosen)

    def at(self, chosen: Mask | Ints) -> "Effects":
        return Effects(
            self.place[chosen], self.by[chosen], self.at_ms[chosen], self.flags[chosen], self.regions[chosen]
        )


ON, LATE, SHOWN = int(PairFlag.ON), int(PairFlag.LATE), int(PairFlag.ON | PairFlag.COUNTED)


class Reader:
    """Likes or shares from records."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def blank(self, count: int) -> Reactions:
        slots, contents, regions, at_ms, arrival_ms = (np.zeros(count, np.int64) for _ in range(5))
        ids, on = np.zeros(count, np.uint64), np.zeros(count, np.bool_)
        return Reactions([b""] * count, [""] * count, slots, ids, contents, regions, at_ms, arrival_ms, on)

    def parse(self, kernel: Any, incoming: Incoming, state: State) -> tuple[Reactions, Mask]:
        kind, found, good = self._kind, self.blank(len(incoming.keys)), np.zeros(len(incoming.keys), np.uint8)
        columns = found.slots, found.ids, found.contents, found.regions, found.at_ms
        kernel.reactions(
            kernel_columns(kernel, incoming, state, good, columns), kind.on.encode(), kind.off.encode(),
            kind.action == Action.SHARE, found.on.view(np.uint8), found.keys, found.channels,
        )  # fmt: skip
        found.arrival_ms[:] = incoming.arrival_ms
        return found, known(incoming, good, found.slots, found.regions, state)

    def check(self, decoded: Decoded, state: State) -> Reactions | None:
        kind = self._kind
        ids, users, videos, at_ms, *channels, ops, regions = decoded.fields
        hashes, times = ids_of(ids), times_of(at_ms)
        if (
            hashes is None
            or times is None
            or not set(ops) <= {kind.on, kind.off}
            or not all(map(are_labels, map(set, channels)))
        ):
            return None
        slots, contents = state.slots_of(decoded.keys), state.contents.slots(videos)
        areas = state.regions.numbers(regions)
        if min(slots.min(), contents.min(), areas.min()) < 0 or not are_users(decoded.keys, users):
            return None
        keys = list(map(pair_key, users, videos))
        named = list(channels[0]) if channels else [""] * len(keys)
        on = np.array([op == kind.on for op in ops])
        return Reactions(keys, named, slots, hashes, contents, areas, times, decoded.arrival_ms, on)

    def decode(self, value: bytes) -> Any:
        return self._kind.decode(value)

    def arrive(self, record: Record, state: State) -> Any:
        return self._kind.arrive(state.where(self._kind.topic), record)


def fold(state: State, kind: Kind, records: Sequence[Record]) -> None:
    """Folds records of the kind's topic, in log order."""
    for part in parts(records, RECORDS_AT_ONCE):
        reactions = read(Reader(kind), part, state)
        if reactions.keys:
            _fold(state, kind, reactions)


def _fold(state: State, kind: Kind, reactions: Reactions) -> None:
    reactions, flags = _counted(state, kind, reactions)
    effects = _effects(state, kind, reactions, flags)
    _tell_videos(state, kind, reactions, effects)
    _weigh(state, kind, reactions, effects.where(effects.flags & (ON | LATE) == ON))


def _counted(state: State, kind: Kind, reactions: Reactions) -> tuple[Reactions, Ints]:
    """Clamps the times and counts the records at their users; -> their flags too."""
    columns, slots, likes = state.columns, reactions.slots, kind.action == Action.LIKE
    kernel = compiled("reactions")
    if kernel is None:
        at_ms, late = clamp_many(reactions.at_ms, reactions.arrival_ms)
        clamped, lates = int(np.count_nonzero(at_ms < reactions.at_ms)), int(np.count_nonzero(late))
        newest_ms, arrival_ms = int(at_ms.max()), int(reactions.arrival_ms.max())
        reactions = reactions._replace(at_ms=at_ms)
        np.add.at(columns.likes if likes else columns.shares, slots, 1)
        np.add.at(columns.late, slots, late)
        np.maximum.at(columns.last_ms, slots, at_ms)
        columns.touch(slots)
        flags = flags_of(reactions.on, columns.hidden(slots), late)
    else:
        flags = np.empty(len(slots), np.int64)
        on = reactions.on.view(np.uint8)
        found = kernel.count(columns, slots, reactions.at_ms, reactions.arrival_ms, on, likes, flags)
        clamped, lates, newest_ms, arrival_ms = found
    state.saw(newest_ms, arrival_ms)
    state.counters[kind.topic] += len(slots)
    state.counters[f"clamped_{kind.topic}"] += clamped
    state.counters[f"late_{kind.topic}"] += lates
    return reactions, flags


def _effects(state: State, kind: Kind, reactions: Reactions, flags: Ints) -> Effects:
    events = pairs.Events(reactions.keys, reactions.channels, reactions.at_ms, reactions.ids, flags, reactions.regions)
    changed, olds = state.pairs.fold(int(kind.action), events, state.regions.names)
    new = Effects(
        np.arange(len(flags)), np.ones(len(flags), np.int64), reactions.at_ms, flags, reactions.regions
    ).where(changed)
    if not olds:
        return new
    rows = [(i, -1, old.at_ms, old.flags, state.regions[old.region]) for i, old in olds]
    both = Effects(*map(np.concatenate, zip(np.array(rows, np.int64).T, new, strict=True)))
    # Of one record the old entry ceases first: it stands before the new one.
    return both.at(np.argsort(both.place, kind="stable"))


def _tell_videos(state: State, kind: Kind, reactions: Reactions, effects: Effects) -> None:
    shown = effects.where(effects.flags & SHOWN == SHOWN)
    codes = np.where(shown.flags & LATE, TOTAL_ONLY, shown.at_ms // MINUTE_MS)
    if len(codes):
        state.cells.add_changes(reactions.contents[shown.place], shown.regions, codes, kind.action, shown.by)


def _weigh(state: State, kind: Kind, reactions: Reactions, effects: Effects) -> None:
    """Adds to the users' topics now; what is about unknown videos is parked."""
    contents = state.contents
    contents.refresh()
    known = contents.known[reactions.contents[effects.place]]
    if not known.all():
        waiting = effects.where(~known)
        for place, by, at_ms in zip(waiting.place.tolist(), waiting.by.tolist(), waiting.at_ms.tolist(), strict=True):
            share = ParkedShare(int(kind.action), by, at_ms, 0, 0)
            slot, content = int(reactions.slots[place]), int(reactions.contents[place])
            state.park(slot, content, share, int(reactions.arrival_ms[place]))
        effects = effects.where(known)
    slots, videos = reactions.slots[effects.place], reactions.contents[effects.place]
    changed = contents.changed[videos]
    if changed.any():
        state.columns.flag(slots[changed], UserFlag.FACTS_CHANGED)
    weight = kind.weight * effects.by.astype(np.float64)
    weigh.fold(state.columns, contents, weigh.Weighed(slots, videos, effects.at_ms, weight, effects.by < 0))
