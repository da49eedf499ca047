"""Rows of older versions, brought up to this one when they are read. Newer ones are refused where they are decoded."""

from collections.abc import Callable, Iterator, Sequence

from streams.core.ports import RowReader

Step = Callable[[bytes, bytes], bytes]
"""Key and value of a row -> its value in the next version."""

UPGRADES: dict[tuple[str, int], Step] = {}
"""(table, version) -> the step to the next version. A row keeps its bytes until it changes: then it is written anew.

Empty as long as there has been one version. Whoever raises `core.rows.ROW_VERSION` adds a step for every table.
"""


def upgraded(table: str, key: bytes, value: bytes) -> bytes:
    """The row in the newest version that steps lead to; as it is if none is known. O(bytes) a step."""
    while value and (step := UPGRADES.get((table, value[0]))):
        value = step(key, value)
    return value


class Upgrading:
    """A `RowReader` whose rows are brought up on the way."""

    def __init__(self, rows: RowReader) -> None:
        self._rows = rows

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `RowReader.get_many`."""
        found = self._rows.get_many(table, keys)
        return [None if value is None else upgraded(table, key, value) for key, value in zip(keys, found, strict=True)]

    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """As `RowReader.scan`."""
        for key, value in self._rows.scan(table):
            yield key, upgraded(table, key, value)


def reading_old(rows: RowReader) -> RowReader:
    """These rows, brought up to this version if there is anything to bring up."""
    return Upgrading(rows) if UPGRADES else rows
