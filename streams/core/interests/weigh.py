"""Folds weighed events into the topics of the users: the same bits as one event after another."""

from typing import NamedTuple

import numpy as np

from streams.core.compiled import compiled
from streams.core.decay import Doubles, grown_many
from streams.core.interests.columns import UserColumns
from streams.core.interests.contents import Contents
from streams.core.interests.topics import Floats, Ints, Mask, Shares, starts
from streams.core.params import FAST_HALF_LIFE_MS, SLOW_HALF_LIFE_MS
from streams.core.rows import UserFlag

_SLOW_IN_FAST, _REST = divmod(SLOW_HALF_LIFE_MS, FAST_HALF_LIFE_MS)
if _REST:
    raise ValueError("the slow half-life must be a multiple of the fast one: a slow epoch then starts with a fast one")
_BIAS = 1 << 31
"""Makes epochs, also the empty one, positive."""


class Weighed(NamedTuple):
    """Events with known videos and a weight that is not 0, as columns; a user's events in log order."""

    slots: Ints
    contents: Ints
    at_ms: Ints
    weight: Doubles
    undo: Mask
    """Takes a like or share back: subtracts from positive topics that are still listed."""

    def where(self, chosen: Mask | Ints) -> "Weighed":
        return Weighed(
            self.slots[chosen], self.contents[chosen], self.at_ms[chosen], self.weight[chosen], self.undo[chosen]
        )


def weighed(rows: list[tuple[int, int, int, float, bool]]) -> Weighed:
    """Columns of (slot, content, time, weight, undo) rows."""
    slots, contents, at_ms, weight, undo = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Weighed(
        np.array(slots, np.int64),
        np.array(contents, np.int64),
        np.array(at_ms, np.int64),
        np.array(weight, np.float64),
        np.array(undo, np.bool_),
    )


def fold(columns: UserColumns, contents: Contents, events: Weighed) -> None:
    """Adds the events. A user's epochs grow event by event, since scaling twice can round twice."""
    if not len(events.slots):
        return
    kernel = compiled("interests")
    if kernel is not None:
        kernel.fold(columns, contents, *events)
        return
    order = np.argsort(events.slots, kind="stable")
    events = events.where(order)
    epoch, step = _running_epochs(columns, events)
    if not step.any():
        _advance(columns, events.slots, epoch)
        _add(columns, contents, events)
        return
    for i in range(int(step.max()) + 1):
        part = events.where(step == i)
        _advance(columns, part.slots, epoch[step == i])
        _add(columns, contents, part)


def _running_epochs(columns: UserColumns, events: Weighed) -> tuple[Ints, Ints]:
    """Fast epoch of the user's row after each event, and how often it grew since his first event here."""
    head = starts(events.slots)
    group = np.cumsum(head) - 1
    epoch = np.maximum(events.at_ms // FAST_HALF_LIFE_MS, columns.fast_epoch[events.slots])
    running = np.maximum.accumulate(group << 33 | (epoch + _BIAS)) - (group << 33) - _BIAS
    grew = np.zeros(len(running), np.int64)
    grew[1:] = running[1:] != running[:-1]
    total = np.cumsum(grew)
    return running, total - total[head][group]


def _advance(columns: UserColumns, slots: Ints, epoch: Ints) -> None:
    head = starts(slots)
    users, fast = slots[head], epoch[head]
    growing = fast > columns.fast_epoch[users]
    users, fast = users[growing], fast[growing]
    slow = fast // _SLOW_IN_FAST
    positive, negative = columns.positive, columns.negative
    _scale(positive.weights[0], users, columns.fast_epoch[users] - fast)
    later = slow > columns.slow_epoch[users]
    by = (columns.slow_epoch[users] - slow)[later]
    _scale(positive.weights[1], users[later], by)
    _scale(negative.weights[0], users[later], by)
    columns.fast_epoch[users], columns.slow_epoch[users] = fast, slow


def _scale(weights: Floats, users: Ints, exponent: Ints) -> None:
    if len(users):
        weights[users] = np.ldexp(weights[users], exponent.astype(np.int32)[:, None])


def _add(columns: UserColumns, contents: Contents, events: Weighed) -> None:
    fast = grown_many(events.weight, events.at_ms, columns.fast_epoch[events.slots], FAST_HALF_LIFE_MS)
    slow = grown_many(events.weight, events.at_ms, columns.slow_epoch[events.slots], SLOW_HALF_LIFE_MS)
    at, topics = contents.expand(events.contents)
    liked = (events.weight > 0) | events.undo
    full = []
    if liked.all():
        undo = events.undo[at] if events.undo.any() else None
        full.append(columns.positive.add(Shares(events.slots[at], topics, (fast[at], slow[at]), undo)))
    else:
        chosen = liked[at]
        up, up_topics = at[chosen], topics[chosen]
        undo = events.undo[up] if events.undo.any() else None
        full.append(columns.positive.add(Shares(events.slots[up], up_topics, (fast[up], slow[up]), undo)))
        down, down_topics = at[~chosen], topics[~chosen]
        full.append(columns.negative.add(Shares(events.slots[down], down_topics, (-slow[down],), None)))
    for users in full:
        columns.flag(users, UserFlag.EVICTED_TOPIC)
