"""Wrong rows for the audits to find, in the logs of a pipeline in memory."""

import asyncio
from collections.abc import Callable

import msgspec

from streams.core.rows import CounterRow, FactsRow, PairRow, UserRow
from streams.testing.audit_world import MemorySource
from streams.tools.audit.checkpoint import Checkpoint
from streams.tools.audit.run import Audit
from streams.tools.audit.verdict import Verdict


def audited(source: MemorySource, base: Checkpoint | None = None) -> Audit:
    audit = Audit(source, Verdict(keep=50), lambda _line: None, base)
    asyncio.run(audit.run())
    return audit


def shown(audit: Audit) -> list[str]:
    return [line for wrong in audit.verdict.kept for line in wrong.lines()]


def replaced(source: MemorySource, topic: str, partition: int, at: int, **changes: object) -> None:
    log = source.logs[topic, partition]
    log[at] = log[at]._replace(**changes)  # type: ignore[arg-type]


def alter_row(source: MemorySource, table: str, decode: Callable[[bytes], object], change: Callable[..., None]) -> None:
    """Change the newest row of a table (the last record of its key)."""
    for partition in range(source.partitions):
        log = source.logs.get((table, partition), [])
        for at in range(len(log) - 1, -1, -1):
            value = log[at].value
            if value is None:
                continue
            try:
                row = decode(value)
                change(row)
            except (ValueError, IndexError, msgspec.MsgspecError):
                continue
            replaced(source, table, partition, at, value=row.encode())  # type: ignore[attr-defined]
            return
    raise AssertionError(f"no row of {table}")


def counters_only(value: bytes) -> CounterRow:
    row = CounterRow.decode(value)
    if not row.hours or row.encode() != value:
        raise ValueError("not a row of counts")
    return row


def facts_only(value: bytes) -> FactsRow:
    row = FactsRow.decode(value)
    if row.encode() != value:
        raise ValueError("not a row of facts")
    return row


def add_view(row: CounterRow) -> None:
    row.totals = (row.totals[0] + 1, *row.totals[1:])


def shift_pane(row: CounterRow) -> None:
    pane = max(row.hours)
    row.hours[pane - 1] = row.hours.pop(pane)


def set_views(row: UserRow) -> None:
    row.views += 1


def set_weight(row: UserRow) -> None:
    topic, fast, slow = row.positive[0]
    row.positive[0] = topic, fast, slow * 1.001 + 0.001


def set_seen(row: UserRow) -> None:
    row.seen[0] ^= 1


def set_flags(row: PairRow) -> None:
    row.entries[0].flags ^= 2


def set_live(row: FactsRow) -> None:
    row.live = not row.live


ALTERED = [
    ("interests", UserRow.decode, set_views),
    ("interests", UserRow.decode, set_weight),
    ("interests", UserRow.decode, set_seen),
    ("pairs", PairRow.decode, set_flags),
    ("videos-table", facts_only, set_live),
    ("videos-table", counters_only, add_view),
    ("trends", counters_only, add_view),
    ("trends", counters_only, shift_pane),
]
