"""The toy with bugs: `python -m tests.engine.buggy_toy ...` as `tests.engine.toy`.

The first stage raises on the word `boom`, the second on `bang`. TOY_DIES_AT=n: the process vanishes instead of raising
for the n-th time. TOY_RAISES=n: it raises n times, then the bug is gone.
"""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from tests.engine import toy

BOOM, BANG = b"boom", b"bang"
DIES_AT, RAISES = int(os.environ.get("TOY_DIES_AT", "0")), int(os.environ.get("TOY_RAISES", "1000000"))


class Bug:
    """Raises, and counts how often."""

    raised = 0

    def __call__(self, words: Sequence[Any], bad: bytes) -> None:
        if bad in words and self.raised < RAISES:
            self.raised += 1
            if self.raised == DIES_AT:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ZeroDivisionError(f"cannot weigh {bad.decode()}")


BUG = Bug()


class ByKey(toy.ByKey):
    """Half of the records are folded before it fails."""

    def fold(self, topic: str, records: Sequence[Any]) -> None:
        super().fold(topic, records[: len(records) // 2])
        BUG([record.value for record in records], BOOM)
        super().fold(topic, records[len(records) // 2 :])


class ByWord(toy.ByWord):
    """Fails on a tally."""

    def fold(self, topic: str, records: Sequence[Any]) -> None:
        BUG([record.key for record in records], BANG)
        super().fold(topic, records)


if __name__ == "__main__":
    toy.ByKey, toy.ByWord = ByKey, ByWord  # type: ignore[misc]
    toy.main(sys.argv[1:])
