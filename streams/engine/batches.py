"""All that a poll brought for an agent as one Faust event: Faust's cost per event is paid once for many records."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import faust
from faust.types import TP


class RecordBatch(NamedTuple):
    """Records of one partition, as fetched.

    They stand for the log offsets [start, next_offset), control and compacted records included, so the batches of a
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
    """Batches of one poll, looking to Faust's consumer like one Kafka record: the last of the first of them."""

    __slots__ = ("offset", "partition", "topic", "value")

    timestamp = timestamp_type = key = checksum = None
    headers = ()
    serialized_key_size = serialized_value_size = 0

    def __init__(self, batches: Sequence[RecordBatch]) -> None:
        first = batches[0]
        self.topic, self.partition = first.tp
        self.offset = first.records[-1].offset
        self.value = batches


class BatchSchema(faust.Schema[Any, Any]):
    """Hands the batches to the agent as they are."""

    def compile(self, app: Any, *, on_key_decode_error: Any = None, **kwargs: Any) -> Any:
        del on_key_decode_error, kwargs

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            del propagate
            return app.create_event(None, message.value, {}, message)

        return decode
