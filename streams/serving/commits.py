"""The last commits of each unit: which commit covers a table position, and what a flush number stands for."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from streams.core.published import Commit

TABLES = ("interests", "videos-table", "trends")
"""Tables that are served; a commit says how far each of them was written."""
KEPT_COMMITS = 10_000


class SentCommit(Commit, kw_only=True):
    """A commit that may say more. `sent`: tally topic -> partition -> last flush that sent something there.

    It has to outlive restarts of the unit. With it an answer knows that the flushes since the one it holds had nothing
    for it; without, the answer seems older than it is, never newer.
    """

    sent: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)

    def sent_to(self, topic: str, partition: int) -> int:
        """The last flush, up to this one, that may have sent something."""
        if topic not in self.sent:
            return self.flush
        return self.sent[topic].get(str(partition), 0)


class Kept(NamedTuple):
    """A commit and the time at which the broker appended its record."""

    commit: SentCommit
    time_ms: int


_decoder = msgspec.json.Decoder(SentCommit)


@lru_cache(maxsize=4096)
def decode_commit(value: bytes) -> SentCommit:
    """The commit in the value of a `commits` record. msgspec.MsgspecError if it is none."""
    return _decoder.decode(value)


class CommitLog:
    """Commits of one partition, oldest first. Kept as bytes: a decoded commit is ten times larger.

    Flush numbers and table offsets of a partition only grow. A commit with a smaller one comes from a rebuilt
    table, so all older ones are forgotten.
    """

    def __init__(self, kept: int = KEPT_COMMITS) -> None:
        self._kept = kept
        self._values: list[bytes] = []
        self._times: list[int] = []
        self._flushes: list[int] = []
        self._ends: dict[str, list[int]] = {table: [] for table in TABLES}

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: bytes, time_ms: int) -> None:
        """Append one record of `commits`. msgspec.MsgspecError if the value is no commit."""
        commit = decode_commit(value)
        if self._values and self._goes_back(commit):
            self._forget(len(self._values))
        for table, ends in self._ends.items():
            ends.append(commit.tables.get(table, ends[-1] if ends else 0))
        self._values.append(value)
        self._times.append(time_ms)
        self._flushes.append(commit.flush)
        if len(self._values) >= 2 * self._kept:
            self._forget(len(self._values) - self._kept)

    def covered(self, table: str, position: int) -> Kept | None:
        """The newest commit whose rows of `table` all lie before `position`; None if none is kept."""
        return self._get(bisect_right(self._ends[table], position) - 1)

    def within(self, flush: int, topic: str, partition: int) -> Kept | None:
        """The newest commit of which a reader of these tallies has everything, after it folded `flush`."""
        index = bisect_right(
            self._values, flush, lo=max(bisect_right(self._flushes, flush) - 1, 0),
            key=lambda value: decode_commit(value).sent_to(topic, partition),
        )  # fmt: skip
        return self._get(index - 1)

    def since(self, flush: int) -> Iterator[SentCommit]:
        """The kept commits after this flush, oldest first."""
        for value in self._values[bisect_right(self._flushes, flush) :]:
            yield decode_commit(value)

    def _get(self, index: int) -> Kept | None:
        return Kept(decode_commit(self._values[index]), self._times[index]) if index >= 0 else None

    def _goes_back(self, commit: Commit) -> bool:
        tables = commit.tables
        return commit.flush < self._flushes[-1] or any(tables.get(t, e[-1]) < e[-1] for t, e in self._ends.items())

    def _forget(self, count: int) -> None:
        del self._values[:count]
        for column in (self._times, self._flushes, *self._ends.values()):
            del column[:count]
