"""A reader is ready while its copy is complete, or was within the bound; the probe knows although the reader waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.serving import reader
from streams.serving.looks import Look
from streams.serving.reader import TableReader
from streams.serving.service import READER, Service
from streams.serving.state import ReaderState
from streams.settings import Settings
from tests.serving.builders import NOW_MS, PARTITIONS, client
from tests.serving.test_kafka import until


@asynccontextmanager
async def running(made: TableReader) -> AsyncIterator[None]:
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Clock:
    ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


class Hanging(TableReader):
    """Complete once, then the broker does not answer any more."""

    async def _session(self) -> None:
        self._progress.look(Look(NOW_MS, {}))
        self._progress.check({})
        await asyncio.Event().wait()


async def test_the_probe_tells_the_age_of_the_copy_while_the_reader_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "REPORT_S", 0.001)
    clock = Clock()
    made = Service(ReaderState(PARTITIONS), now_ms=clock)
    async with client(made) as http, running(Hanging(Settings(partitions=PARTITIONS, ready_lag_s=30.0), made)):
        await until(http, "/readyz", "status", "ok")
        clock.ms += 151_000
        late = await until(http, "/readyz", "status", "not-ready")
    assert "last complete 151 s ago" in late.json()["problems"][READER]
