"""What a check found."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """`warning`: it works, look at it. `error`: it does not work, or will not for long."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Check(NamedTuple):
    """One thing looked at. `remedy` is empty if all is well."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, Status.OK, found)


def warning(name: str, found: str, remedy: str) -> Check:
    """Look at it."""
    return Check(name, Status.WARNING, found, remedy)


def error(name: str, found: str, remedy: str) -> Check:
    """Mend it."""
    return Check(name, Status.ERROR, found, remedy)
