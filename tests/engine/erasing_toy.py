"""The toy with deletions: the word `erase` deletes the row of its key. Arguments as those of `tests.engine.toy`.

TOY_OLDEST_S: age in seconds at which a local copy is rebuilt, instead of days.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from streams.engine import store
from tests.engine import toy

ERASE = b"erase"


class ByKey(toy.ByKey):
    """A count of 0 is no row."""

    def fold(self, topic: str, records: Sequence[Any]) -> None:
        for record in records:
            if record.value == ERASE:
                self.counts[record.key] = 0
                self.dirty.add(record.key)
            else:
                super().fold(topic, [record])

    def collect(self, flush: int) -> toy.Output:
        output = super().collect(flush)
        keys, values = output.rows[self.table]
        output.rows[self.table] = (keys, [None if value == b"0" else value for value in values])
        return output


if __name__ == "__main__":
    toy.ByKey = ByKey  # type: ignore[misc]
    if "TOY_OLDEST_S" in os.environ:
        store.OLDEST_S = float(os.environ["TOY_OLDEST_S"])
    toy.main(sys.argv[1:])
