"""The weighted topics of many users: one list of limited length each, columns by slot."""

from array import array
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Hashes = NDArray[np.uint32]
FEW_ROWS = 12
"""With fewer rows left, rounds of columns cost more than a loop over the shares."""
_Scalar = TypeVar("_Scalar", bound=np.generic)


class Shares(NamedTuple):
    """What to add, sorted by row, a row's shares in log order. `undo` adds only where the topic is listed."""

    rows: Ints
    topics: Hashes
    amounts: Sequence[Floats]
    undo: Mask | None

    def where(self, chosen: Mask) -> "Shares":
        undo = None if self.undo is None else self.undo[chosen]
        return Shares(self.rows[chosen], self.topics[chosen], [a[chosen] for a in self.amounts], undo)


class TopicLists:
    """Lists of at most `most` topics with `kinds` float32 weights each; the last weight ranks them.

    When one more would not fit, the smallest by (weight, hash) leave until `kept` remain. Results are those of adding
    share after share: float32 sums in log order.
    """

    def __init__(self, most: int, kept: int, kinds: int) -> None:
        self.most, self.kept = most, kept
        self.topic: Hashes = np.zeros((0, most), np.uint32)
        self.size: Ints = np.zeros(0, np.int64)
        self.weights: list[Floats] = [np.zeros((0, most), np.float32) for _ in range(kinds)]
        self._column = np.arange(most)

    def grow(self, rows: int) -> None:
        self.topic = longer(self.topic, rows)
        self.size = longer(self.size, rows)
        self.weights = [longer(w, rows) for w in self.weights]

    def keep(self, rows: Ints, capacity: int) -> None:
        """Only these rows, in this order."""
        self.topic = longer(self.topic[rows], capacity)
        self.size = longer(self.size[rows], capacity)
        self.weights = [longer(w[rows], capacity) for w in self.weights]

    def clear(self, rows: Ints) -> None:
        self.topic[rows], self.size[rows] = 0, 0
        for weight in self.weights:
            weight[rows] = 0

    def add(self, shares: Shares) -> Ints:
        """Adds all shares; -> rows that had to drop topics."""
        dropped = []
        while len(shares.rows):
            cell, full = self._cells(shares)
            now = cell >= 0
            waiting = None
            if len(full):
                waiting = self._wait(shares.rows, cell, full)
                now &= ~waiting
            at = (shares.rows * self.most + cell)[now]
            for weight, amount in zip(self.weights, shares.amounts, strict=True):
                np.add.at(weight.reshape(-1), at, amount[now])
            if waiting is None:
                break
            self._prune(full)
            dropped.append(full)
            shares = shares.where(waiting)
            if len(full) <= FEW_ROWS:
                self._add_by_row(shares)
                break
        return np.unique(np.concatenate(dropped)) if dropped else np.zeros(0, np.int64)

    def _cells(self, shares: Shares) -> tuple[Ints, Ints]:
        """Column of each share's topic, -1: adds nothing, >= most: must wait; and the rows that are full."""
        rows, topics = shares.rows, shares.topics
        equal = self.topic.take(rows, 0) == topics[:, None]
        if not topics.all():
            # What is behind the end of a list is 0 and would equal a topic of hash 0.
            equal &= self._column < self.size[rows][:, None]
        row, column = np.divmod(np.flatnonzero(equal), self.most)
        cell = np.full(len(rows), -1)
        cell[row] = column
        new = np.flatnonzero(cell < 0)
        if not len(new):
            return cell, new
        key = rows[new] << 32 | topics[new]
        order = np.argsort(key, kind="stable")
        new, key = new[order], key[order]
        if shares.undo is not None and shares.undo[new].any():
            entering = _after_an_add(key, ~shares.undo[new])
            new, key = new[entering], key[entering]
        return self._enter(shares, cell, new, key)

    def _enter(self, shares: Shares, cell: Ints, new: Ints, key: Ints) -> tuple[Ints, Ints]:
        """Gives new topics the next columns, by first appearance in each row. `new` is sorted by (key, position)."""
        head = starts(key)
        lead = new[head]
        enters = np.zeros(len(cell), np.bool_)
        enters[lead] = True
        entered = np.flatnonzero(enters)
        row = shares.rows[entered]
        begin = starts(row)
        column = self.size[row] + np.arange(len(row)) - np.flatnonzero(begin)[np.cumsum(begin) - 1]
        fits = column < self.most
        self.topic[row[fits], column[fits]] = shares.topics[entered[fits]]
        # Columns of a row ascend, and of several values for one place the last one stays.
        self.size[row[fits]] = column[fits] + 1
        cell[entered] = column
        cell[new] = cell[lead][np.cumsum(head) - 1]
        full = row[~fits]
        return cell, full[starts(full)]

    def _add_by_row(self, shares: Shares) -> None:
        """`add`, share after share: for few rows with many shares."""
        first = np.flatnonzero(starts(shares.rows)).tolist()
        for a, b in zip(first, [*first[1:], len(shares.rows)], strict=True):
            row = int(shares.rows[a])
            listed = OneList(self, row)
            amounts = zip(*(amount[a:b].tolist() for amount in shares.amounts), strict=True)
            undo = [False] * (b - a) if shares.undo is None else shares.undo[a:b].tolist()
            for topic, amount, taken_back in zip(shares.topics[a:b].tolist(), amounts, undo, strict=True):
                listed.add(topic, amount, undo=taken_back)
            listed.store(self, row)

    def _wait(self, rows: Ints, cell: Ints, full: Ints) -> Mask:
        """Shares of full rows from the first one on that does not fit."""
        over = np.flatnonzero(cell >= self.most)
        first = over[starts(rows[over])]
        which = np.minimum(np.searchsorted(full, rows), len(full) - 1)
        waiting: Mask = (full[which] == rows) & (np.arange(len(rows)) >= first[which])
        return waiting

    def _prune(self, rows: Ints) -> None:
        rank, topic = self.weights[-1][rows], self.topic[rows]
        key = _sortable(rank).astype(np.uint64) << np.uint64(32) | topic
        gone = self.most - self.kept
        keep = key > np.partition(key, gone - 1, axis=1)[:, [gone - 1]]
        index = np.nonzero(keep)[1].reshape(len(rows), self.kept)
        for column in (self.topic, *self.weights):
            kept = np.take_along_axis(column[rows], index, 1)
            column[rows] = 0
            column[rows, : self.kept] = kept
        self.size[rows] = self.kept


