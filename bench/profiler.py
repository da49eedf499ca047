"""The costliest functions of the worker under load, if py-spy is installed."""

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError

RATE = 200
SHOWN = 10
WAIT_S = 30
WAITING = (".select (selectors.py)", "Condition.wait (threading.py)")
"""Where threads wait: under load py-spy takes some of that for work."""
_LINE = re.compile(r":\d+\)$")


@contextmanager
def profiled(pid: int, stacks: Path) -> Iterator[None]:
    """Sample the process while the block runs, into a file of collapsed stacks."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise BenchError("--profile needs py-spy: pip install py-spy")
    command = [found, "record", "--format", "raw", "--rate", str(RATE), "--pid", str(pid), "--output", str(stacks)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(WAIT_S)


def costliest(stacks: str) -> list[str]:
    """Lines for people: by own time over all functions, then by time with callees over the project's."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        names = [_LINE.sub(")", frame) for frame in frames.split(";")]
        if names[-1].endswith(WAITING):
            continue
        own[names[-1]] += int(count)
        for name in {name for name in names if "streams/" in name}:
            whole[name] += int(count)
    total = max(own.total(), 1)
    lines = [f"own time, of {total} samples"]
    lines += [f"  {100 * count / total:5.1f} %  {name}" for name, count in own.most_common(SHOWN)]
    lines.append("with callees, functions of the project")
    return lines + [f"  {100 * count / total:5.1f} %  {name}" for name, count in whole.most_common(3 * SHOWN)]
