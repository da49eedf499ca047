"""Rows that a unit keeps beside those of its stages: what must survive with them, and what they mean."""

import msgspec

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
