"""One run at a time in a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUseError(RuntimeError):
    """Another run uses the folder; the message tells which process and the remedy."""


@contextmanager
def folder_lock(state_dir: Path) -> Iterator[None]:
    """Hold the folder (made if missing) until the end of the block; the system lets go of it however we end."""
    state_dir.mkdir(parents=True, exist_ok=True)
    path = state_dir / "run.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(handle, 32, 0).decode() or "unknown"
            raise FolderInUseError(
                f"{state_dir} is in use by another run (process {owner}): "
                "stop that one, or set STREAMS_STATE_DIR to another folder"
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
