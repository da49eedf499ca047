"""What the audit found: rows checked, wrong and excused."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streams.tools.audit.log import Entry


class Source(Protocol):
    """The topics as the audit reads them, by their bare names."""

    @property
    def partitions(self) -> int: ...

    async def start(self, topic: str, partition: int) -> int:
        """The first offset the log still holds."""
        ...

    async def read(self, topic: str, partition: int, start: int = 0) -> list[Entry]:
        """All committed records from an offset on, in order."""
        ...

    async def visit(
        self, topic: str, partition: int, start: int, take: Callable[[Entry], None], until: int | None = None
    ) -> None:
        """Hand them out one by one instead: for logs of which little is kept. At `until`, if given, it may end."""
        ...


class Difference(NamedTuple):
    """One field that is not as it should be."""

    field: str
    expected: object
    found: object


class Wrong(NamedTuple):
    """One wrong row."""

    table: str
    key: str
    differences: tuple[Difference, ...]

    def lines(self) -> list[str]:
        """One line for each field."""
        return [
            f"{self.table} {self.key}: {field} expected {_short(expected)}, found {_short(found)}"
            for field, expected, found in self.differences
        ]


@dataclass(slots=True)
class Verdict:
    """Collects judgements. `kept` wrong rows are remembered for the report, all are counted."""

    keep: int = 20
    rows_checked: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    """Wrong rows by table."""
    excused: Counter[str] = field(default_factory=Counter)
    kept: list[Wrong] = field(default_factory=list)

    def row(self, table: str, key: str | bytes, differences: Iterable[Difference]) -> None:
        """One row was compared; with any difference it is wrong."""
        self.rows_checked += 1
        if found := tuple(differences):
            self.wrong[table] += 1
            if len(self.kept) < self.keep:
                self.kept.append(Wrong(table, _readable(key), found))

    @property
    def wrong_rows(self) -> int:
        return self.wrong.total()

    def excuse(self, reason: str) -> None:
        """A row differs where the rules allow it to."""
        self.excused[reason] += 1


def differing(pairs: Iterable[tuple[str, object, object]]) -> list[Difference]:
    """Those of (field, expected, found) that are not equal."""
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def _readable(key: str | bytes) -> str:
    text = key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")
    return text.replace("\x00", "|")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 160 else text[:157] + "..."
