"""The supervisor: exit codes, back-off, order of stopping, and no orphan whatever happens."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ops.supervisor import Backoff, Child, ChildSpec, State, Supervisor, last_line

QUICK = Backoff(first_s=0.02, longest_s=0.05, steady_s=60.0)


def _spec(tmp_path: Path, script: str, name: str = "child", stop_s: float = 5.0) -> ChildSpec:
    argv = ["/bin/sh", "-c", script]
    return ChildSpec(name=name, argv=argv, log=tmp_path / f"{name}.log", stop_s=stop_s, backoff=QUICK)


async def _until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition is about another process
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("code", "state"), [(0, State.DONE), (78, State.GIVEN_UP)])
async def test_done_and_configuration_errors_are_final(tmp_path: Path, code: int, state: State) -> None:
    async with Supervisor() as supervisor:
        child = await supervisor.start(_spec(tmp_path, f"echo first; echo the reason; echo; exit {code}"))
        assert await child.wait() == code
        assert (child.state, child.restarts, child.reason, child.pid) == (state, 0, "the reason", 0)
    assert child.state == state


@pytest.mark.parametrize("end", ["exit 70", "exit 1", "kill -9 $$"])
async def test_other_ends_are_restarted(tmp_path: Path, end: str) -> None:
    script = f"echo x >> {tmp_path}/starts; test $(wc -l < {tmp_path}/starts) -ge 3 && exit 0; {end}"
    async with Supervisor() as supervisor:
        child = await supervisor.start(_spec(tmp_path, script))
        assert await child.wait() == 0
    codes = [item.code for item in child.exits]
    assert codes[2] == 0
    assert codes[0] == codes[1] == {"exit 70": 70, "exit 1": 1, "kill -9 $$": -9}[end]
    assert child.restarts == 2


async def test_a_killed_child_comes_back_under_a_new_pid(tmp_path: Path) -> None:
    changes: list[State] = []
    async with Supervisor(lambda child: changes.append(child.state)) as supervisor:
        child = await supervisor.start(_spec(tmp_path, "exec sleep 60"))
        first = child.pid
        child.kill(signal.SIGKILL)
        await _until(lambda: child.pid not in {0, first})
    assert changes == [State.RUNNING, State.WAITING, State.RUNNING, State.STOPPED]
    assert child.pid == 0


async def test_stop_goes_backwards_and_kills_who_does_not_listen(tmp_path: Path) -> None:
    stopped: list[str] = []
    deaf = "trap '' TERM; echo up; while :; do sleep 0.05; done"

    def note(child: Child) -> None:
        if child.state == State.STOPPED:
            stopped.append(child.spec.name)

    supervisor = Supervisor(note)
    await supervisor.start(_spec(tmp_path, deaf, "deaf", stop_s=0.3))
    await supervisor.start(_spec(tmp_path, "exec sleep 60", "sleeper"))
    await _until(lambda: last_line(tmp_path / "deaf.log") == "up")
    started = time.monotonic()
    await supervisor.stop()
    assert 0.3 <= time.monotonic() - started < 2.0
    assert stopped == ["sleeper", "deaf"]
    assert [supervisor.children[name].exits[-1].code for name in stopped] == [-signal.SIGTERM, -signal.SIGKILL]


async def test_stop_while_waiting_to_restart(tmp_path: Path) -> None:
    slow = Backoff(first_s=60.0)
    spec = ChildSpec(name="x", argv=["/bin/sh", "-c", "exit 70"], log=tmp_path / "x.log", backoff=slow)
    supervisor = Supervisor()
    child = await supervisor.start(spec)
    await _until(lambda: child.state == State.WAITING)
    async with asyncio.timeout(2):
        await supervisor.stop()
    assert (child.state, child.starts) == (State.STOPPED, 1)


async def test_grandchildren_go_with_the_child(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; exit 78"
    async with Supervisor() as supervisor:
        child = await supervisor.start(_spec(tmp_path, script))
        await child.wait()
        pid = int((tmp_path / "pid").read_text())
        await _until(lambda: not _runs(pid))


async def test_a_program_that_is_not_there_is_given_up(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        spec = ChildSpec(name="x", argv=["/no/such/program"], log=tmp_path / "x.log")
        child = await supervisor.start(spec)
        assert await child.wait() == 78
    assert "/no/such/program" in child.reason


async def test_env_is_added_and_names_are_unique(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        argv = ["/bin/sh", "-c", "echo $COLOUR $HOME"]
        spec = ChildSpec(name="x", argv=argv, log=tmp_path / "x.log", env={"COLOUR": "red"})
        child = await supervisor.start(spec)
        await child.wait()
        assert child.reason == f"red {os.environ.get('HOME', '')}".strip()
        with pytest.raises(ValueError, match="named x"):
            await supervisor.start(spec)


def test_no_orphan_after_kill_9_of_the_supervisor(tmp_path: Path) -> None:
    code = f"""
