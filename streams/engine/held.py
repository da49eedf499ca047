"""Batches that a unit has been given and not folded yet: to fold a batch costs 0.1 ms or more, however small it is."""

from collections.abc import Iterator

from faust.types import TP

from streams.engine.batches import RecordBatch
from streams.wire.records import Records


class Held:
    """Batches by topic and partition, in order; those that chain become one. Truthy while there are any."""

    def __init__(self) -> None:
        self._batches: dict[TP, list[RecordBatch]] = {}
        self._internal: set[TP] = set()
        self.records = 0

    def __bool__(self) -> bool:
        return bool(self._batches)

    @property
    def from_outside(self) -> bool:
        """Whether records are among them that no unit wrote."""
        return not self._batches.keys() <= self._internal

    def add(self, batch: RecordBatch, *, first: bool = False, internal: bool = False) -> None:
        """`first`: to be taken before those of other topics; `internal`: written by units for one another."""
        if first and batch.tp not in self._batches:
            self._batches = {batch.tp: [], **self._batches}
        self._batches.setdefault(batch.tp, []).append(batch)
        self.records += len(batch.records)
        if internal:
            self._internal.add(batch.tp)

    def take(self) -> Iterator[RecordBatch]:
        """What is held, by partition and as few batches as can be; each is held until it is asked for.

        Each partition once: where there is always more, this would not end.
        """
        for tp in list(self._batches):
            found = self._batches.pop(tp, [])
            self.records -= sum(len(batch.records) for batch in found)
            for run in _runs(found):
                yield joined(run)

    def clear(self) -> None:
        """They are read again."""
        self._batches.clear()
        self.records = 0


def joined(run: list[RecordBatch]) -> RecordBatch:
    """One batch instead of several that chain. O(records)."""
    if len(run) == 1:
        return run[0]
    records = [batch.records if isinstance(batch.records, Records) else Records.of(batch.records) for batch in run]
    return RecordBatch(run[0].tp, run[0].start, run[-1].next_offset, Records.joined(records))


def _runs(batches: list[RecordBatch]) -> list[list[RecordBatch]]:
    runs: list[list[RecordBatch]] = []
    for batch in batches:
        if runs and batch.start is not None and batch.start == runs[-1][-1].next_offset:
            runs[-1].append(batch)
        else:
            runs.append([batch])
    return runs
