"""What the folds of the user stage share: one partition's users, videos, pairs, parked shares and open counts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress

import numpy as np

from streams.core import checks
from streams.core.arrival import Where
from streams.core.interests import image, weigh
from streams.core.interests.cells import Cells
from streams.core.interests.columns import UserColumns, UserSlots
from streams.core.interests.contents import Regions, contents_of
from streams.core.interests.topics import Ints
from streams.core.keys import partitions_of, split_key
from streams.core.pairs import Pairs
from streams.core.parked import Parked
from streams.core.ports import Catalogue, Rejected, RowReader, is_empty
from streams.core.rows import Action, ParkedRow, ParkedShare, UserFlag
from streams.core.weights import view_weight

TABLE = "interests"


class State:
    """State of one user stage; folds in `views`, `reactions` and `accounts` change it."""

    def __init__(self, partition: int, partitions: int, rows: RowReader, catalogue: Catalogue) -> None:
        self.partition, self.partitions = partition, partitions
        self.catalogue = catalogue
        self._rows = rows
        self.columns = UserColumns()
        self.users = UserSlots(self.columns, self._are_users)
        self.contents = contents_of(catalogue, partitions)
        self.regions = Regions()
        self.pairs = Pairs(rows)
        self.parked = Parked(rows)
        self.cells = Cells(partition, partitions)
        self.rejected: list[Rejected] = []
        self.counters: Counter[str] = Counter()
        self.watermark_ms = 0
        self.arrival_ms = 0
        self._tick = 0
        self._empty = is_empty(rows, TABLE)
        """Whether there were no rows of users at first."""
        self._entered = 0
        """Users who came into memory, also those who left it."""

    def where(self, topic: str) -> Where:
        return Where(topic, self.partition, self.partitions)

    def slots_of(self, keys: Iterable[bytes]) -> Ints:
        """Slots of users, their rows loaded; -1 for what cannot be a user of this partition."""
        slots = self.users.slots(list(keys))
        if self.users.missing:
            self._load()
        self.use(slots[slots >= 0])
        return slots

    def use(self, slots: Ints) -> None:
        """Marks slots as used just now."""
        self._tick += 1
        self.columns.used[slots] = self._tick

    def saw(self, event_ms: int, arrival_ms: int) -> None:
        self.watermark_ms = max(self.watermark_ms, event_ms)
        self.arrival_ms = max(self.arrival_ms, arrival_ms)

    def park(self, slot: int, content: int, share: ParkedShare, arrival_ms: int) -> None:
        """Keeps a share until the video's facts come, or gives it up and marks the row."""
        key = self.users.keys_by_slot[slot] + b"\x00" + self.contents.names[content].encode()
        if self.parked.park(key, share, arrival_ms):
            self.counters["parked"] += 1
        else:
            self._give_up(slot, 1)

    def resolve(self, videos: Sequence[str]) -> None:
        """Folds the parked shares of these videos, as far as they are known."""
        slots = [self.contents[video] for video in videos]
        self.contents.refresh()
        known = [v for v, slot in zip(videos, slots, strict=True) if self.contents.known[slot]]
        taken = self.parked.take(known)
        self.counters["resolved"] += sum(len(row.shares) for _, row in taken)
        users = self.slots_of(split_key(key)[0].encode() for key, _ in taken).tolist()
        rows: list[tuple[int, int, int, float, bool]] = []
        for user, (key, row) in zip(users, taken, strict=True):
            content = self.contents[split_key(key)[1]]
            self.mark_changed(user, content)
            rows += self._shares(user, content, row)
        self.columns.touch(np.array(users, np.int64))
        weigh.fold(self.columns, self.contents, weigh.weighed(rows))

    def expire(self) -> None:
        """Gives up parked shares that have waited too long."""
        expired = self.parked.expire(self.arrival_ms)
        users = self.slots_of(split_key(key)[0].encode() for key, _ in expired).tolist()
        for user, (_, row) in zip(users, expired, strict=True):
            self._give_up(user, len(row.shares))

    def mark_changed(self, slot: int, content: int) -> None:
        """Marks the row if the video's topics were seen to change."""
        if self.contents.changed[content]:
            self.columns.flags[slot] |= np.uint8(UserFlag.FACTS_CHANGED)

    def forget_contents(self) -> None:
        """Empties the tables of videos and regions if they grew large. Only between flushes: slots change."""
        if self.contents.full() or self.regions.full():
            self.contents = contents_of(self.catalogue, self.partitions)
            self.regions = Regions()

    def _give_up(self, slot: int, shares: int) -> None:
        self.counters["given_up"] += shares
        self.columns.flags[slot] |= np.uint8(UserFlag.GAVE_UP_SHARE)
        self.columns.dirty[slot] = True

    def _shares(self, slot: int, content: int, row: ParkedRow) -> list[tuple[int, int, int, float, bool]]:
        duration = int(self.contents.duration_ms[content])
        shares = []
        for share in row.shares:
            weight = float(share.sign)
            if share.action == Action.VIEW:
                weight = view_weight(share.watch_ms, share.duration_ms or duration)
            if weight != 0:
                shares.append((slot, content, share.at_ms, weight, share.sign < 0))
        return shares

    def _load(self) -> None:
        slots, self.users.missing = self.users.missing, []
        whole = self._empty and self._entered == len(self.users) - len(slots)
        self._entered += len(slots)
        if whole:
            return
        keys = [self.users.keys_by_slot[slot] for slot in slots]
        found = [(s, row) for s, row in zip(slots, self._rows.get_many(TABLE, keys), strict=True) if row is not None]
        if found:
            image.decode(self.columns, np.array([s for s, _ in found], np.int64), [row for _, row in found])

    def _are_users(self, keys: Sequence[bytes]) -> list[bool]:
        """Whether these keys are names that belong to this partition."""
        good = [True] * len(keys) if checks.are_name_keys(keys) else list(map(checks.is_name_key, keys))
        names = list(compress(keys, good))
        here = iter((partitions_of(names, self.partitions) == self.partition).tolist())
        return [is_name and next(here) for is_name in good]
