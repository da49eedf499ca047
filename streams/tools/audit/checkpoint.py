"""An oracle checkpoint: all that the recount knows at a drained moment, so that the log before it is not needed."""

import gzip
from pathlib import Path
from typing import Any

import msgspec

from streams.core.published import Commit
from streams.core.rows import Counts
from streams.testing.oracle.counts import Tallied, join, split
from streams.testing.oracle.facts import Facts
from streams.testing.oracle.trends import Scopes, Videos, entity_tables
from streams.testing.oracle.users import User
from streams.tools.audit.log import NotProvableError

VERSION = 1
Plain = tuple[Counts, dict[int, Counts], dict[int, Counts]]
"""A `Tallied` whose numbers fit any format."""


class Checkpoint(msgspec.Struct):
    """Lists are by partition. Only an audit that found nothing wrong makes one: what it says is what the tables say."""

    partitions: int
    commits: list[Commit]
    """The last commit of each, its `tables` those of all commits."""
    next_commits: list[int]
    """Next offset in `commits`."""
    told_ms: list[int]
    """Watermark that the stage of trends was told."""
    users: list[dict[str, User]]
    facts: Facts
    videos: dict[str, dict[str, Plain]]
    watermark_ms: int
    events: int
    holes: bool
    """Whether the facts log had been compacted."""
    version: int = VERSION

    def position(self, topic: str, partition: int) -> int:
        """Next offset of a source or tally topic."""
        return self.commits[partition].positions.get(topic, 0)

    def recounted(self) -> Videos:
        """A copy of the recount of `videos-table`."""
        rows = {
            video: {region: _tallied(row) for region, row in regions.items()} for video, regions in self.videos.items()
        }
        return Videos(rows)

    def entities(self) -> list[dict[str, Scopes]]:
        """Rows of `trends` by partition and entity name."""
        videos, facts = self.recounted(), self.facts.rows
        return [dict(entity_tables(videos, facts, number, self.partitions)) for number in range(self.partitions)]

    def save(self, path: Path) -> None:
        """Write it; an older file of this name is replaced as a whole or not at all. OSError."""
        draft = path.with_name(path.name + ".draft")
        draft.write_bytes(gzip.compress(msgspec.msgpack.encode(self), 3))
        draft.replace(path)


def load(path: Path, partitions: int) -> Checkpoint:
    """Read one. NotProvableError if it does not fit; OSError."""
    try:
        found = msgspec.msgpack.decode(gzip.decompress(path.read_bytes()), type=Checkpoint)
    except (msgspec.DecodeError, EOFError, gzip.BadGzipFile) as error:
        raise NotProvableError(f"{path.name} is no checkpoint of this version ({error}): save a new one") from None
    if found.version != VERSION or found.partitions != partitions:
        mine = f"version {VERSION} and {partitions} partitions"
        raise NotProvableError(f"{path.name} has version {found.version} and {found.partitions} partitions, not {mine}")
    return found


def plain(videos: Videos) -> dict[str, dict[str, Plain]]:
    """The recount of `videos-table` in a form that can be written."""
    return {video: {region: _plain(row) for region, row in regions.items()} for video, regions in videos.rows.items()}


def _plain(row: Tallied) -> Plain:
    def panes(found: dict[int, int]) -> dict[int, Counts]:
        return {pane: split(number) for pane, number in found.items()}

    return split(row.totals), panes(row.minutes), panes(row.hours)


def _tallied(row: Any) -> Tallied:
    def panes(found: dict[int, Counts]) -> dict[int, int]:
        return {pane: join(counts) for pane, counts in found.items()}

    return Tallied(join(row[0]), panes(row[1]), panes(row[2]))
