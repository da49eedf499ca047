"""Checks that need no Kafka: settings, versions, disk."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from streams.core import compiled as core_kernels
from streams.engine import compiled as engine_kernels
from streams.settings import Settings, unknown_variables
from streams.tools.doctor.check import Check, error, ok, warning
from streams.wire import compiled as wire_kernels

PACKAGE = "interaction-streams"
PYTHON = (3, 11)
KERNELS = core_kernels, engine_kernels, wire_kernels
GIB = 1 << 30
LOW_FREE, LOW_SHARE, NO_FREE = 2 * GIB, 0.1, GIB // 4


def machine(settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    """All of them."""
    yield settings_fit(settings, environ)
    yield versions()
    yield kernels()
    yield disk(settings.state_dir)


def settings_fit(settings: Settings, environ: Mapping[str, str]) -> Check:
    """Values that are valid alone and do not fit one another, and variables that nobody reads."""
    unread = unknown_variables(environ)
    if unread:
        return warning("settings", " ".join(unread), "Unset or rename the variable.")
    if settings.heartbeat_s * 3 > settings.session_timeout_s:
        found = f"heartbeats every {settings.heartbeat_s:g} s in a session of {settings.session_timeout_s:g} s"
        return warning("settings", found, "Set STREAMS_HEARTBEAT_S to a third of STREAMS_SESSION_TIMEOUT_S or less.")
    if settings.transaction_timeout_ms > settings.flush_timeout_s * 1000:
        found = f"transactions may stay open {settings.transaction_timeout_ms} ms, a commit may take less"
        return warning("settings", found, "Set STREAMS_TRANSACTION_TIMEOUT_MS below STREAMS_FLUSH_TIMEOUT_S.")
    return ok("settings", f"{settings.partitions} partitions, {settings.time_mode} mode, group {settings.app_id}")


def versions() -> Check:
    """Python, and the packages pinned exactly because the engine overrides their internals."""
    python = sys.version_info[:2]
    if python < PYTHON:
        return error("versions", f"Python {python[0]}.{python[1]}", f"Use Python {PYTHON[0]}.{PYTHON[1]} or newer.")
    try:
        pins = dict(pin.split("==") for pin in requires(PACKAGE) or () if "==" in pin and ";" not in pin)
        wrong = [f"{name} {version(name)}, not {pin}" for name, pin in pins.items() if version(name) != pin]
    except PackageNotFoundError as absent:
        return error("versions", f"{absent.name} is not installed", "Install with `make setup` or from the wheel.")
    if wrong:
        return error("versions", "; ".join(wrong), "Install exactly these: `pip install -r requirements/runtime.txt`.")
    named = ", ".join(f"{name} {pin}" for name, pin in pins.items())
    return ok("versions", f"Python {python[0]}.{python[1]}, {named}")


def kernels() -> Check:
    """Whether every compiled kernel is there; without, the same bytes come out, later."""
    absent = [name for package in KERNELS for name in _absent(Path(package.__path__[0]))]
    if absent:
        remedy = "Install with a C compiler: without kernels the same results take several times the CPU."
        return warning("kernels", f"not compiled: {', '.join(absent)}", remedy)
    return ok("kernels", "all compiled")


def _absent(folder: Path) -> list[str]:
    built = {path.name.partition(".")[0] for pattern in ("*.so", "*.pyd") for path in folder.glob(pattern)}
    return sorted({path.stem for path in folder.glob("*.pyx")} - built)


def disk(folder: Path) -> Check:
    """Whether the state folder can be written and has room."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"\0")
    except OSError as refused:
        remedy = "Set STREAMS_STATE_DIR to a folder of this user."
        return error("disk", f"{there} cannot be written: {refused.strerror}", remedy)
    return room(folder, *shutil.disk_usage(there)[::2])


def room(folder: Path, total: int, free: int) -> Check:
    """Judge free bytes of a disk."""
    found = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free at {os.fspath(folder)}"
    remedy = "Enlarge the volume (docs/capacity.md), or set STREAMS_STATE_DIR to a larger one."
    if free < NO_FREE:
        return error("disk", found, remedy)
    return warning("disk", found, remedy) if free < LOW_FREE or free < LOW_SHARE * total else ok("disk", found)
