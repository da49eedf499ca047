"""Each condition under which a worker ends itself, seen firing; and what must not make it fire."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.engine import exits, watchdog
from streams.engine.meter import NoMeter
from streams.engine.watchdog import Watchdog

STUCK_S = 90.0
WORDS = TP("words", 0)
START = time.monotonic()


class Left(Exception):  # noqa: N818  # no error: the end of the process
    """Stands for the end of the process."""


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Events and exit codes with which the process would have ended."""
    ended: list[tuple[str, int]] = []

    def end(code: int) -> None:
        ended.append((noted[-1], code))
        raise Left

    noted: list[str] = []
    monkeypatch.setattr(exits, "on_leave", [lambda event, _cause: noted.append(event)])
    monkeypatch.setattr("os._exit", end)
    return ended


def world(**more: Any) -> Any:
    """An engine that has folded all there is, with one unit."""
    unit = SimpleNamespace(positions={WORDS: 5}, dirty_since=None, gate={})
    return SimpleNamespace(
        **{
            "options": SimpleNamespace(stuck_s=STUCK_S), "meter": NoMeter(), "units": {0: unit}, "accepting": True,
            "paused": 1.0, "follower": SimpleNamespace(applied=0), "behind": lambda _: {"words": 0},
            "app": SimpleNamespace(rebalancing=False, rebalancing_count=1, consumer_generation_id=1), **more,
        }
    )  # fmt: skip


def run(engine: Any, step: Callable[[int], None], seconds: int = 200) -> None:
    """Check once a second of a made-up clock, `step` before each check."""
    dog = Watchdog(engine)
    dog._since = START
    for second in range(seconds):
        step(second)
        dog.check(START + second)


def test_no_progress_under_lag(left: list[tuple[str, int]]) -> None:
    with pytest.raises(Left):
        run(world(behind=lambda _: {"words": 3}), lambda _: None)
    assert left == [("no-progress", 70)]


def test_slow_progress_is_progress(left: list[tuple[str, int]]) -> None:
    engine = world(behind=lambda _: {"words": 3})

    def step(second: int) -> None:
        engine.units[0].positions[WORDS] += second % 60 == 0

    run(engine, step, 400)
    assert not left


def test_nothing_to_do_is_no_stall(left: list[tuple[str, int]]) -> None:
    run(world(), lambda _: None, 400)
    assert not left


def test_a_commit_that_does_not_come(left: list[tuple[str, int]]) -> None:
    engine = world()
    engine.units[0].dirty_since = START
    with pytest.raises(Left):
        run(engine, lambda second: engine.units[0].positions.update({WORDS: second}))
    assert left == [("commit-too-old", 70)]


def test_a_rejoin_that_never_ends(left: list[tuple[str, int]]) -> None:
    """Generations pass by, and each assignment is revoked before it could be used."""
    engine = world(accepting=False)
    engine.app.rebalancing = True

    def step(second: int) -> None:
        engine.app.rebalancing_count = engine.app.consumer_generation_id = second

    with pytest.raises(Left):
        run(engine, step)
    assert left == [("no-progress", 70)]


def test_joined_and_idle(left: list[tuple[str, int]]) -> None:
    with pytest.raises(Left):
        run(world(accepting=False), lambda _: None)
    assert left == [("no-progress", 70)]


def test_a_gate_that_never_opens(left: list[tuple[str, int]]) -> None:
    engine = world()
    engine.units[0].gate = {WORDS: 9}
    with pytest.raises(Left):
        run(engine, lambda _: None)
    assert left == [("no-progress", 70)]


def test_a_long_restore_is_progress(left: list[tuple[str, int]]) -> None:
    engine = world(accepting=False)

    def step(second: int) -> None:
        engine.follower.applied = second

    run(engine, step, 400)
    assert not left


def test_many_rebalances_that_end_are_none(left: list[tuple[str, int]]) -> None:
    engine = world(accepting=False)

    def step(second: int) -> None:
        engine.paused = float(second // 30)  # folding was possible in between, if only between two looks

    run(engine, step, 400)
    assert not left


def test_a_blocked_event_loop_is_seen_from_the_thread(
    left: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "LOOP_BLOCKED_S", 0.0)
    dog = Watchdog(world())
    fired = threading.Event()

    def watch() -> None:
        with pytest.raises(Left):
            dog._watch_loop()
        fired.set()

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join(10)  # meanwhile nothing beats
    assert fired.is_set()
    assert left == [("event-loop-blocked", 70)]
    assert "blocked" in str(dog.trouble())
