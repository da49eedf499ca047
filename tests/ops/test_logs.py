"""Logs: one event name a line, no person in it, and no flood."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.ops import logs, repeats
from streams.ops.repeats import LimitingHandler

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
PERSONAL = {
    "user",
    "users",
    "user_id",
    "key",
    "keys",
    "value",
    "values",
    "video",
    "ids",
    "record",
    "records_seen",
    "row",
}


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure("json", "info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def clock(out: io.StringIO) -> list[float]:
    now = [0.0]
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, LimitingHandler)
    handler._clock = lambda: now[0]
    return now


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_logs_carry_event_and_values(out: io.StringIO) -> None:
    logs.get("streams.test").info("units-open", partition=3)
    logs.get("streams.test").debug("not-shown")
    (found,) = lines(out)
    assert (found["event"], found["partition"], found["level"]) == ("units-open", 3, "info")
    assert {"logger", "timestamp"} <= found.keys()


def test_lines_of_libraries_are_one_event(out: io.StringIO) -> None:
    logging.getLogger("aiokafka").warning("Got %s for %d", "NotLeader", 3)
    (found,) = lines(out)
    assert (found["event"], found["text"], found["logger"]) == ("library", "Got NotLeader for 3", "aiokafka")


def test_unknown_log_level_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        logs.configure(level="loud")


def test_repeats_are_counted_instead_of_shown(out: io.StringIO, clock: list[float]) -> None:
    log = logs.get("streams.test")
    for _ in range(repeats.MOST + 7):
        log.warning("hole", topic="views", partition=1)
    log.warning("hole", topic="views", partition=2)
    assert len(lines(out)) == repeats.MOST + 1
    clock[0] = repeats.WINDOW_S
    log.info("swept")
    said, last = lines(out)[-2:]
    assert (said["event"], said["suppressed"], said["of"], said["partition"]) == ("suppressed", 7, "hole", 1)
    assert last["event"] == "swept"
    log.warning("hole", topic="views", partition=1)
    assert lines(out)[-1]["event"] == "hole"


def test_a_library_cannot_flood_whatever_its_text(out: io.StringIO, clock: list[float]) -> None:
    for number in range(1_000):
        logging.getLogger("aiokafka").error("Got NotLeaderForPartition for %d", number)
    assert len(lines(out)) == repeats.MOST_OF_LIBRARIES
    logging.getLogger().handlers[0].close()
    assert lines(out)[-1]["suppressed"] == 1_000 - repeats.MOST_OF_LIBRARIES


def test_the_reason_of_an_exit_is_always_shown(out: io.StringIO, clock: list[float]) -> None:
    for _ in range(repeats.MOST + 2):
        logs.get("streams.test").info("swept")
        logs.get("streams.test").critical("no-progress", exit_code=70)
    assert sum(line["event"] == "no-progress" for line in lines(out)) == repeats.MOST + 2
    assert lines(out)[-1]["event"] == "no-progress"


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in {"log", "logger"}:
                yield node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "leave":
            yield ast.Call(func=node.func, args=node.args[1:], keywords=node.keywords)


def test_every_line_has_one_constant_event_and_no_person(project_root: Path) -> None:
    found = 0
    for path in (project_root / "streams").rglob("*.py"):
        if path.name == "exits.py":
            continue
        for call in calls(path):
            found += 1
            if path.name == "repeats.py":
                continue  # the name of its one event is a constant with a name
            (event,) = call.args
            assert isinstance(event, ast.Constant), f"{path}: {ast.unparse(call)}"
            assert re.fullmatch("[a-z]+(-[a-z]+)*", str(event.value)), f"{path}: {event.value!r}"
            assert not {word.arg for word in call.keywords} & PERSONAL, f"{path}: {ast.unparse(call)}"
    assert found >= 25
