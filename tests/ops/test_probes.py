"""Probes: answered from a thread, with reasons."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from streams.ops import probes
from streams.ops.exit_counts import NAME, ExitCounts
from streams.ops.health import Health


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_probes_say_why() -> None:
    health = Health()
    troubles: list[str] = []
    health.watch("progress", lambda: troubles[0] if troubles else None)
    port, stop = probes.serve(health, 0)
    try:
        assert ask(port, "/healthz") == (200, '{"status": "ok", "problems": {}}')
        assert "streams_transaction_seconds_count" in ask(port, "/metrics?name=x")[1]
        assert ask(port, "/other")[0] == 404
        health.not_ready("units", "restoring")
        assert ask(port, "/healthz")[0] == 200
        status, body = ask(port, "/readyz")
        assert (status, json.loads(body)) == (503, {"status": "not-ready", "problems": {"units": "restoring"}})
        health.ready("units")
        troubles.append("blocked for 90 s")
        for path, word in (("/healthz", "failing"), ("/readyz", "not-ready")):
            status, body = ask(port, path)
            assert (status, json.loads(body)["status"]) == (503, word)
            assert json.loads(body)["problems"] == {"progress": "blocked for 90 s"}
    finally:
        stop()


def test_a_port_in_use_is_an_error() -> None:
    port, stop = probes.serve(Health(), 0)
    try:
        with pytest.raises(OSError, match="in use"):
            probes.serve(Health(), port)
    finally:
        stop()


def test_health_names_what_is_missing() -> None:
    health = Health()
    health.not_ready("reader", "3 records behind")
    assert (health.problems(), health.failures()) == ({"reader": "3 records behind"}, {})
    health.ready("reader")
    health.dead("loop", "blocked for 9 s")
    assert health.problems() == health.failures() == {"loop": "blocked for 9 s"}


def exits(reason: str) -> float:
    return REGISTRY.get_sample_value("streams_exits_total", {"reason": reason}) or 0.0


def failures(reason: str) -> float:
    return REGISTRY.get_sample_value("streams_transaction_failures_total", {"reason": reason}) or 0.0


def test_exits_are_counted_over_restarts(tmp_path: Path) -> None:
    for event, cause in (("commit-failed", "fenced"), ("no-progress", ""), ("commit-failed", "fenced")):
        ExitCounts(tmp_path).note(event, cause)
    before = exits("commit-failed"), exits("no-progress"), failures("fenced")
    ExitCounts(tmp_path).export()
    assert (exits("commit-failed"), exits("no-progress"), failures("fenced")) == (
        before[0] + 2,
        before[1] + 1,
        before[2] + 2,
    )
    (tmp_path / NAME).write_text('{"no-progress": 1')
    assert ExitCounts(tmp_path).read() == {}


def test_an_exit_that_cannot_be_counted_is_not(tmp_path: Path) -> None:
    ExitCounts(tmp_path / "gone").note("no-progress")
    assert not (tmp_path / "gone").exists()
