"""The local copy of one partition number: its committed rows in RocksDB, and how far the changelogs they stand for.

A copy is never the truth. Its position in a changelog is written together with the last of the rows committed up to it
or after them, so a copy that was cut off half-way holds newer rows than it claims at most, and reading on mends it.
What was damaged otherwise is found (by checksums, by a chain of all writes) and rebuilt from the changelogs.
"""

import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import msgspec
import rocksdict
import structlog

from streams.engine.exits import ExitCode, leave
from streams.engine.table_file import table_file

log = structlog.get_logger("streams.engine")

FORMAT = 2
META = b"\xff\xffmeta"
LINK = b"\xff\xfe"
MOST_LINKS = 1_000
OLDEST_S = 5 * 86_400.0
"""A copy not written for longer is rebuilt: the changelogs forget deletions after 7 days (`delete.retention.ms`)."""
FULL = ("no space left", "file too large", "disk quota exceeded")
MAKE_ROOM = "make room on the disk of STREAMS_STATE_DIR, or raise the limit of file sizes: nothing is lost"
SCANNED_FIRST, SCANNED_AT_ONCE = 32, 4_096
"""Rows: the first few are often all that is asked for."""
CACHE: dict[int, rocksdict.Cache] = {}


class Meta(msgspec.Struct):
    """What a copy stands for. `positions`: next changelog offset by table. A copy of another log is rebuilt."""

    format: int
    cluster: str
    partitions: int
    tables: list[str]
    positions: dict[str, int]
    written_s: float = 0.0
    base: int = 0
    serial: int = 0
    """Number of the last write. Each write leaves a link with its number; those up to `base` were checked and removed.

    RocksDB notices a damaged block, but takes a manifest cut short for an older one: tables newer than that are
    missing then, while the log of writes behind them is there. Only the missing links tell.
    """


def prefixed(index: int, key: bytes) -> bytes:
    """Key in the copy of a row of the table with this index."""
    return bytes([index]) + key


def stop_if_full(path: Path, error: Exception) -> None:
    """A full disk is no damage: the copy is good once there is room, and the back-off of the restarts waits for it."""
    if any(sign in str(error).lower() for sign in FULL):
        free_mb = shutil.disk_usage(path.parent).free >> 20
        leave(ExitCode.RESTART, "disk-full", path=str(path), free_mb=free_mb, error=str(error), do=MAKE_ROOM)


def _link(serial: int) -> bytes:
    return LINK + serial.to_bytes(8, "big")


def _is_link(key: bytes) -> bool:
    return key.startswith(LINK)


