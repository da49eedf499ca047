"""A broker with topics, and processes of the product on it, for measurements from the outside."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from bench.errors import BenchError
from streams.ops.tether import tethered
from streams.settings import Settings, load_settings, variable
from streams.tools.broker import Broker

READY_WITHIN_S = 120.0
STOP_S = 20.0


def environment(settings: Settings) -> dict[str, str]:
    """STREAMS_* of a process with these settings (those that were given)."""
    given = {variable(name): str(getattr(settings, name)) for name in settings.model_fields_set}
    return {**given, variable("log_format"): "json"}


@contextmanager
def serving(environ: Mapping[str, str], port: int, log: Path) -> Iterator[int]:
    """A read service on this port, ready -> its process id."""
    command = tethered([sys.executable, "-m", "streams", "serve", "--port", str(port)])
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=dict(environ))
    try:
        _await_ready(f"http://127.0.0.1:{port}/readyz", process, log)
        yield process.pid
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM, within_s: float = STOP_S) -> None:
    """Send the signal, and SIGKILL if it does not end in time."""
    process.send_signal(number)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def own_cluster(**given: Any) -> Iterator[tuple[Settings, Path]]:
    """A broker in a folder that is gone afterwards -> settings for it (with those given), the folder."""
    cache = load_settings().state_dir
    with TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        with Broker(folder / "kafka", state_dir=cache) as broker:
            yield Settings(broker_url=broker.bootstrap, state_dir=folder / "state", **given), folder


def _await_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise BenchError(f"the read service ended ({process.returncode}): {log.read_text('utf-8')[-300:]}")
        try:
            with urlopen(url, timeout=STOP_S):  # noqa: S310  # our own service on loopback
                return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    raise BenchError(f"the read service was not ready in {READY_WITHIN_S:.0f} s")
