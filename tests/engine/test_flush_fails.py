"""A commit that failed keeps its unit: while the group is asked about the seat, nobody begins another transaction."""

import asyncio
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from aiokafka.errors import ProducerFenced

from streams.engine import engine as module
from streams.engine.engine import Engine
from streams.engine.exits import ExitCode


class ProcessEndedError(Exception): ...


async def test_the_first_failure_of_a_unit_is_the_one_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    told: list[tuple[ExitCode, str, str]] = []
    asked, answer = asyncio.Event(), asyncio.Event()

    async def flush(_: object) -> None:
        begun.append(len(begun))
        await asyncio.sleep(0)
        if len(begun) > 1:
            raise AssertionError("Invalid state transition")
        raise ProducerFenced

    async def give_way() -> None:
        asked.set()
        await answer.wait()

    def leave(code: ExitCode, event: str, **why: Any) -> NoReturn:
        told.append((code, event, why["cause"]))
        raise ProcessEndedError

    monkeypatch.setattr(module, "leave", leave)
    unit: Any = SimpleNamespace(number=3, lock=asyncio.Lock(), flush=flush)
    consumer = SimpleNamespace(give_way=give_way)
    own: Any = SimpleNamespace(app=SimpleNamespace(consumer=consumer), behind=lambda _: {})
    first, second = (asyncio.create_task(Engine.flush(own, unit)) for _ in range(2))
    await asyncio.wait_for(asked.wait(), 5)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (begun, told) == ([0], [])

    answer.set()
    with pytest.raises(ProcessEndedError):
        await first
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert told[0] == (ExitCode.RESTART, "commit-failed", "fenced")
