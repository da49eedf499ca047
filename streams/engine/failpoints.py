"""Named points at which a test can make the process vanish, as kill -9 would. Off unless the environment names one."""

import os
import signal

VARIABLE = "STREAMS_FAILPOINT"
POINTS = (
    "begun",
    "collected",
    "announced",
    "sent",
    "acked",
    "commit-record",
    "offsets",
    "committed",
    "sweep-half",
    "swept",
    "evicted",
    "fenced",
    "restored",
)


class Failpoint:
    """`name:n` kills the process the n-th time it passes `name`; checked with one comparison when off."""

    def __init__(self, setting: str | None) -> None:
        name, _, count = (setting or "").partition(":")
        if name and name not in POINTS:
            raise ValueError(f"{VARIABLE}={setting!r}: no such point; one of {', '.join(POINTS)}")
        self.name = name
        self.left = int(count or 1)

    def hit(self, name: str) -> None:
        if name != self.name:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


FAILPOINT = Failpoint(os.environ.get(VARIABLE))
hit = FAILPOINT.hit
