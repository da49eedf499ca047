"""A damaged copy is rebuilt or ends the worker and is gone; it never claims a row that it has lost."""

import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from streams.engine import store
from streams.engine.exits import ExitCode
from streams.engine.store import LocalCopy

TABLE = "rows"


class LeftError(BaseException):
    """The worker ended."""


@pytest.fixture(autouse=True)
def _no_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: ExitCode, event: str, **why: object) -> NoReturn:
        raise LeftError(code, event, why)

    monkeypatch.setattr(store, "leave", leave)


def opened(path: Path) -> LocalCopy:
    return LocalCopy(path, [TABLE], "cluster", 8, 1 << 20)


def sweep(copy: LocalCopy, rows: Mapping[bytes, bytes | None], position: int) -> None:
    for _ in copy.take({TABLE: rows}, {TABLE: position}):
        pass


def write_lives(path: Path) -> dict[int, dict[bytes, bytes]]:
    """Three lives of 40 writes and sweeps, flushed now and then -> rows at each position."""
    rng = random.Random(1)
    rows: dict[bytes, bytes] = {}
    at: dict[int, dict[bytes, bytes]] = {}
    for life in range(3):
        copy = opened(path)
        for turn in range(40):
            position = life * 40 + turn + 1
            new = {b"k%03d" % rng.randrange(300): b"%06d" % position * 20 for _ in range(40)}
            rows |= new
            if rng.random() < 0.5:
                sweep(copy, new, position)
            else:
                copy.write(TABLE, new.items(), position)
            at[position] = dict(rows)
            if turn % 10 == 9:
                copy._db.flush()
        copy.close()
    return at


def lost(copy: LocalCopy, at: dict[int, dict[bytes, bytes]]) -> list[bytes]:
    """Keys of rows that the copy claims by its position and does not have (newer ones are fine)."""
    expected = at.get(copy.position(TABLE) or 0, {})
    scanned: dict[bytes, Any] = dict(copy.scan(TABLE))
    found = dict(zip(expected, copy.get_many(TABLE, list(expected)), strict=True))
    return [k for k, v in expected.items() if (found[k] or b"") < v or scanned.get(k, b"") < v]


def files(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.iterdir()) if path.stat().st_size > 0]
    return [path for path in found if not path.name.startswith(("LOG", "LOCK", "OPTIONS"))]


def test_no_damage_goes_unnoticed(tmp_path: Path) -> None:
    at = write_lives(tmp_path / "whole.db")
    seen = set()
    for seed in range(50):
        rng = random.Random(seed)
        hurt = tmp_path / f"hurt-{seed}.db"  # another each time: a copy that ended the worker is still open here
        shutil.copytree(tmp_path / "whole.db", hurt)
        path = rng.choice([file for file in files(hurt) if seed % 2 or file.name.startswith("MANIFEST")])
        data = bytearray(path.read_bytes())
        if rng.random() < 0.5:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            del data[rng.randrange(len(data)) :]
        path.write_bytes(data)
        try:
            copy = opened(hurt)
            assert lost(copy, at) == [], f"seed {seed}: {path.name}"
            seen.add("rebuilt" if copy.position(TABLE) is None else "whole")
            copy.wipe()
            copy.close()
        except LeftError:
            seen.add("left")
            assert not (hurt / "CURRENT").exists()
    assert seen == {"rebuilt", "whole", "left"}


def test_a_sweep_is_written_wholly_or_not_at_all(tmp_path: Path) -> None:
    """The process vanishes at each step of a sweep."""
    script = """
import os, sys
from pathlib import Path
from streams.engine.store import LocalCopy
copy = LocalCopy(Path(sys.argv[1]), ["rows"], "cluster", 8, 1 << 20)
steps = copy.take({"rows": {b"%05d" % n: b"new" if n % 3 else None for n in range(10_000)}}, {"rows": 2})
for step, _ in enumerate(steps):
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
os.kill(os.getpid(), 9)
"""
    for step in (0, 4, 9):
        path = tmp_path / f"{step}.db"
        copy = opened(path)
        sweep(copy, {b"%05d" % number: b"old" for number in range(10_000)}, 1)
        copy.close()
        assert subprocess.run([sys.executable, "-c", script, str(path), str(step)], check=False).returncode == -9
        copy = opened(path)
        found = set(copy.get_many(TABLE, [b"%05d" % number for number in range(10_000)]))
        assert (copy.position(TABLE), found) == ((2, {b"new", None}) if step == 9 else (1, {b"old"}))
        assert list(tmp_path.glob("*.sweep")) == []
        copy.close()


def test_links_are_checked_and_forgotten_when_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_LINKS", 5)
    for life in range(3):
        copy = opened(tmp_path / "unit.db")
        assert copy.position(TABLE) == (life * 10 or None)
        for turn in range(10):
            copy.write(TABLE, [(b"k", b"%d" % turn)], life * 10 + turn + 1)
        copy.close()
    copy = opened(tmp_path / "unit.db")
    assert (copy.meta.base, copy.meta.serial) == (30, 30)
    copy.write(TABLE, [(b"k", b"x")], 31)
    copy.write(TABLE, [(b"k", b"y")], 32)
    copy._db.delete(store._link(31))
    copy.close()
    assert opened(tmp_path / "unit.db").position(TABLE) is None
