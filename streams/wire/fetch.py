"""aiokafka's fetcher, made to hand out `Records`: whole batches are decoded at once, not record by record."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import aiokafka.codec as codecs
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedForMessageFormatError
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.wire.compiled import compiled
from streams.wire.records import EMPTY, Records

HEADER = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and greatest time, producer's
id, epoch and sequence, records."""
START = struct.Struct(">qi")
"""Base offset and the length of what follows it: the same in all formats."""
MAGIC_AT, CHECKED_FROM = 16, 21
CODEC, APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20
DECODERS: dict[int, tuple[Callable[[], bool], Callable[[bytes], bytes]]] = {
    0: (lambda: True, bytes),
    1: (codecs.has_gzip, codecs.gzip_decode),
    2: (codecs.has_snappy, codecs.snappy_decode),
    3: (codecs.has_lz4, codecs.lz4_decode),
    4: (codecs.has_zstd, codecs.zstd_decode),
}
"""By codec: whether its library is there, and what undoes it."""


class Batch:
    """One record batch of format v2, with the names by which aiokafka knows its parts."""

    def __init__(self, raw: bytes, start: int, end: int) -> None:
        """Of raw[start:end]. CorruptRecordException if that is too short."""
        self._raw, self._start, self._end = raw, start, end
        if end - start < HEADER.size:
            raise CorruptRecordException(f"A record batch of {end - start} bytes")
        head = HEADER.unpack_from(raw, start)
        self.base_offset, self._crc, self._attributes = head[0], head[4], head[5]
        self.next_offset = head[0] + head[6] + 1
        self._first_ms, self._greatest_ms, self.producer_id, self._count = head[7], head[8], head[9], head[12]
        self.is_transactional = bool(self._attributes & TRANSACTIONAL)
        self.is_control_batch = bool(self._attributes & CONTROL)

    def validate_crc(self) -> bool:
        """Whether its checksum is right."""
        kernel = compiled("wire_in")
        found = kernel and kernel.crc32c(self._raw, self._start + CHECKED_FROM, self._end)
        if found is None:
            found = calc_crc32c(self._raw[self._start + CHECKED_FROM : self._end])
        return bool(found == self._crc)

    def records(self) -> Records:
        """All of them. CorruptRecordException, UnsupportedCodecError."""
        kernel = compiled("wire_in")
        codec = self._attributes & CODEC
        if kernel is None or codec not in DECODERS or not DECODERS[codec][0]():
            return Records.of(list(self.as_aiokafka()))
        data, start, end = self._raw, self._start + HEADER.size, self._end
        if codec:
            data = DECODERS[codec][1](data[start:end])
            start, end = 0, len(data)
        append_ms = self._greatest_ms if self._attributes & APPEND_TIME else None
        try:
            found = kernel.decode(data, start, end, self._count, self.base_offset, self._first_ms, append_ms)
        except ValueError as error:
            raise CorruptRecordException(f"Batch at offset {self.base_offset}: {error}") from error
        return Records(*found)

    def as_aiokafka(self) -> Any:
        """The same as aiokafka's own batch."""
        return MemoryRecords(self._raw[self._start : self._end]).next_batch()


class Fetched:
    """What one answer holds of one partition (stands for aiokafka's MemoryRecords)."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._start = raw, 0
        self._end = self._ends()

    def size_in_bytes(self) -> int:
        """Bytes of the answer, those of an incomplete last batch too."""
        return len(self._raw)

    def has_next(self) -> bool:
        """Whether another batch is there as a whole: the broker cuts off the last one where its limit lies."""
        return self._end is not None

    def next_batch(self) -> Batch:
        """UnsupportedForMessageFormatError if the log is older than Kafka 0.11."""
        assert self._end is not None
        start, self._start = self._start, self._end
        if self._start - start > MAGIC_AT and self._raw[start + MAGIC_AT] < 2:
            raise UnsupportedForMessageFormatError("The log has message format v0 or v1: copy it into a new topic")
        batch = Batch(self._raw, start, self._start)
        self._end = self._ends()
        return batch

    def _ends(self) -> int | None:
        if len(self._raw) - self._start < START.size:
            return None
        end: int = self._start + START.size + START.unpack_from(self._raw, self._start)[1]
        return end if self._start < end <= len(self._raw) else None


class Partition(fetcher.PartitionRecords):  # type: ignore[misc]  # without types
    """The batches of one partition, without control batches and aborted transactions, handed out in parts."""

    next_fetch_offset: int
    _rest: Records = EMPTY
    _after = 0
    """Where the log goes on after the batch that `_rest` is of."""

    def take(self, most: int | None) -> tuple[Records, bool]:
        """Up to `most` records, and whether there may be more. If it raises, nothing is taken."""
        parts: list[Records] = []
        count, more, rest, after, position = 0, True, self._rest, self._after, self.next_fetch_offset
        while most is None or count < most:
            if not rest:
                following = next(self._records_iterator, None)
                if following is None:
                    more = False
                    break
                rest, after = following
                if rest and rest.offsets[0] < position:
                    rest = rest.since(position)
                if not rest:
                    position = after
                    continue
            part = rest if most is None or len(rest) <= most - count else rest[: most - count]
            parts.append(part)
            count += len(part)
            rest = rest[len(part) :] if part is not rest else EMPTY
            position = int(part.offsets[-1]) + 1 if rest else after
        self._rest, self._after, self.next_fetch_offset = rest, after, position
        return Records.joined(parts), more

    def __next__(self) -> Any:
        """For callers that take one at a time."""
        records, _ = self.take(1)
        if not records:
            raise StopIteration
        return records[0]

    def _unpack_records(self) -> Iterator[tuple[Records, int]]:
        """The records of each batch and where it ends; of those that do not count (aiokafka's rules) no records."""
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            counts = not batch.is_control_batch
            if self._isolation_level == fetcher.READ_COMMITTED:
                self._consume_aborted_up_to(batch.base_offset)
                if batch.is_control_batch and self._contains_abort_marker(batch.as_aiokafka()):
                    self._aborted_producers.discard(batch.producer_id)
                counts &= not (batch.is_transactional and batch.producer_id in self._aborted_producers)
            yield batch.records() if counts else EMPTY, batch.next_offset


class Result(fetcher.FetchResult):  # type: ignore[misc]  # without types
    """Hands out the records of one partition."""

    _partition_records: Partition | None

    def getall(self, max_records: int | None = None) -> Records:
        """Up to `max_records`; the consumer's position passes them."""
        if not self.check_assignment(self._topic_partition) or self._partition_records is None:
            return EMPTY
        records, more = self._partition_records.take(max_records)
        self._update_position()
        if not more:
            self._partition_records = None
        return records


def hand_out_columns() -> None:
    """For all consumers of this process: `getmany` gives `Records` (of keys and values as they are, in bytes)."""
    fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult = Fetched, Partition, Result
