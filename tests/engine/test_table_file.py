"""Files of rows that the kernel writes: RocksDB reads back what was put in, as it does from its own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import rocksdict
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine.compiled import compiled, switch
from streams.engine.store import LocalCopy
from streams.engine.table_file import OwnFile, RocksFile, table_file

pytestmark = pytest.mark.compiled
TABLES = ["a", "b"]
KEY = st.binary(max_size=3) | st.binary(max_size=40) | st.text("\x00ab\xff", max_size=12).map(str.encode)
VALUE = st.none() | st.binary(max_size=9) | st.integers(0, 9_000).map(lambda size: bytes([size % 256]) * size)
Rows = dict[bytes, bytes | None]
SWEEPS = st.lists(
    st.fixed_dictionaries({table: st.dictionaries(KEY, VALUE, max_size=60) for table in TABLES}), max_size=4
)


@contextmanager
def without_kernels() -> Iterator[None]:
    switch(on=False)
    try:
        yield
    finally:
        switch(on=True)


def opened(path: Path) -> LocalCopy:
    return LocalCopy(path, TABLES, "cluster", 2, 1 << 20)


def swept(copy: LocalCopy, sweeps: list[dict[str, Rows]]) -> None:
    for number, tables in enumerate(sweeps, 1):
        for _ in copy.take(tables, dict.fromkeys(TABLES, number)):
            pass


@settings(max_examples=60, deadline=None)
@given(sweeps=SWEEPS, asked=st.lists(KEY, max_size=9))
def test_rows_read_back_are_those_of_rocksdbs_own_writer(sweeps: list[dict[str, Rows]], asked: list[bytes]) -> None:
    expected: dict[str, Rows] = {table: {} for table in TABLES}
    for tables in sweeps:
        for table, rows in tables.items():
            kept = {key: value for key, value in expected[table].items() if key not in rows}
            expected[table] = kept | {key: value for key, value in rows.items() if value is not None}
    with TemporaryDirectory() as folder:
        with closing(opened(Path(folder) / "kernel")) as copy:
            swept(copy, sweeps)
        with closing(opened(Path(folder) / "plain")) as copy, without_kernels():
            swept(copy, sweeps)
        for name in ("kernel", "plain"):
            with closing(opened(Path(folder) / name)) as copy:
                for table, rows in expected.items():
                    keys = [*rows, *asked]
                    assert copy.get_many(table, keys) == [rows.get(key) for key in keys]
                    assert list(copy.scan(table)) == sorted(rows.items())


def many(of: int, value: bytes) -> Rows:
    return {b"key-%06d" % number: value * (1 + number % 40) for number in range(0, of * 7, 7)}


def test_files_alike_are_not_one_to_the_cache_of_blocks(tmp_path: Path) -> None:
    """Copies share a cache, and two sweeps of as many bytes have their blocks at the same places."""
    with closing(opened(tmp_path / "1")) as one, closing(opened(tmp_path / "2")) as two:
        swept(one, [{"a": many(5_000, b"1")}])
        swept(two, [{"a": many(5_000, b"2")}])
        for copy, value in ((one, b"1"), (two, b"2"), (one, b"1")):
            rows = many(5_000, value)
            assert copy.get_many("a", list(rows)) == list(rows.values())
        swept(one, [{"a": many(5_000, b"3")}])
        assert dict(one.scan("a")) == many(5_000, b"3")


def test_the_filter_keeps_rocksdb_from_reading_blocks_in_vain(tmp_path: Path) -> None:
    useful = {}
    for kind in (OwnFile, RocksFile):
        options, table = rocksdict.Options(raw_mode=True), rocksdict.BlockBasedOptions()
        options.enable_statistics()
        table.set_bloom_filter(10, False)  # rocksdict's own signature
        options.set_block_based_table_factory(table)
        file = written(tmp_path / "file", options, kind)
        database = rocksdict.Rdict(str(tmp_path / kind.__name__), options=options)
        with closing(database):
            database.ingest_external_file([str(file)], rocksdict.IngestExternalFileOptions())
            database.get([b"key-%06d" % number for number in range(7_000) if number % 7])
            lines = str(options.get_statistics()).splitlines()
        useful[kind] = int(next(line.split(":")[1] for line in lines if line.startswith("rocksdb.bloom.filter.useful")))
    assert useful[OwnFile] > 0.97 * 6_000
    assert useful[RocksFile] > 0.97 * 6_000


def written(path: Path, options: rocksdict.Options, kind: type[OwnFile] | type[RocksFile]) -> Path:
    file: Any = RocksFile(path, options) if kind is RocksFile else table_file(path, options)
    assert type(file) is kind
    for _ in file.add(b"", many(1_000, b"x")):
        pass
    file.finish()
    return path


def test_a_bit_turned_is_found(tmp_path: Path) -> None:
    """Of the first block: its checksum was written by the kernel."""
    file = written(tmp_path / "file", rocksdict.Options(raw_mode=True), OwnFile)
    data = bytearray(file.read_bytes())
    data[100] ^= 4
    file.write_bytes(data)
    database = rocksdict.Rdict(str(tmp_path / "database"), options=rocksdict.Options(raw_mode=True))
    with closing(database), pytest.raises(Exception, match="block checksum mismatch"):
        database.ingest_external_file([str(file)], rocksdict.IngestExternalFileOptions())


def test_what_is_no_row_is_refused() -> None:
    order, blocks = compiled("row_order"), compiled("data_blocks")
    assert order
    assert blocks
    with pytest.raises(TypeError, match="values are bytes or None"):
        blocks.DataBlocks().add(order.Ordered({b"key": "text"}, b""), 0, 1)
    with pytest.raises(ValueError, match="no such row"):
        blocks.DataBlocks().add(order.Ordered({}, b""), -1, 1)
