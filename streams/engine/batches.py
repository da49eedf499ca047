"""A whole fetched batch as one Faust event, so that Faust's cost per event is paid once for thousands of records."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import faust
from faust.types import TP


class RecordBatch(NamedTuple):
    """What an agent sees as one event.

    It stands for the log offsets [start, next_offset), control and compacted records included, so the batches of a
    partition chain without a hole. `start` is None when the assignment changed during the fetch.
    Records have key, value, offset, timestamp (ms) and headers.
    """

    tp: TP
    start: int | None
    next_offset: int
    records: Sequence[Any]

    def slices(self, size: int) -> "Iterator[RecordBatch]":
        """Batches of at most `size` records that chain to the same end."""
        start, records = self.start, self.records
        for at in range(0, len(records), size):
            part = records[at : at + size]
            last = at + size >= len(records)
            end = self.next_offset if last else records[at + size].offset
            yield RecordBatch(self.tp, start, end, part)
            start = end if start is not None else None


class Envelope:
    """A batch that looks like one Kafka record to Faust's consumer."""

    __slots__ = ("offset", "partition", "topic", "value")

    timestamp = timestamp_type = key = checksum = None
    headers = ()
    serialized_key_size = serialized_value_size = 0

    def __init__(self, batch: RecordBatch) -> None:
        self.topic, self.partition = batch.tp
        self.offset = batch.records[-1].offset
        self.value = batch


class BatchSchema(faust.Schema[Any, Any]):
    """Hands the batch to the agent as it is."""

    def compile(self, app: Any, *, on_key_decode_error: Any = None, **kwargs: Any) -> Any:
        del on_key_decode_error, kwargs

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            del propagate
            return app.create_event(None, message.value, {}, message)

        return decode
