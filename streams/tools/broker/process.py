"""The Kafka process: start and wait until it answers, stop, kill, pause."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

from streams.ops.tether import tethered
from streams.tools.broker import probe
from streams.tools.broker.config import Node, log4j2_yaml, server_properties
from streams.tools.broker.errors import BrokerError
from streams.tools.broker.format import format_storage
from streams.tools.broker.jars import fetch_jars
from streams.tools.broker.java import find_java
from streams.tools.broker.security import Security

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 8.0
POLL_S = 0.05
JVM_FLAGS = (
    "-Xms128m",
    # The page cache does the work; the heap holds little more than requests under way.
    "-Xmx640m",
    "-XX:+UseSerialGC",
    # The second compiler takes half a core for minutes, on a machine that the workers share, for a broker that seldom
    # runs for hours: a backlog of 2 M events costs it 9.4 s of CPU so, and 15 s with it.
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
)


class Broker:
    """One Kafka in one folder. Dies with the process (and thread) that started it, unless `detached`."""

    def __init__(
        self, data_dir: Path, *, port: int = 0, state_dir: Path | None = None, detached: bool = False,
        security: Security | None = None, node: Node | None = None, jvm_flags: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Name the folder and port (0: the one used last if it is free, else any); starts nothing.

        `node`: one of several, which have to start at the same time the first time; None: a cluster of its own.
        `jvm_flags`: more of them; of two that contradict each other, the last one holds.
        """
        self.data_dir = data_dir.absolute()
        self.port = port
        self.detached = detached
        self.security = security
        self.node = node
        self.jvm_flags = (*JVM_FLAGS, *jvm_flags)
        self._state_dir = (state_dir or data_dir).absolute()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """What clients connect to."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Kafka's own log."""
        return self.data_dir / "kafka.log"

    @property
    def pid(self) -> int:
        """Process id; 0 if it was not started."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start and wait until it answers -> bootstrap. BrokerError says in one line what stands in the way."""
        if self.running:
            return self.bootstrap
        self._claim_folder()
        self.port = self._choose_port()
        java = find_java().path
        jars = fetch_jars(self._state_dir)
        command = self._write_files(java, jars)
        self._launch(command)
        self._await_answer()
        return self.bootstrap

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End it in good order; after `timeout_s` by force."""
        if self._process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._owner_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it as a crash would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send a signal if the process lives."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end -> exit code; None if it still runs after `timeout_s` or never ran."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    @property
    def _owner_file(self) -> Path:
        return self.data_dir / "broker.json"

    def _claim_folder(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError(
                f"Cannot make {self.data_dir}: {error.strerror}. Use --data with a folder of yours."
            ) from error
        if not os.access(self.data_dir, os.W_OK):
            raise BrokerError(f"No permission to write {self.data_dir}: use --data with a folder of yours.")
        owner = self._last_owner()
        if _is_alive(owner):
            pid, port = owner["pid"], owner["port"]
            raise BrokerError(f"Kafka already runs in {self.data_dir} (pid {pid}, port {port}): stop it or use --data.")

    def _last_owner(self) -> dict[str, float]:
        # What a killed process left half written means the same as nothing.
        try:
            found = json.loads(self._owner_file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _choose_port(self) -> int:
        if self.port:
            if probe.is_free(self.port):
                return self.port
            raise BrokerError(f"Port {self.port} is in use: stop what listens there, or use --port 0 for any free one.")
        last = int(self._last_port())
        return last if last and probe.is_free(last) else probe.free_port()

    def _last_port(self) -> str:
        path = self.data_dir / "port"
        return path.read_text("utf-8").strip() if path.is_file() else "0"

    def _write_files(self, java: Path, jars: list[Path]) -> list[str]:
        properties = self.data_dir / "server.properties"
        log4j = self.data_dir / "log4j2.yaml"
        controller_port = self.node.controllers[self.node.number] if self.node else probe.free_port()
        told = server_properties(self.data_dir, self.port, controller_port, self.security, self.node)
        properties.touch(mode=0o600)
        properties.write_text(told, "utf-8")
        log4j.write_text(log4j2_yaml(self.log), "utf-8")
        (self.data_dir / "port").write_text(str(self.port), "utf-8")
        flags = [*self.jvm_flags, f"-Dlog4j2.configurationFile={log4j}"]
        flags += ["-cp", os.pathsep.join(map(str, jars))]
        users = self.security.format_arguments if self.security else ()
        format_storage([str(java), *flags], properties, self.data_dir / "logs", users)
        return [str(java), *flags, "kafka.Kafka", str(properties)]

    def _launch(self, command: list[str]) -> None:
        argv = command if self.detached else tethered(command)
        with (self.data_dir / "kafka.out").open("wb") as out:
            # A session of its own: Ctrl-C at the terminal reaches the one who started it, who then stops it in order.
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        owner = {"pid": self.pid, "port": self.port, "created": psutil.Process(self.pid).create_time()}
        self._owner_file.write_text(json.dumps(owner), "utf-8")

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not probe.answers("127.0.0.1", self.port, self.security):
            if not self.running:
                raise BrokerError(f"Kafka ended while starting: {self._reason()} (all of it in {self.log}).")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(
                    f"Kafka gave no answer for {START_TIMEOUT_S:.0f} s: see {self.log}; is the machine overloaded?"
                )
            time.sleep(POLL_S)

    def _reason(self) -> str:
        lines = []
        for path in (self.data_dir / "kafka.out", self.log):
            if path.is_file():
                lines += path.read_text("utf-8", "replace").splitlines()
        telling = [line for line in lines if " ERROR " in line or " FATAL " in line or "Exception" in line]
        return (telling or lines or ["no word"])[-1].strip()


def _is_alive(owner: dict[str, float]) -> bool:
    # A pid alone may belong to another process by now; together with its birth it names one.
    try:
        return bool(owner) and psutil.Process(int(owner["pid"])).create_time() == owner["created"]
    except (psutil.Error, KeyError):
        return False
