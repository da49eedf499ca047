"""The user stage of one partition: records of one user at a time in, rows and tallies out."""

from collections.abc import Sequence

import numpy as np

from streams.core.arrival import arrive
from streams.core.interests import accounts, image, reactions, views
from streams.core.interests.state import TABLE, State
from streams.core.pairs import TABLE as PAIRS
from streams.core.parked import TABLE as PARKED
from streams.core.ports import Catalogue, Output, Record, Rejected, RowReader

FEEDBACK = "feedback"


class UserStage:
    """Folds views, likes, shares, feedback and accounts of one partition (implements `core.ports.Fold`).

    Rows and tallies are the same bits for any batch boundaries and for any instants of `collect`; only what expires
    and when facts become known depends on them.
    """

    def __init__(
        self, partition: int, partitions: int, rows: RowReader, catalogue: Catalogue, watermark_ms: int = 0
    ) -> None:
        self._catalogue = catalogue
        self._state = State(partition, partitions, rows, catalogue)
        self._state.watermark_ms = watermark_ms
        self._cursor, known = catalogue.known_since(0)
        parked = self._state.parked
        others = sorted(video for video in parked.videos() if catalogue.get(video) is not None)
        self._ready = [*filter(parked.waits_for, known if parked else ()), *others]

    @property
    def watermark_ms(self) -> int:
        """Greatest event time folded from views, likes and shares; 0 if none."""
        return self._state.watermark_ms

    @property
    def counters(self) -> dict[str, int]:
        """Since construction: good records by topic; repeats (of views); late_ and clamped_ by topic; shares that were
        parked, resolved, given_up.
        """
        return self._state.counters

    def fold(self, topic: str, records: Sequence[Record]) -> None:
        """Takes the next records of a topic (bare name), in log order."""
        self._resolve()
        match topic:
            case "views":
                views.fold(self._state, records)
            case "likes":
                reactions.fold(self._state, reactions.LIKES, records)
            case "shares":
                reactions.fold(self._state, reactions.SHARES, records)
            case "accounts":
                accounts.fold(self._state, records)
            case "feedback":
                self._check(records)
            case _:
                raise ValueError(f"the user stage does not read topic {topic!r}")

    def collect(self, flush: int) -> Output:
        """Everything that changed since the last time."""
        self._resolve()
        state = self._state
        state.expire()
        output = Output(sends=state.cells.take(state.contents, state.regions, flush, state.watermark_ms))
        output.rejected, state.rejected = state.rejected, []
        found = {TABLE: self._users(), PAIRS: state.pairs.collect(), PARKED: state.parked.collect()}
        output.rows = {table: rows for table, rows in found.items() if rows[0]}
        state.forget_contents()
        return output

    def has_work(self) -> bool:
        """Whether videos became known for which shares are parked here."""
        self._pull()
        return bool(self._ready)

    def resident(self) -> int:
        return len(self._state.users) + len(self._state.pairs)

    def pinned(self) -> int:
        return 0

    def evict(self, rows: int) -> int:
        """Forgets up to `rows` clean rows of users and pairs, in proportion; -> how many."""
        users, pairs = self._state.users, self._state.pairs
        share = -(-rows * len(users) // max(self.resident(), 1))
        gone = users.evict(share)
        return gone + pairs.evict(rows - gone)

    def _users(self) -> tuple[list[bytes], list[bytes | None]]:
        columns, keys = self._state.columns, self._state.users.keys_by_slot
        slots = np.flatnonzero(columns.dirty)
        values: list[bytes | None] = [*image.encode(columns, slots)]
        columns.dirty[:] = False
        return list(map(keys.__getitem__, slots.tolist())), values

    def _pull(self) -> None:
        self._cursor, videos = self._catalogue.known_since(self._cursor)
        self._ready += [video for video in videos if self._state.parked.waits_for(video)]

    def _resolve(self) -> None:
        """Folds parked shares as soon as their facts are there: a later undo must find them."""
        self._pull()
        if self._ready:
            videos, self._ready = list(dict.fromkeys(self._ready)), []
            self._state.resolve(videos)

    def _check(self, records: Sequence[Record]) -> None:
        """Feedback is checked now and used by later versions."""
        where = self._state.where(FEEDBACK)
        for record in records:
            found = arrive(where, record)
            if isinstance(found, Rejected):
                self._state.rejected.append(found)
            else:
                self._state.counters[FEEDBACK] += 1
