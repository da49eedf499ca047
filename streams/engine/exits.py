"""How a worker leaves. The restart is the repair: no clean-up, no LeaveGroup, nothing half done."""

import os
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

import structlog
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
    RequestTimedOutError,
)

log = structlog.get_logger("streams.engine")

FENCED, TIMEOUT, FAILED = "fenced", "timeout", "failed"
on_leave: list[Callable[[str, str], None]] = []
"""Called with the event and its cause (empty if it has none) before the process ends. They must not fail."""


class ExitCode(IntEnum):
    """70: start me again. 78: do not, a person has to decide (configuration, data loss upstream, a bad topic)."""

    OK = 0
    RESTART = 70
    STOP = 78


def leave(code: ExitCode, event: str, **why: object) -> NoReturn:
    """End the process at once, with one line that says why."""
    log.critical(event, exit_code=int(code), **why)
    for note in on_leave:
        note(event, str(why.get("cause", "")))
    os._exit(code)


class TooLargeError(Exception):
    """The broker takes no record batch of this size in this topic, or a record fits into no batch."""

    def __init__(self, topic: str, size: int) -> None:
        super().__init__(f"{topic}: {size} bytes")
        self.topic, self.size = topic, size


TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


def cause_of(error: BaseException) -> str:
    """Why a commit failed, in one of three words."""
    if isinstance(error, ProducerFenced):
        return FENCED
    return TIMEOUT if isinstance(error, (TimeoutError, KafkaTimeoutError, RequestTimedOutError)) else FAILED
