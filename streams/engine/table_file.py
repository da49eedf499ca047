"""A sorted file of rows that RocksDB takes in as it is.

Written by a kernel, a row costs a tenth of what it does through RocksDB's own writer, which takes rows one by one.
Where there is no kernel, or no checksum instruction, that writer is used: the rows read back are the same.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Protocol

import rocksdict

from streams.engine.compiled import compiled

AT_ONCE = 2_000
"""Rows between two stops."""
MAGIC = 0x88E241B785F4CFF7
FORMAT_VERSION = 2
CRC32C = 1
FOOTER_BYTES = 40
"""Of the two places in the footer."""
Rows = Mapping[bytes, bytes | None]


class TableFile(Protocol):
    """Takes rows in the order of their keys; raises OSError, or RocksDB's bare Exception."""

    def add(self, first: bytes, rows: Rows) -> Iterator[None]:
        """Rows, `first` before each key, in any order; stops at every 2,000."""
        ...

    def finish(self) -> None:
        """Make it durable."""
        ...


def table_file(path: Path, options: rocksdict.Options) -> TableFile:
    """A new file, written by the kernel if there is one."""
    order, blocks = compiled("row_order"), compiled("data_blocks")
    if order is None or blocks is None or not blocks.AVAILABLE:
        return RocksFile(path, options)
    return OwnFile(path, order, blocks)


class RocksFile:
    """RocksDB's own writer."""

    def __init__(self, path: Path, options: rocksdict.Options) -> None:
        """Open it."""
        self._file = rocksdict.SstFileWriter(options)
        self._file.open(str(path))

    def add(self, first: bytes, rows: Rows) -> Iterator[None]:
        for part in _in_order(first, rows):
            for key, value in part:
                if value is None:
                    del self._file[key]
                else:
                    self._file[key] = value
            yield

    def finish(self) -> None:
        self._file.finish()


class OwnFile:
    """Data blocks by the kernel, and what RocksDB wants behind them. Of this layout RocksDB reads any version of it."""

    def __init__(self, path: Path, order: ModuleType, kernel: ModuleType) -> None:
        """Open it."""
        self._order, self._kernel = order, kernel
        self._blocks = kernel.DataBlocks()
        self._file = path.open("wb")

    def add(self, first: bytes, rows: Rows) -> Iterator[None]:
        ordered = self._order.Ordered(rows, first)
        for at in range(0, len(ordered), AT_ONCE):
            self._blocks.add(ordered, at, at + AT_ONCE)
            self._file.write(self._blocks.taken())
            yield

    def finish(self) -> None:
        with self._file as file:
            self._blocks.end()
            file.write(self._blocks.taken())
            data_bytes, bits, index = file.tell(), self._blocks.filter_block(), self._blocks.index_block()
            places = {
                b"fullfilter.rocksdb.BuiltinBloomFilter": self._put(bits),
                b"rocksdb.properties": self._put(_block(self._properties(data_bytes, len(bits), len(index)))),
            }
            footer = self._put(_block(places)) + self._put(index)
            file.write(bytes([CRC32C]) + footer.ljust(FOOTER_BYTES, b"\x00"))
            file.write(FORMAT_VERSION.to_bytes(4, "little") + MAGIC.to_bytes(8, "little"))
            file.flush()
            os.fsync(file.fileno())

    def _put(self, block: bytes) -> bytes:
        """Write a block -> its place."""
        place = _varint(self._file.tell()) + _varint(len(block))
        self._file.write(self._kernel.ended(block))
        return place

    def _properties(self, data_bytes: int, filter_bytes: int, index_bytes: int) -> dict[bytes, bytes]:
        """Without identities: two files with the same ones would be one to RocksDB's cache of blocks."""
        blocks = self._blocks
        numbers = {
            b"data.size": data_bytes, b"deleted.keys": blocks.deletions, b"filter.size": filter_bytes,
            b"format.version": FORMAT_VERSION, b"index.size": index_bytes, b"num.data.blocks": blocks.blocks,
            b"num.entries": blocks.rows, b"num.filter_entries": blocks.rows, b"raw.key.size": blocks.key_bytes,
            b"raw.value.size": blocks.value_bytes, b"tail.start.offset": data_bytes,
        }  # fmt: skip
        return {b"rocksdb." + name: _varint(number) for name, number in numbers.items()} | {
            b"rocksdb.block.based.table.index.type": bytes(4),
            b"rocksdb.block.based.table.prefix.filtering": b"0",
            b"rocksdb.block.based.table.whole.key.filtering": b"1",
            b"rocksdb.comparator": b"leveldb.BytewiseComparator",
            b"rocksdb.compression": b"NoCompression",
            b"rocksdb.external_sst_file.global_seqno": bytes(8),
            b"rocksdb.external_sst_file.version": (2).to_bytes(4, "little"),
            b"rocksdb.filter.policy": b"bloomfilter",
        }


def _in_order(first: bytes, rows: Rows) -> Iterator[list[tuple[bytes, bytes | None]]]:
    """Rows by key, `first` before each, 2,000 at once."""
    kernel = compiled("row_order")
    if kernel is None:
        keys = sorted(rows)
        for at in range(0, len(keys), AT_ONCE):
            yield [(first + key, rows[key]) for key in keys[at : at + AT_ONCE]]
        return
    ordered = kernel.Ordered(rows, first)
    for at in range(0, len(ordered), AT_ONCE):
        yield ordered.part(at, at + AT_ONCE)


def _block(entries: Mapping[bytes, bytes]) -> bytes:
    """Keys in order, none of them shortened."""
    block = b"".join(
        b"\x00" + _varint(len(key)) + _varint(len(value)) + key + value for key, value in sorted(entries.items())
    )
    return block + bytes(4) + (1).to_bytes(4, "little")


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
