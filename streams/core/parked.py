"""Interest shares of events whose video is not known yet. All rows of the partition are in memory: they are few."""

from collections.abc import Iterable

from streams.core.keys import split_key
from streams.core.params import PARKED_MS, PARKED_SHARES_PER_VIDEO, PARKED_VIDEOS_PER_USER
from streams.core.ports import RowReader
from streams.core.rows import ParkedRow, ParkedShare

TABLE = "parked"
NEVER_MS = 1 << 62


class Parked(dict[bytes, ParkedRow]):
    """Parked rows by key (user NUL video)."""

    def __init__(self, rows: RowReader) -> None:
        super().__init__()
        self._by_video: dict[str, set[bytes]] = {}
        self._videos_of: dict[str, int] = {}
        self._dirty: set[bytes] = set()
        self._oldest_ms = NEVER_MS
        for key, value in rows.scan(TABLE):
            self._enter(key, ParkedRow.decode(value))

    def park(self, key: bytes, share: ParkedShare, arrival_ms: int) -> bool:
        """False if the user or the row is full: the share is given up."""
        row = self.get(key)
        if row is None:
            if self._videos_of.get(split_key(key)[0], 0) >= PARKED_VIDEOS_PER_USER:
                return False
            row = ParkedRow(arrival_ms, [])
            self._enter(key, row)
        elif len(row.shares) >= PARKED_SHARES_PER_VIDEO:
            return False
        row.shares.append(share)
        self._dirty.add(key)
        return True

    def videos(self) -> list[str]:
        """Videos that are waited for."""
        return list(self._by_video)

    def waits_for(self, video: str) -> bool:
        return video in self._by_video

    def take(self, videos: Iterable[str]) -> list[tuple[bytes, ParkedRow]]:
        """Removes and returns the rows of these videos, in this order; of one video in the order of the keys."""
        keys = [key for video in videos for key in sorted(self._by_video.get(video, ()))]
        return [(key, self._leave(key)) for key in keys]

    def expire(self, arrival_ms: int) -> list[tuple[bytes, ParkedRow]]:
        """Removes and returns the rows that waited for more than 24 h of arrival time."""
        limit = arrival_ms - PARKED_MS
        if self._oldest_ms >= limit:
            return []
        old = sorted(key for key, row in self.items() if row.first_arrival_ms < limit)
        expired = [(key, self._leave(key)) for key in old]
        self._oldest_ms = min((row.first_arrival_ms for row in self.values()), default=NEVER_MS)
        return expired

    def collect(self) -> tuple[list[bytes], list[bytes | None]]:
        """Rows changed since the last time; None deletes."""
        keys = list(self._dirty)
        self._dirty.clear()
        return keys, [self[key].encode() if key in self else None for key in keys]

    def _enter(self, key: bytes, row: ParkedRow) -> None:
        user, video = split_key(key)
        self[key] = row
        self._oldest_ms = min(self._oldest_ms, row.first_arrival_ms)
        self._by_video.setdefault(video, set()).add(key)
        self._videos_of[user] = self._videos_of.get(user, 0) + 1

    def _leave(self, key: bytes) -> ParkedRow:
        user, video = split_key(key)
        self._by_video[video].discard(key)
        if not self._by_video[video]:
            del self._by_video[video]
        self._videos_of[user] -= 1
        if not self._videos_of[user]:
            del self._videos_of[user]
        self._dirty.add(key)
        return self.pop(key)
