"""Folds views, in batches of columns. Around anything unusual they are looked at one by one, through `arrival`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from streams.core import checks
from streams.core.arrival import arrive_view, decode_view
from streams.core.compiled import compiled
from streams.core.interests import weigh
from streams.core.interests.incoming import (
    Decoded,
    Ids,
    Incoming,
    are_labels,
    are_users,
    durations_of,
    ids_of,
    kernel_columns,
    known,
    parts,
    present,
    read,
    times_of,
    watches_of,
)
from streams.core.interests.state import State
from streams.core.interests.topics import Ints, Mask, starts
from streams.core.panes import TOTAL_ONLY, clamp_many
from streams.core.params import MINUTE_MS, SEEN_VIDEOS, VIEW_IDS
from streams.core.ports import Record
from streams.core.rows import Action, ParkedShare, UserFlag
from streams.core.weights import view_weights

TOPIC = "views"
RECORDS_AT_ONCE = 1 << 16


class Views(NamedTuple):
    """Checked views as columns; a duration of 0 is absent."""

    slots: Ints
    ids: Ids
    contents: Ints
    regions: Ints
    at_ms: Ints
    arrival_ms: Ints
    watch_ms: Ints
    duration_ms: Ints

    def where(self, chosen: Ints | Mask) -> "Views":
        return Views(
            self.slots[chosen], self.ids[chosen], self.contents[chosen], self.regions[chosen],
            self.at_ms[chosen], self.arrival_ms[chosen], self.watch_ms[chosen], self.duration_ms[chosen],
        )  # fmt: skip


class Reader:
    """Views from records."""

    def blank(self, count: int) -> Views:
        numbers = (np.zeros(count, np.int64) for _ in range(7))
        return Views(next(numbers), np.zeros(count, np.uint64), *numbers)

    def parse(self, kernel: Any, incoming: Incoming, state: State) -> tuple[Views, Mask]:
        views, good = self.blank(len(incoming.keys)), np.zeros(len(incoming.keys), np.uint8)
        columns = views.slots, views.ids, views.contents, views.regions, views.at_ms
        kernel.views(kernel_columns(kernel, incoming, state, good, columns), views.watch_ms, views.duration_ms)
        views.arrival_ms[:] = incoming.arrival_ms
        return views, known(incoming, good, views.slots, views.regions, state)

    def check(self, decoded: Decoded, state: State) -> Views | None:
        ids, users, videos, at_ms, watch_ms, duration_ms, surfaces, regions, sessions = decoded.fields
        hashes, times, watches = ids_of(ids), times_of(at_ms), watches_of(watch_ms)
        durations = durations_of(duration_ms)
        if hashes is None or times is None or watches is None or durations is None:
            return None
        if not are_labels(present(list(set(surfaces)))) or not checks.are_names(present(sessions)):
            return None
        slots, contents = state.slots_of(decoded.keys), state.contents.slots(videos)
        areas = state.regions.numbers(regions)
        if min(slots.min(), contents.min(), areas.min()) < 0 or not are_users(decoded.keys, users):
            return None
        return Views(slots, hashes, contents, areas, times, decoded.arrival_ms, watches, durations)

    def decode(self, value: bytes) -> Any:
        return decode_view(value)

    def arrive(self, record: Record, state: State) -> Any:
        return arrive_view(state.where(TOPIC), record)


READER = Reader()


def fold(state: State, records: Sequence[Record]) -> None:
    """Folds records of topic `views`, in log order."""
    for part in parts(records, RECORDS_AT_ONCE):
        views = read(READER, part, state)
        if len(views.slots):
            _fold(state, views)


def _fold(state: State, views: Views) -> None:
    columns, contents = state.columns, state.contents
    contents.refresh()
    state.counters[TOPIC] += len(views.slots)
    kernel = compiled("interests")
    if kernel is not None:
        _fold_compiled(kernel, state, views)
        return
    at_ms, late = clamp_many(views.at_ms, views.arrival_ms)
    state.counters["clamped_views"] += int(np.count_nonzero(at_ms < views.at_ms))
    views = views._replace(at_ms=at_ms)
    state.saw(int(views.at_ms.max()), int(views.arrival_ms.max()))
    order = np.sort(views.slots << 16 | np.arange(len(late))) & 0xFFFF
    views, late = views.where(order), late[order]
    columns.touch(views.slots)
    fresh = _fresh(columns.view_ids, columns.views, views)
    if not fresh.all():
        state.counters["repeats"] += len(fresh) - int(np.count_nonzero(fresh))
        np.add.at(columns.repeats, views.slots[~fresh], 1)
        views, late, order = views.where(fresh), late[fresh], order[fresh]
    _remember(state, views)
    if late.any():
        state.counters["late_views"] += int(np.count_nonzero(late))
        np.add.at(columns.late, views.slots[late], 1)
    again = np.argsort(order)
    _tell_videos(state, views.where(again), late[again])
    _weigh(state, views.where(~late) if late.any() else views)


def _fold_compiled(kernel: Any, state: State, views: Views) -> None:
    """`_fold` in one pass, view by view in log order."""
    count = len(views.slots)
    pairs, codes, waiting = np.empty((3, count), np.int64)
    found = kernel.fold_views(state.columns, state.contents, *views, pairs, codes, waiting)
    clamped, repeats, late, shown, waits, newest_ms, arrival_ms = found
    for name, number in (("clamped_views", clamped), ("repeats", repeats), ("late_views", late)):
        if number:
            state.counters[name] += number
    state.saw(newest_ms, arrival_ms)
    if shown:
        state.cells.add_view_pairs(pairs[:shown], codes[:shown])
    if waits:
        _park(state, views, waiting[:waits])


def _park(state: State, views: Views, places: Ints) -> None:
    for i in places.tolist():
        share = ParkedShare(Action.VIEW, 1, *(int(c[i]) for c in (views.at_ms, views.watch_ms, views.duration_ms)))
        state.park(int(views.slots[i]), int(views.contents[i]), share, int(views.arrival_ms[i]))


def _fresh(ring: Ids, counts: Ints, views: Views) -> Mask:
    """Which views are no repeats. Users with a suspect are looked at view by view."""
    slots, ids = views.slots, views.ids
    suspect = (ring[slots] == ids[:, None]).any(1)
    order = np.argsort(ids, kind="stable")
    same = ids[order[1:]] == ids[order[:-1]]
    suspect[order[:-1]] |= same
    fresh = np.ones(len(ids), np.bool_)
    if not suspect.any():
        return fresh
    begin = np.flatnonzero(starts(slots))
    ends = np.append(begin[1:], len(slots))
    for group in np.flatnonzero(np.logical_or.reduceat(suspect, begin)).tolist():
        first, last = int(begin[group]), int(ends[group])
        slot = int(slots[first])
        fresh[first:last] = _fresh_of_user(ring[slot].tolist(), int(counts[slot]), ids[first:last].tolist())
    return fresh


def _fresh_of_user(ring: list[int], count: int, ids: list[int]) -> list[bool]:
    fresh = []
    for event_id in ids:
        fresh.append(event_id not in ring)
        if fresh[-1]:
            ring[count % VIEW_IDS] = event_id
            count += 1
    return fresh


def _remember(state: State, views: Views) -> None:
    """Ring of ids, ring of videos, count and last time of the users."""
    columns, slots = state.columns, views.slots
    if not len(slots):
        return
    begin = starts(slots)
    first = np.flatnonzero(begin)
    number = columns.views[slots] + np.arange(len(slots)) - first[np.cumsum(begin) - 1]
    columns.view_ids[slots, number % VIEW_IDS] = views.ids
    columns.seen[slots, number % SEEN_VIDEOS] = state.contents.seen[views.contents]
    users = slots[first]
    columns.views[users] = number[np.append(first[1:], len(slots)) - 1] + 1
    columns.last_ms[users] = np.maximum(columns.last_ms[users], np.maximum.reduceat(views.at_ms, first))


def _tell_videos(state: State, views: Views, late: Mask) -> None:
    codes = np.where(late, TOTAL_ONLY, views.at_ms // MINUTE_MS)
    shown = ~state.columns.hidden(views.slots)
    if shown.any():
        state.cells.add_views(views.contents[shown], views.regions[shown], codes[shown])


def _weigh(state: State, views: Views) -> None:
    contents = state.contents
    known = contents.known[views.contents]
    if not known.all():
        _park(state, views, np.flatnonzero(~known))
        views = views.where(known)
    changed = contents.changed[views.contents]
    if changed.any():
        state.columns.flag(views.slots[changed], UserFlag.FACTS_CHANGED)
    absent = views.duration_ms == 0
    duration_ms = np.where(absent, contents.duration_ms[views.contents], views.duration_ms)
    weight = view_weights(views.watch_ms, duration_ms)
    undo = np.zeros(len(weight), np.bool_)
    events = weigh.Weighed(views.slots, views.contents, views.at_ms, weight, undo)
    weigh.fold(state.columns, contents, events if weight.all() else events.where(weight != 0))
