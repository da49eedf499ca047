"""Records that a handler cannot fold: found by folding less and less at once, then set aside (docs/decisions/0010)."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from faust.types import TP

from streams.engine.batches import RecordBatch
from streams.engine.exits import ExitCode, leave

if TYPE_CHECKING:
    from streams.engine.engine import Engine
    from streams.engine.unit import Unit

log = structlog.get_logger("streams.engine")

HANDLER_FAILED = "handler-failed"
TRIES = 3
"""Times that one record must fail alone before it is set aside: lack of memory or the like may pass."""
AT_MOST = 5
"""Records of one partition number set aside within `bad_within_s` of arrival. One more is a bug to be mended first."""
MEND = "mend the handler, then start again: nothing is lost"
MEND_OR_ACCEPT = f"{MEND}; or start with --accept-bad to set all of them aside"


class HandlerFailedError(Exception):
    """A fold raised (the cause). What its stage holds in memory since the last commit must not be committed."""


class SetAside(NamedTuple):
    """A record that goes to the dead letters although nothing is known to be wrong with it."""

    topic: str
    record: Any
    reason: str
    detail: str


@dataclass(slots=True)
class Suspect:
    """Records of one partition, among which is one that cannot be folded."""

    until: int
    """Offset behind the last of them."""
    size: int
    """Records to fold at once, and to commit before more are folded."""
    offset: int = -1
    """The record that failed alone, and how often."""
    tries: int = 0
    detail: str = ""

    def failed(self, offset: int, count: int, detail: str) -> None:
        """`count` records from this offset on could not be folded together."""
        self.size = max(1, count // 2)
        self.detail = detail
        if count == 1:
            self.tries = self.tries + 1 if offset == self.offset else 1
            self.offset = offset

    def is_certain(self, part: RecordBatch) -> bool:
        """Whether this part is the one record, and was tried often enough."""
        return len(part.records) == 1 and part.records[0].offset == self.offset and self.tries >= TRIES


class Bisection:
    """Folds what failed again, from the last commit: half as much at a time until one record is left.

    Every part is a commit of its own, so that whatever happens in between, what was folded well stays folded once.
    O(log n) commits for one bad record among n.
    """

    def __init__(self, engine: "Engine") -> None:
        self.engine = engine
        self.suspects: dict[TP, Suspect] = {}

    async def failed(self, unit: "Unit", batch: RecordBatch, error: HandlerFailedError) -> None:
        """Forget all that was folded since the last commit, and read it again."""
        cause = error.__cause__
        offsets = [record.offset for record in batch.records if record.offset >= unit.positions[batch.tp]]
        detail, where = f"{type(cause).__name__}: {cause}"[:500], _where(cause)
        suspect = self.suspects.setdefault(batch.tp, Suspect(batch.next_offset, 1))
        suspect.until = max(suspect.until, batch.next_offset)
        suspect.failed(offsets[0], len(offsets), detail)
        log.error(
            "handler-failed", topic=unit.bare(batch.tp.topic), partition=unit.number, offset=offsets[0],
            records=len(offsets), tries=suspect.tries, error=type(cause).__name__, at=where,
        )  # fmt: skip
        before = dict(unit.positions)
        await self.engine.flush(unit)
        for tp, position in list(unit.positions.items()):
            if not self._owns(unit):
                return  # the rebalance that came seeks to where the units stand
            if tp != batch.tp and position != before.get(tp):
                await self.engine.app.consumer.seek_back(tp, position)

    async def fold(self, unit: "Unit", batch: RecordBatch) -> None:
        """Fold a batch in parts as small as its suspect asks for, until the suspect is behind."""
        suspect, rest = self.suspects[batch.tp], batch
        while rest.records:
            part, after = cut(rest, suspect.size)
            await self.engine.flush(unit)
            if not self._owns(unit):
                return
            if await self._fold(unit, part, suspect):
                rest = after
            elif not self._owns(unit) or rest.start is None or unit.positions[batch.tp] < rest.start:
                return  # it is read again
            if unit.positions[batch.tp] >= suspect.until:
                self.suspects.pop(batch.tp, None)
                await self.engine._process(rest)
                return

    async def _fold(self, unit: "Unit", part: RecordBatch, suspect: Suspect) -> bool:
        aside = suspect.detail if suspect.is_certain(part) else ""
        if aside:
            self._permit(unit, part)
        folded = await self.engine.fold(unit, part, aside=aside)
        if folded:
            await self.engine.flush(unit)
            suspect.size *= 2
        return folded

    def _owns(self, unit: "Unit") -> bool:
        return self.engine.accepting and self.engine.units.get(unit.number) is unit

    def _permit(self, unit: "Unit", part: RecordBatch) -> None:
        """Stop where going on without this record would be wrong."""
        topic, record = unit.bare(part.tp.topic), part.records[0]
        where = {"topic": topic, "partition": unit.number, "offset": record.offset}
        if unit.is_internal(part.tp):
            leave(ExitCode.STOP, "tally-refused", **where, do=MEND)
        recent = unit.state.failed[-AT_MOST:]
        within_ms = self.engine.options.bad_within_s * 1000
        if len(recent) == AT_MOST and record.timestamp - recent[0] <= within_ms and not self.engine.options.accept_bad:
            leave(ExitCode.STOP, "handler-fails-often", **where, set_aside=len(recent), do=MEND_OR_ACCEPT)


def _where(error: BaseException | None) -> list[str]:
    """Where it was raised, innermost last. The log shows no message: it may hold a user's name."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)[-4:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def cut(batch: RecordBatch, size: int) -> tuple[RecordBatch, RecordBatch]:
    """The first `size` records and the rest; the two chain."""
    part = next(iter(batch.slices(size)))
    start = None if batch.start is None else part.next_offset
    return part, RecordBatch(batch.tp, start, batch.next_offset, batch.records[size:])
