"""A worker's seat in the consumer group: kept over a restart, held by one process, in one folder."""

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.engine.exits import ExitCode, leave

log = structlog.get_logger("streams.engine")

UUID_CHARS = 36
ASK_TIMEOUT_S = 10.0
LOCK_WAIT_S = 5.0
HANDOVER_S = 30.0
LOCK_POLL_S = 0.02
REMEDY = "give every worker a STREAMS_WORKER_ID of its own"


def holder(instance: str, members: Iterable[str]) -> str | None:
    """Which member has the seat `instance`: Kafka names a static member by its seat, a dash and a UUID."""
    for member in members:
        if len(member) == len(instance) + 1 + UUID_CHARS and member.startswith(f"{instance}-"):
            return member
    return None


async def members(bootstrap: str, client: Any, group: str) -> list[str]:
    """Ids of the members that the group has now. KafkaError, TimeoutError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client)
    async with asyncio.timeout(ASK_TIMEOUT_S):
        await admin.start()
        try:
            found = await admin.describe_consumer_groups([group])
        finally:
            await admin.close()
    return [member[0] for answer in found for described in answer.groups for member in described[5]]


async def give_way(bootstrap: str, client: Any, group: str, instance: str | None, mine: str) -> None:
    """Exit 70 if another process has taken this worker's seat. Rejoining would take it back, and so on for ever."""
    if instance is None:
        return
    try:
        now = holder(instance, await members(bootstrap, client, group))
    except (KafkaError, TimeoutError) as error:
        log.warning("seat-unknown", error=repr(error))
        return
    if now not in (None, mine):
        leave(ExitCode.RESTART, "worker-id-taken", worker=instance, member=now, do=REMEDY)


async def claim(lock: IO[bytes], *, replace: bool = False) -> None:
    """Lock a file (opened `a+b`) until the process ends; exit 78 if another one goes on holding it.

    `replace`: the one that holds it is told to end (SIGTERM) and has 30 s. Linux only: elsewhere nobody is told.
    """
    deadline = time.monotonic() + (HANDOVER_S if replace else LOCK_WAIT_S)
    told = 0
    while not _locked(lock):
        process = _process_in(lock)
        if time.monotonic() > deadline:
            leave(ExitCode.STOP, "folder-in-use", lock=lock.name, process=process, do=REMEDY)
        if replace and process != told and _has_open(process, Path(lock.name)):
            log.info("taking-over", process=process)
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            told = process
        await asyncio.sleep(LOCK_POLL_S)
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _process_in(lock: IO[bytes]) -> int:
    """The number that the holder wrote; 0 before it has."""
    lock.seek(0)
    found = lock.read()
    return int(found) if found.isdigit() else 0


def _has_open(process: int, path: Path) -> bool:
    """A number alone may be somebody else's by now, or mean another process in another container."""
    with suppress(OSError):
        opened = {at.readlink() for at in Path(f"/proc/{process}/fd").iterdir()}
        return process != os.getpid() and path.resolve() in opened
    return False
