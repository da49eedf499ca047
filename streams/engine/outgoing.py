"""Record batches as the producer of a unit sends them: written whole by a kernel, or record by record by aiokafka."""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from aiokafka import codec
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.wire.compiled import compiled

BATCH_BYTES = 1_000_000
HEADER_BYTES = 61
NO_HEADERS: list[tuple[str, bytes]] = []
_LENGTH = struct.Struct(">i")
_CRC = struct.Struct(">I")
_PRODUCER = struct.Struct(">qhi")
_LENGTH_AT, _CRC_AT, _CODEC_AT, _PRODUCER_AT = 8, 17, 22, 43
_ENCODERS = {1: codec.gzip_encode, 2: codec.snappy_encode, 3: codec.lz4_encode, 4: codec.zstd_encode}


class Columns(NamedTuple):
    """Records of one partition, in columns. A value None is a tombstone; `headers`: of every record, or of none."""

    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Any]


class WholeBatch:
    """Stands for aiokafka's BatchBuilder: a batch that lacks only compression, the producer's state and its CRC."""

    def __init__(self, batch: bytearray, count: int, codec: int) -> None:
        """`batch` as the kernel wrote it, `count` records; `codec`: compression, in the numbers of the format."""
        self._batch = batch
        self._count = count
        self._codec = codec
        self._built = False

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        _PRODUCER.pack_into(self._batch, _PRODUCER_AT, producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytearray:
        if not self._built:
            self._built = True
            if self._codec:
                self._compress()
            kernel: Any = compiled("wire_out")
            _CRC.pack_into(self._batch, _CRC_AT, kernel.crc32c(self._batch))
        return self._batch

    def _compress(self) -> None:
        packed = _ENCODERS[self._codec](bytes(self._batch[HEADER_BYTES:]))
        if len(packed) < len(self._batch):  # as aiokafka decides
            self._batch[HEADER_BYTES:] = packed
            self._batch[_CODEC_AT] |= self._codec
            _LENGTH.pack_into(self._batch, _LENGTH_AT, len(self._batch) - _LENGTH_AT - _LENGTH.size)

    def close(self) -> None:
        """Nothing can be appended anyway."""

    def closed(self) -> bool:
        return True

    def record_count(self) -> int:
        return self._count

    def size(self) -> int:
        return len(self._batch)


def batches(producer: Any, records: Columns, timestamp_ms: int) -> Iterator[Any]:
    """Builders to be sent by this AIOKafkaProducer, each full but the last. ValueError: a record fits into no batch.

    The bytes are the same with and without the kernel. O(bytes).
    """
    accumulator = producer._message_accumulator
    limit, kernel = accumulator._batch_size, compiled("wire_out")
    if kernel is None or records.headers:
        yield from _appended(producer, records, timestamp_ms, limit)
        return
    first, count = 0, len(records.keys)
    transactional = accumulator._txn_manager is not None and accumulator._txn_manager.transactional_id is not None
    while first < count:
        batch, end = kernel.write(records.keys, records.values, first, limit, timestamp_ms, transactional)
        yield WholeBatch(batch, end - first, accumulator._compression_type)
        first = end


def _appended(producer: Any, records: Columns, timestamp_ms: int, limit: int) -> Iterator[BatchBuilder]:
    builder = producer.create_batch()
    for key, value, headers in _rows(records):
        if builder.append(key=key, value=value, timestamp=timestamp_ms, headers=headers) is None:
            yield builder
            builder = producer.create_batch()
            builder.append(key=key, value=value, timestamp=timestamp_ms, headers=headers)
        if builder.size() > limit:
            raise ValueError(f"a record of {builder.size() - HEADER_BYTES} bytes does not fit a batch of {limit}")
    if builder.record_count():
        builder.close()
        yield builder


def _rows(records: Columns) -> Iterable[tuple[bytes | None, bytes | None, Any]]:
    headers: Iterable[Any] = records.headers or [NO_HEADERS] * len(records.keys)
    return zip(records.keys, records.values, headers, strict=True)