class OneList:
    """One row of `TopicLists`, taken out to be added to share by share."""

    def __init__(self, lists: TopicLists, row: int) -> None:
        self.most, self.kept = lists.most, lists.kept
        size = int(lists.size[row])
        self.topics: list[int] = lists.topic[row, :size].tolist()
        self.weights = [array("f", weight[row, :size].tolist()) for weight in lists.weights]
        self._place = {topic: i for i, topic in enumerate(self.topics)}

    def add(self, topic: int, amounts: tuple[float, ...], *, undo: bool) -> None:
        """An `array` of floats rounds each sum to float32, as numpy does."""
        place = self._place.get(topic)
        if place is None:
            if undo:
                return
            if len(self.topics) == self.most:
                self._prune()
            place = self._place[topic] = len(self.topics)
            self.topics.append(topic)
            for weight in self.weights:
                weight.append(0.0)
        for weight, amount in zip(self.weights, amounts, strict=True):
            weight[place] += amount

    def store(self, lists: TopicLists, row: int) -> None:
        size = len(self.topics)
        lists.size[row] = size
        for column, values in zip((lists.topic, *lists.weights), (self.topics, *self.weights), strict=True):
            column[row, :size], column[row, size:] = values, 0

    def _prune(self) -> None:
        ranked = list(zip(self.weights[-1], self.topics, strict=True))
        greatest_gone = sorted(ranked)[self.most - self.kept - 1]
        stay = [i for i, rank in enumerate(ranked) if rank > greatest_gone]
        self.topics = [self.topics[i] for i in stay]
        self.weights = [array("f", [weight[i] for i in stay]) for weight in self.weights]
        self._place = {topic: i for i, topic in enumerate(self.topics)}


def longer(column: NDArray[_Scalar], rows: int) -> NDArray[_Scalar]:
    """A copy with `rows` rows; the new ones are zero."""
    grown = np.zeros((rows, *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    return grown


def starts(sorted_column: Ints) -> Mask:
    """Where a new value begins."""
    begin = np.ones(len(sorted_column), np.bool_)
    begin[1:] = sorted_column[1:] != sorted_column[:-1]
    return begin


def _after_an_add(key: Ints, adds: Mask) -> Mask:
    """Of each key (sorted, in log order) what comes at or after its first add."""
    head = starts(key)
    total = np.cumsum(adds)
    before: Ints = (total - adds)[head]
    after: Mask = total > before[np.cumsum(head) - 1]
    return after


def _sortable(weights: Floats) -> Hashes:
    """Unsigned numbers in the order of the floats; both zeros are equal."""
    bits = (weights + np.float32(0)).view(np.uint32)
    return np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))
