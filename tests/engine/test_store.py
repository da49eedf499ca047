"""The local copy and the images above it: reads are the newest, positions never promise more than is written."""

import time
from pathlib import Path

import pytest

from streams.engine import store
from streams.engine.images import Images
from streams.engine.store import OLDEST_S, LocalCopy

CACHE = 8 << 20


def copy_at(path: Path, cluster: str = "one", partitions: int = 8, tables: tuple[str, ...] = ("a", "b")) -> LocalCopy:
    return LocalCopy(path / "unit-0.db", tables, cluster, partitions, CACHE)


def test_rows_and_position_survive_a_restart(tmp_path: Path) -> None:
    copy = copy_at(tmp_path)
    copy.write("a", [(b"k", b"1"), (b"gone", b"1")])
    copy.write("a", [(b"gone", None)], 7)
    copy.close()
    copy = copy_at(tmp_path)
    assert copy.position("a") == 7
    assert copy.position("b") is None
    assert copy.get_many("a", [b"k", b"gone"]) == [b"1", None]
    assert list(copy.scan("a")) == [(b"k", b"1")]
    assert list(copy.scan("b")) == []
    copy.close()


def test_a_sweep_writes_all_tables_and_positions_at_once(tmp_path: Path) -> None:
    copy = copy_at(tmp_path)
    copy.write("a", [(b"old", b"1"), (b"gone", b"1")], 3)
    for _ in copy.take({"b": {b"l": b"2", b"k": b"1"}, "a": {b"gone": None, b"new": b"1"}}, {"a": 9, "b": 4}):
        assert (copy.position("a"), copy.get_many("a", [b"gone"])) == (3, [b"1"])
    copy.write("a", [(b"new", b"2")], 10)
    for _ in range(2):
        assert (copy.position("a"), copy.position("b")) == (10, 4)
        assert list(copy.scan("a")) == [(b"new", b"2"), (b"old", b"1")]
        assert list(copy.scan("b")) == [(b"k", b"1"), (b"l", b"2")]
        assert copy.get_many("a", [b"gone", b"new"]) == [None, b"2"]
        copy.close()
        copy = copy_at(tmp_path)
    copy.close()


def test_a_scan_goes_on_where_its_last_bulk_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SCANNED_FIRST", 2)
    monkeypatch.setattr(store, "SCANNED_AT_ONCE", 3)
    copy = copy_at(tmp_path)
    rows = [(bytes([key]), b"%d" % key) for key in range(8)]
    for count in range(9):
        copy.write("a", rows[:count])
        copy.write("b", [(b"behind", b"")])
        assert list(copy.scan("a")) == rows[:count]
    scan = copy.scan("a")
    assert [next(scan), next(scan)] == rows[:2]
    copy.write("a", [(rows[1][0], None), (rows[3][0], None)])
    assert list(scan) == [rows[2], *rows[4:]]
    copy.close()


def test_copy_of_another_log_is_rebuilt(tmp_path: Path) -> None:
    for other in ({"cluster": "two"}, {"partitions": 9}, {"tables": ("b", "a")}):
        copy = copy_at(tmp_path)
        copy.write("a", [(b"k", b"1")], 7)
        copy.close()
        copy = copy_at(tmp_path, **other)
        assert copy.position("a") is None
        assert copy.get_many("a", [b"k"]) == [None]
        copy.close()


def test_copy_that_may_hold_rows_deleted_long_ago_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copy_at(tmp_path)
    copy.write("a", [(b"k", b"1")], 7)
    copy.close()
    later = time.time() + OLDEST_S
    monkeypatch.setattr("streams.engine.store.time.time", lambda: later - 60)
    copy = copy_at(tmp_path)
    assert copy.position("a") == 7
    copy.close()
    monkeypatch.setattr("streams.engine.store.time.time", lambda: later + 60)
    copy = copy_at(tmp_path)
    assert copy.get_many("a", [b"k"]) == [None]
    copy.close()


def test_copy_without_meta_is_rebuilt(tmp_path: Path) -> None:
    copy = copy_at(tmp_path)
    copy.write("a", [(b"k", b"1")])
    copy.close()
    copy = copy_at(tmp_path)
    assert copy.get_many("a", [b"k"]) == [None]
    copy.close()


def test_damaged_copy_is_rebuilt(tmp_path: Path) -> None:
    copy = copy_at(tmp_path)
    copy.write("a", [(b"k", b"1")], 7)
    copy.close()
    (tmp_path / "unit-0.db" / "CURRENT").write_bytes(b"garbage")
    copy = copy_at(tmp_path)
    assert copy.position("a") is None
    copy.close()


def test_reads_see_the_newest_image(tmp_path: Path) -> None:
    copy = copy_at(tmp_path)
    images = Images(copy)
    copy.write("a", [(b"k", b"0"), (b"only-copy", b"0")])
    images.collected("a", [b"k"], [b"1"])
    images.committed({"a": 10})
    assert images.begin_sweep() == {"a": 10}
    assert images.get_many("a", [b"k"]) == [b"1"]
    images.collected("a", [b"k"], [b"2"])
    images.committed({"a": 12})
    assert images.get_many("a", [b"k", b"only-copy", b"none"]) == [b"2", b"0", None]
    images.collected("a", [b"k"], [None])
    assert images.get_many("a", [b"k"]) == [None]
    assert dict(images.scan("a")) == {b"only-copy": b"0"}
    copy.close()


def test_a_flush_under_way_is_not_swept(tmp_path: Path) -> None:
    copy = copy_at(tmp_path)
    images = Images(copy)
    images.collected("a", [b"k"], [b"1"])
    images.begin_sweep()
    assert images.sweeping["a"] == {}
    images.committed({"a": 5})
    images.begin_sweep()
    assert images.sweeping["a"] == {b"k": b"1"}
    images.end_sweep()
    assert images.waiting() == 0
    copy.close()


def test_scan_leaves_identity_records_out(tmp_path: Path) -> None:
    copy = copy_at(tmp_path)
    images = Images(copy)
    copy.write("a", [(b"\x00identity", b"x"), (b"k", b"0")])
    images.collected("a", [b"\x00unit", b"l"], [b"x", b"1"])
    assert dict(images.scan("a")) == {b"k": b"0", b"l": b"1"}
    copy.close()