class LocalCopy:
    """One RocksDB for all tables of a partition number; the first byte of a key is the table's index."""

    def __init__(self, path: Path, tables: Sequence[str], cluster: str, partitions: int, cache_bytes: int) -> None:
        self.path = path
        self.tables = list(tables)
        self.fresh = Meta(FORMAT, cluster, partitions, self.tables, {})
        self.cache_bytes = cache_bytes
        self._sweep_file = path.with_suffix(".sweep")
        self._db = self._open()
        self.meta = self._read_meta()

    def _options(self) -> rocksdict.Options:
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)  # noqa: FBT003  # rocksdict's own signature
        options.set_write_buffer_size(16 << 20)
        options.set_compression_type(rocksdict.DBCompressionType.none())
        options.set_max_background_jobs(1)
        table = rocksdict.BlockBasedOptions()
        cache = CACHE.setdefault(self.cache_bytes, rocksdict.Cache(self.cache_bytes))
        table.set_block_cache(cache)
        table.set_bloom_filter(10, False)  # noqa: FBT003  # rocksdict's own signature
        options.set_block_based_table_factory(table)
        return options

    def _open(self) -> rocksdict.Rdict:
        options = self._options()
        self._sweep_file.unlink(missing_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return rocksdict.Rdict(str(self.path), options=options)
        except rocksdict.DbClosedError:
            raise
        except Exception as error:  # rocksdict raises bare Exception: a damaged copy is rebuilt
            if "/LOCK" in str(error):  # another process has it open; "block" is in many other messages
                raise
            stop_if_full(self.path, error)
            shutil.rmtree(self.path, ignore_errors=True)
            return rocksdict.Rdict(str(self.path), options=options)

    @contextmanager
    def _trusted(self) -> Iterator[None]:
        """Use of the copy. One that turns out damaged is deleted: left in place, it would end every restart alike."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # rocksdict raises bare Exception
            stop_if_full(self.path, error)
            if "corruption" in str(error).lower():
                shutil.rmtree(self.path, ignore_errors=True)
            leave(ExitCode.RESTART, "copy-failed", path=self.path.name, error=str(error))

    def _read_meta(self) -> Meta:
        with self._trusted():
            raw = self._db.get(META)
        try:
            meta = msgspec.json.decode(raw, type=Meta) if raw is not None else None
        except msgspec.DecodeError:
            meta = None
        fresh = self.fresh
        fits = meta is not None and (meta.format, meta.cluster, meta.partitions, meta.tables) == (
            fresh.format,
            fresh.cluster,
            fresh.partitions,
            fresh.tables,
        )
        if meta is not None and fits and not self._is_old(meta) and self._check_links(meta):
            return meta
        if raw is not None or not self._is_empty():
            self.wipe()
        return msgspec.structs.replace(fresh, positions={})

    def _is_old(self, meta: Meta) -> bool:
        old = time.time() - meta.written_s > OLDEST_S
        if old:
            log.warning("copy-too-old", path=self.path.name)
        return old

    def _check_links(self, meta: Meta) -> bool:
        """Whether every write that `meta` speaks of is there."""
        with self._trusted():
            keys: Any = self._db.keys(from_key=LINK)
            found = [int.from_bytes(key[2:], "big") for key in takewhile(_is_link, keys)]
        if not set(found).issuperset(range(meta.base + 1, meta.serial + 1)):
            log.warning("copy-has-holes", path=self.path.name)
            return False
        meta.serial = max([meta.serial, *found])
        if len(found) > MOST_LINKS:
            meta.base = meta.serial
            batch = rocksdict.WriteBatch(raw_mode=True)
            for serial in found:
                batch.delete(_link(serial))
            batch.put(META, msgspec.json.encode(meta))
            with self._trusted():
                self._db.write(batch)
        return True

    def _is_empty(self) -> bool:
        with self._trusted():
            return next(iter(self._db.keys()), None) is None

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        first = bytes([self.tables.index(table)])
        with self._trusted():
            return list(self._db.get([first + key for key in keys]))  # type: ignore[arg-type]

    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """Rows of a table in order of their keys, read in bulk: each bulk as of when it is read."""
        index = self.tables.index(table)
        start, at_once = bytes([index]), SCANNED_FIRST
        while True:
            with self._trusted():
                rows: Any = list(islice(self._db.items(from_key=start), at_once))
                if len(rows) < at_once:
                    self._check_end(rows[-1][0] if rows else start)
            for key, value in rows:
                if key[0] != index:
                    return
                yield key[1:], value
            if len(rows) < at_once:
                return
            start, at_once = rows[-1][0] + b"\x00", SCANNED_AT_ONCE

    def _check_end(self, last: bytes) -> None:
        """A damaged block ends an iterator as the last row does: the status tells, or that there is a row behind it."""
        rows = self._db.iter()
        rows.seek(last)
        if rows.valid() and rows.key() == last:
            rows.next()
        if rows.valid():
            raise OSError(f"corruption: a scan ended at {last!r}, which is not the last row")
        rows.status()

    def write(self, table: str, rows: Iterable[tuple[bytes, bytes | None]], position: int | None = None) -> None:
        """Write rows, and with them (atomically) the position they complete, if given."""
        index = self.tables.index(table)
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(prefixed(index, key))
            else:
                batch.put(prefixed(index, key), value)
        self.meta.serial += 1
        batch.put(_link(self.meta.serial), b"")
        if position is not None:
            self.meta.positions[table] = position
            self.meta.written_s = time.time()
            batch.put(META, msgspec.json.encode(self.meta))
        with self._trusted():
            self._db.write(batch)

    def take(self, tables: Mapping[str, Mapping[bytes, bytes | None]], positions: Mapping[str, int]) -> Iterator[None]:
        """Write rows of all tables and the positions they complete, all of it or nothing; stops at every 2,000 rows.

        They become one file of RocksDB's own, which costs a fraction of what its log and memory table would. Rows may
        not change meanwhile, and nothing else may be written. O(rows log rows).
        """
        with self._trusted():
            file = table_file(self._sweep_file, self._options())
        for index, table in enumerate(self.tables):
            written = file.add(bytes([index]), tables.get(table, {}))
            while self._goes_on(written):
                yield
        self.meta.serial += 1
        self.meta.positions.update(positions)
        self.meta.written_s = time.time()
        options = rocksdict.IngestExternalFileOptions()
        options.set_move_files(True)
        ends = {_link(self.meta.serial): b"", META: msgspec.json.encode(self.meta)}
        with self._trusted():
            deque(file.add(b"", ends), maxlen=0)
            file.finish()
            self._db.ingest_external_file([str(self._sweep_file)], options)

    def _goes_on(self, written: Iterator[None]) -> bool:
        with self._trusted():
            return next(written, self) is None

    def position(self, table: str) -> int | None:
        return self.meta.positions.get(table)

    def age_s(self) -> float:
        """Seconds since a position was written."""
        return time.time() - self.meta.written_s

    def wipe(self) -> None:
        """Forget everything: the changelog is read from its start."""
        with suppress(Exception):  # a damaged copy cannot be closed in order, and need not be
            self._db.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._db = self._open()
        self.meta = msgspec.structs.replace(self.fresh, positions={})

    def close(self) -> None:
        with self._trusted():
            self._db.close()
