"""The processes of a run, and the settings they share."""

import sys
from collections.abc import Mapping
from pathlib import Path

from streams.ops.supervisor import Child, ChildSpec, State, Supervisor
from streams.settings import Settings, variable
from streams.tools.broker.probe import free_port, is_free

WORKER_STOP_S, SERVE_STOP_S, BROKER_STOP_S = 4.0, 2.0, 3.0
"""Patience at the end: together below the 10 s in which Ctrl-C ends everything."""


def port_for_reads(settings: Settings) -> int:
    """The port of the settings if it is free, else any free one."""
    return settings.http_port if settings.http_port and is_free(settings.http_port) else free_port()


def environment(settings: Settings, bootstrap: str, http_port: int) -> dict[str, str]:
    """What tells the children (and the audit) of the same cluster, mode and folder."""
    return {
        variable("broker_url"): bootstrap,
        variable("time_mode"): settings.time_mode,
        variable("state_dir"): str(settings.state_dir),
        variable("http_port"): str(http_port),
        "PYTHONUNBUFFERED": "1",
    }


def specs(env: Mapping[str, str], logs: Path) -> tuple[ChildSpec, ChildSpec]:
    """The worker and the read service."""
    streams = [sys.executable, "-m", "streams"]
    worker = ChildSpec(name="worker", argv=[*streams, "worker"], log=logs / "worker.log", env=env, stop_s=WORKER_STOP_S)
    serve = ChildSpec(name="serve", argv=[*streams, "serve"], log=logs / "serve.log", env=env, stop_s=SERVE_STOP_S)
    return worker, serve


def failure(supervisor: Supervisor) -> str | None:
    """Why a child will not come back; None while all run or are about to run again."""
    for child in supervisor.children.values():
        if child.state in {State.GIVEN_UP, State.DONE}:
            return f"the {child.spec.name} ended: {_reason(child)} (all of it in {child.spec.log})"
    return None


def _reason(child: Child) -> str:
    return child.reason or "without a word"


def restarts(supervisor: Supervisor) -> int:
    """How often children were started again."""
    return sum(child.restarts for child in supervisor.children.values())
