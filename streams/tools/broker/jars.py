"""Kafka's jars: named with their SHA-256 in jars.lock, fetched once from Maven Central by jgo, then kept."""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.tools.broker.errors import BrokerError

KAFKA_VERSION = "4.3.0"
LOCK = Path(__file__).with_name("jars.lock")
CACHE_NAME = "interaction-streams"
TRIES = 3


class Jar(NamedTuple):
    """One line of the lock file."""

    group: str
    name: str
    version: str
    sha256: str

    def path(self, cache: Path) -> Path:
        """Where it lies in a cache: Maven's own layout."""
        return cache.joinpath(*self.group.split("."), self.name, self.version, f"{self.name}-{self.version}.jar")


def read_lock() -> list[Jar]:
    """All jars of the class path, in the order of the lock file."""
    return [_parse(line) for line in LOCK.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def _parse(line: str) -> Jar:
    coordinate, sha256 = line.split()
    group, name, version = coordinate.split(":")
    return Jar(group, name, version, sha256)


def cache_folder(state_dir: Path) -> Path:
    """Where the jars are kept: the user's cache folder, or the state folder for a user who has none."""
    home = os.environ.get("HOME")
    base = os.environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home and Path(home).is_dir() else None)
    for folder in ([Path(base) / CACHE_NAME] if base else []) + [state_dir / "cache"]:
        if _writable(folder):
            return folder.resolve() / "jars"
    raise BrokerError(f"No permission to write {state_dir}: set STREAMS_STATE_DIR to a folder of yours.")


def fetch_jars(state_dir: Path) -> list[Path]:
    """Paths of all jars, checked; fetches what is missing or damaged, with a progress bar on stderr."""
    cache, jars = cache_folder(state_dir), read_lock()
    with _locked(cache):
        missing = [jar for jar in jars if not _intact(jar, cache)]
        if missing:
            _fetch(missing, cache)
    return [jar.path(cache) for jar in jars]


def _fetch(jars: list[Jar], cache: Path) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(4) as pool:
        task = progress.add_task(f"Fetching Kafka {KAFKA_VERSION} (once)", total=len(jars))
        for _ in pool.map(lambda jar: _fetch_one(jar, cache), jars):
            progress.advance(task)


def _fetch_one(jar: Jar, cache: Path) -> None:
    # Imported late: with the jars in place, neither jgo nor its HTTP client is needed.
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    logging.getLogger("jgo").setLevel(logging.ERROR)
    context = MavenContext(resolver=PythonResolver(), repo_cache=cache, timeout=60)
    artifact = context.project(jar.group, jar.name).at_version(jar.version).artifact()
    problem = ""
    for _ in range(TRIES):
        jar.path(cache).unlink(missing_ok=True)
        try:
            artifact.resolve()
        except (RequestException, RuntimeError, OSError) as error:
            problem = str(error).splitlines()[0]
            continue
        if _intact(jar, cache):
            return
        problem = "its SHA-256 is not the one in jars.lock"
    raise BrokerError(
        f"Cannot fetch {jar.name}-{jar.version}.jar: {problem}. Is Maven Central reachable? Then try again."
    )


def _intact(jar: Jar, cache: Path) -> bool:
    path = jar.path(cache)
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    # Two first starts at once must not write into the same file; the lock goes with the process.
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
