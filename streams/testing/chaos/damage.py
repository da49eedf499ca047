"""What can happen to the local copy of a worker that is dead."""

import random
import shutil
from pathlib import Path

from streams.testing.chaos.schedule import Fault

SMALL = ("LOG", "LOCK", "OPTIONS", "IDENTITY", "rocksdict-config")
"""Files without which RocksDB either does as well or does not start at all."""


def save(copies: Path, kept: Path) -> None:
    """Keep this state of the copies, for `OLD` later."""
    shutil.rmtree(kept, ignore_errors=True)
    if copies.exists():
        shutil.copytree(copies, kept)


def damage(rng: random.Random, fault: Fault, copies: Path, kept: Path) -> str:
    """Do one of `DISKS` to a folder of copies -> what was done, for the record; empty if there was nothing to hurt."""
    if fault is Fault.OLD:
        if not kept.exists():
            return ""
        shutil.rmtree(copies, ignore_errors=True)
        shutil.copytree(kept, copies)
        return f"put back {kept.name}"
    units = sorted(copies.glob("unit-*.db"))
    if not units:
        return ""
    if fault is Fault.DELETE:
        return _delete(rng, copies, units)
    files = [path for unit in rng.sample(units, max(1, len(units) // 2)) for path in _files(rng, unit)]
    hurt = [_truncate(rng, path) if fault is Fault.TRUNCATE else _flip(rng, path) for path in files]
    return ", ".join(hurt)


def _delete(rng: random.Random, copies: Path, units: list[Path]) -> str:
    """The whole folder or some of the copies."""
    if rng.random() < 0.5:
        shutil.rmtree(copies)
        return f"deleted {copies.name}"
    gone = rng.sample(units, max(1, len(units) // 2))
    for unit in gone:
        shutil.rmtree(unit)
    return "deleted " + ", ".join(unit.name for unit in gone)


def _files(rng: random.Random, unit: Path) -> list[Path]:
    """One or two files that hold something: tables, the write-ahead log, the manifest."""
    there = [path for path in sorted(unit.iterdir()) if path.is_file() and path.stat().st_size > 0]
    telling = [path for path in there if not path.name.startswith(SMALL)]
    return rng.sample(telling, min(len(telling), rng.randrange(1, 3)))


def _truncate(rng: random.Random, path: Path) -> str:
    size = path.stat().st_size
    kept = rng.randrange(size)
    with path.open("r+b") as handle:
        handle.truncate(kept)
    return f"cut {path.parent.name}/{path.name} from {size} to {kept}"


def _flip(rng: random.Random, path: Path) -> str:
    """One bit in ten places."""
    places = [rng.randrange(path.stat().st_size) for _ in range(10)]
    with path.open("r+b") as handle:
        for at in places:
            handle.seek(at)
            byte = handle.read(1)[0]
            handle.seek(at)
            handle.write(bytes([byte ^ 1 << rng.randrange(8)]))
    return f"flipped {len(places)} bits of {path.parent.name}/{path.name}"
