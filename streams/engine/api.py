"""What an application hands to the engine, and what it gets. Structural: the domain does not import the engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

IDENTITY = b"\x00identity"
"""Key of the first record of a table's partition: which log it is, and what its rows mean."""


class RowReader(Protocol):
    """Rows of one partition that are not in a fold's memory."""

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]: ...
    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]: ...


class Output(Protocol):
    """What one flush of one stage writes; see `streams.core.ports.Output`."""

    @property
    def rows(self) -> Mapping[str, tuple[Sequence[bytes], Sequence[bytes | None]]]: ...
    @property
    def sends(self) -> Sequence[Any]: ...
    @property
    def rejected(self) -> Sequence[Any]: ...
    @property
    def folded(self) -> Mapping[str, Mapping[int, int]]: ...


class Fold(Protocol):
    """State of one stage for one partition number."""

    @property
    def watermark_ms(self) -> int: ...
    def fold(self, topic: str, records: Sequence[Any]) -> None: ...
    def collect(self, flush: int) -> Output: ...
    def has_work(self) -> bool: ...
    def resident(self) -> int: ...
    def pinned(self) -> int:
        """Of the resident rows, those that are kept whatever `evict` is asked for."""
        ...

    def evict(self, rows: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """A declared stage: its source topics, its tables and how to make its state.

    `barriers`: topics whose records never share a commit with records folded before them, so that within one commit
    they come first. `first`: topics that are read to the end seen at assignment before any other topic.
    """

    name: str
    topics: tuple[str, ...]
    tables: tuple[str, ...]
    make: Callable[[int, RowReader, int], Fold]
    """Partition number, its rows, and the stage's watermark at the last commit -> state."""
    barriers: frozenset[str] = frozenset()
    first: frozenset[str] = frozenset()
    internal: frozenset[str] = frozenset()
    """Topics that units write for one another: no record of them may be set aside."""
    outputs: frozenset[str] = frozenset()
    """Further topics that it writes to, each at its own partition number only."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine runs. Times in seconds unless the name says otherwise; none of them changes a result."""

    bootstrap: str
    app_id: str
    partitions: int
    state_dir: Path
    topic_prefix: str = ""
    meaning: Mapping[str, int] = field(default_factory=dict)
    commits_topic: str = "commits"
    dead_letters_topic: str = "dead-letters"
    flush_s: float = 0.2
    flush_under_load_s: float = 1.0
    max_pending: int = 200_000
    row_budget: int = 2_000_000
    unswept_rows: int = 400_000
    sweep_s: float = 15.0
    flush_timeout_s: float = 30.0
    transaction_timeout_ms: int = 15_000
    stuck_s: float = 90.0
    standbys: int = 0
    instance: str | None = None
    """Name of this worker's seat in the consumer group, kept over a restart; None: it leaves when it stops."""
    replaces: bool = False
    """Whether the process that has this worker's folder is told to end, once this one is prepared."""
    store_cache_bytes: int = 64 << 20
    bad_window: int = 160
    bad_limit: int = 150
    bad_within_s: float = 3_600.0
    """`bad_limit` bad ones of `bad_window` records that arrived within this time stop the worker."""
    accept_bad: bool = False
    accept_loss: bool = False
    """Go on although records were deleted from a source before they were folded; the log says which."""
    refused: tuple[type[Exception], ...] = ()
    """What a fold raises about a row that it must not touch: stops the worker (78)."""
    compression: str | None = None
    """Of record batches written: `gzip`, `snappy`, `lz4` or `zstd`."""
    client: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Further arguments of every aiokafka client: `security_protocol` and what belongs to it. Never shown."""

    @property
    def group(self) -> str:
        """Consumer group and Faust app id."""
        return self.topic_prefix + self.app_id
