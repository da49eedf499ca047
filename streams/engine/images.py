"""Images of rows between a commit and the sweep that writes them into the local copy."""

from collections.abc import Iterator, Sequence

from streams.engine.store import LocalCopy

Rows = dict[bytes, bytes | None]


class Images:
    """Reads see the newest image: of the flush under way, else committed and not swept, else in the copy.

    A row that is evicted from memory therefore needs no write: its last image is here or in the copy.
    """

    def __init__(self, copy: LocalCopy) -> None:
        self.copy = copy
        self.flushing: dict[str, Rows] = {table: {} for table in copy.tables}
        self.unswept: dict[str, Rows] = {table: {} for table in copy.tables}
        self.sweeping: dict[str, Rows] = {table: {} for table in copy.tables}
        self.ends: dict[str, int] = {}
        """Next changelog offset by table, as of the last commit."""

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Newest images of `keys`, None where there is no row."""
        layers = [rows for rows in (self.flushing[table], self.unswept[table], self.sweeping[table]) if rows]
        if not layers:
            return self.copy.get_many(table, keys)
        found: list[bytes | None] = [None] * len(keys)
        missing = []
        for i, key in enumerate(keys):
            for rows in layers:
                if key in rows:
                    found[i] = rows[key]
                    break
            else:
                missing.append(i)
        if missing:
            values = self.copy.get_many(table, [keys[i] for i in missing])
            for i, value in zip(missing, values, strict=True):
                found[i] = value
        return found

    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """All rows of a table, identity records left out."""
        newest: Rows = {**self.sweeping[table], **self.unswept[table], **self.flushing[table]}
        for key, value in newest.items():
            if value is not None and key[:1] != b"\x00":
                yield key, value
        for key, value in self.copy.scan(table):
            if key not in newest and key[:1] != b"\x00":
                yield key, value

    def collected(self, table: str, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Rows of the flush that begins."""
        self.flushing[table].update(zip(keys, values, strict=True))

    def committed(self, ends: dict[str, int]) -> None:
        """The flush is durable; `ends` = next changelog offset of each table written."""
        for table, rows in self.flushing.items():
            if rows:
                self.unswept[table] = _newer(self.unswept[table], rows)
                self.flushing[table] = {}
        self.ends.update(ends)

    def waiting(self) -> int:
        """Committed rows whose images are held here, those being swept among them."""
        return sum(len(rows) for generation in (self.unswept, self.sweeping) for rows in generation.values())

    def begin_sweep(self) -> dict[str, int]:
        """Take what is committed and not swept; -> the positions the copy may claim when all of it is written."""
        for table, rows in self.unswept.items():
            if rows:
                self.sweeping[table] = _newer(self.sweeping[table], rows)
                self.unswept[table] = {}
        return dict(self.ends)

    def end_sweep(self) -> None:
        """What was being swept is in the copy."""
        self.sweeping = {table: {} for table in self.sweeping}


def _newer(old: Rows, new: Rows) -> Rows:
    if not old:
        return new
    old.update(new)
    return old
