"""Rows that a unit keeps beside those of its stages: what must survive with them, and what they mean."""

from collections.abc import Sequence

import msgspec

from streams.engine.api import IDENTITY, RowReader

UNIT_ROW = b"\x00unit"
"""Key of `UnitState`."""


class UnitState(msgspec.Struct):
    """Row of the unit itself, in the first table: what must survive beside the stages' rows."""

    flush: int = 0
    watermarks: dict[str, int] = {}
    folded: dict[str, dict[str, int]] = {}
    sent: dict[str, dict[str, int]] = {}
    positions: dict[str, int] = {}
    """As the group's offsets were in the same transaction."""
    failed: list[int] = []
    """Arrival (ms) of the last records that were set aside because a handler failed."""


class Identity(msgspec.Struct):
    """First record of a table's partition: which log it is, and what its rows mean."""

    id: str
    meaning: dict[str, int]


def meanings(rows: RowReader, tables: Sequence[str]) -> dict[str, dict[str, int]]:
    """By table: what its rows mean; tables without rows are left out."""
    found = {table: rows.get_many(table, [IDENTITY])[0] for table in tables}
    return {table: msgspec.json.decode(raw, type=Identity).meaning for table, raw in found.items() if raw is not None}


def unit_state(rows: RowReader, table: str) -> UnitState:
    """As of the last commit; a new one if there was none."""
    raw = rows.get_many(table, [UNIT_ROW])[0]
    return UnitState() if raw is None else msgspec.json.decode(raw, type=UnitState)