import asyncio
from pathlib import Path
from streams.ops.supervisor import ChildSpec, Supervisor
async def main():
    child = await Supervisor().start(ChildSpec(name="x", argv=["sleep", "60"], log=Path({str(tmp_path / "x.log")!r})))
    await asyncio.sleep(0.2)
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _runs(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@given(failures=st.integers(1, 10_000))
def test_pauses_double_up_to_the_longest(failures: int) -> None:
    backoff = Backoff(first_s=0.5, longest_s=30.0)
    pause_s = backoff.pause_s(failures)
    assert pause_s == (0.5 * 2 ** (failures - 1) if failures < 7 else 30.0)


def test_last_line_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 100_000 + "\nlast  \n\n")
    assert last_line(log) == "last"
    log.write_text("")
    assert last_line(log) == ""


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_a_successor_goes_on_for_the_one_that_it_ends(tmp_path: Path) -> None:
    changes: list[State] = []
    script = f'if [ "$1" = --replace ]; then kill $(cat {tmp_path}/pid); fi; echo $$ > {tmp_path}/pid; exec sleep 60'
    spec = replace(_spec(tmp_path, script), argv=["/bin/sh", "-c", script, "sh"])
    async with Supervisor(lambda child: changes.append(child.state)) as supervisor:
        child = await supervisor.start(spec)
        await _until((tmp_path / "pid").exists)
        first = child.pid
        assert await child.replace("--replace")
        await _until(lambda: child.pid not in {0, first})
        second = child.pid
        await _until(lambda: (tmp_path / "pid").read_text().strip() == str(second))
        child.kill(signal.SIGKILL)
        await _until(lambda: child.pid not in {0, second})
    assert changes == [State.RUNNING, State.RUNNING, State.WAITING, State.RUNNING, State.STOPPED]


@pytest.mark.parametrize("stops", [False, True])
async def test_a_successor_that_fails_leaves_the_former_one_in_place(tmp_path: Path, *, stops: bool) -> None:
    script = 'if [ "$1" = --replace ]; then if [ "$2" ]; then sleep 60; fi; exit 78; fi; exec sleep 60'
    spec = replace(_spec(tmp_path, script), argv=["/bin/sh", "-c", script, "sh"])
    async with Supervisor() as supervisor:
        child = await supervisor.start(spec)
        first = child.pid
        if stops:
            others = set(psutil.Process().children())
            replacing = asyncio.create_task(child.replace("--replace", "slowly"))
            await _until(lambda: bool(set(psutil.Process().children()) - others))
            heirs = set(psutil.Process().children()) - others
            await child.stop()
            await replacing
            await _until(lambda: not any(each.is_running() for each in heirs))
            assert child.state is State.STOPPED
        else:
            assert not await child.replace("--replace")
            assert (child.pid, child.state) == (first, State.RUNNING)
