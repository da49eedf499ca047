"""Looks at a sample: each row as of the last commits. Only what is wrong in two looks in a row is a drift."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from streams.ops.metrics import METRICS
from streams.tools.audit import compare_counts, compare_users
from streams.tools.audit.sample import Part, Sampled
from streams.tools.audit.verdict import Difference, Verdict, Wrong

SETTLE_S = 3.0
"""Between two looks: what was on its way at the first (facts, commits, a segment being compacted) has arrived then."""
KEEP = 10_000


class Look(NamedTuple):
    """One audit of the sample. `drift`: wrong rows, seen twice."""

    rows_checked: int
    drift: list[Wrong]
    excused: Counter[str]
    watermark_ms: int
    seconds: float

    def result(self) -> dict[str, object]:
        """The figures as JSON."""
        return {
            "rows_checked": self.rows_checked, "drift_rows": len(self.drift),
            "drift_by_table": dict(Counter(wrong.table for wrong in self.drift)), "rows_excused": dict(self.excused),
            "watermark_ms": self.watermark_ms, "seconds": round(self.seconds, 1),
        }  # fmt: skip


async def look(sampled: Sampled, settle_s: float = SETTLE_S) -> Look:
    """Take in what is new and judge all rows of the sample; what is wrong is looked at again. NotProvableError."""
    began_s = time.monotonic()
    first = await _judged(sampled)
    drift: list[Wrong] = []
    if first.wrong_rows:
        await asyncio.sleep(settle_s)
        second = await _judged(sampled)
        lasting = {(wrong.table, wrong.key) for wrong in first.kept}
        drift = [wrong for wrong in second.kept if (wrong.table, wrong.key) in lasting or _is_of_a_log(wrong)]
        drift += [wrong for wrong in first.kept if _is_of_a_log(wrong)]
    return Look(first.rows_checked, drift, first.excused, sampled.watermark_ms, time.monotonic() - began_s)


def _is_of_a_log(wrong: Wrong) -> bool:
    """Records of a log are read once and do not change: no second look needed."""
    return wrong.table == "commits" or wrong.table.endswith("-tallies")


async def _judged(sampled: Sampled) -> Verdict:
    verdict = Verdict(KEEP)
    await sampled.advance(verdict)
    for part in sampled.parts:
        _judge(verdict, part, sampled.watermark_ms)
    return verdict


def _judge(verdict: Verdict, part: Part, watermark_ms: int) -> None:
    images = {table: dict(rows) for table, rows in part.images.items()}
    gave_up = compare_users.who_gave_up(images["interests"])
    compare_users.compare_interests(verdict, part.users, images["interests"], holes=True)
    compare_users.compare_pairs(verdict, part.users, images["pairs"])
    compare_users.compare_parked(verdict, part.users, gave_up, images["parked"])
    for rows in (*part.videos.values(), *part.entities.values()):
        for row in rows.values():
            row.cut(watermark_ms)
    compare_counts.compare_videos(verdict, part.videos, part.facts, images["videos-table"], watermark_ms)
    for name, scopes in part.entities.items():
        compare_counts.compare_trends(verdict, name, scopes, images["trends"], watermark_ms)
    compare_counts.compare_left_over(verdict, images["trends"], watermark_ms)
    for table, offsets in part.beyond.items():
        for key, offset in offsets.items():
            nobodys = Difference("offset", f"below {part.end(table)}, where the last commit ends", offset)
            verdict.row(table, key + b"@%d" % offset, [nobodys])


async def for_ever(sampled: Sampled, every_s: float, tell: Callable[[Look], None]) -> None:
    """Look again and again, and export what was found. NotProvableError ends it."""
    while True:
        began_s = time.monotonic()
        found = await look(sampled)
        METRICS.audit_runs.inc()
        METRICS.audit_rows_checked.inc(found.rows_checked)
        METRICS.audit_drift_rows.set(len(found.drift))
        tell(found)
        await asyncio.sleep(max(0.0, began_s + every_s - time.monotonic()))
