"""A domain that the engine has never heard of: count words by key, pass the counts on, count them by word.

Run as a process: `python -m tests.engine.toy BOOTSTRAP PREFIX STATE_DIR [OPTION=VALUE ...]`.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from streams.engine.api import Options, RowReader, Stage
from streams.engine.app import App
from streams.engine.process import Worker
from streams.engine.watchdog import Watchdog
from streams.ops.logs import configure

PARTITIONS = 4
TOPICS = ("words", "rules", "passed", "by-key", "by-word", "commits", "dead-letters")


class Send(NamedTuple):
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class Bad(NamedTuple):
    topic: str
    record: Any
    reason: str
    detail: str


@dataclass
class Output:
    rows: dict[str, tuple[list[bytes], list[bytes | None]]] = field(default_factory=dict)
    sends: list[Send] = field(default_factory=list)
    rejected: list[Bad] = field(default_factory=list)
    folded: dict[str, dict[int, int]] = field(default_factory=dict)


class Counter:
    """Counts in a table, evictable."""

    watermark_ms = 0

    def __init__(self, table: str, rows: RowReader) -> None:
        self.table, self.rows = table, rows
        self.counts: dict[bytes, int] = {}
        self.dirty: set[bytes] = set()
        self.bad: list[Bad] = []

    def add(self, key: bytes, amount: int) -> None:
        if key not in self.counts:
            value = self.rows.get_many(self.table, [key])[0]
            self.counts[key] = int(value) if value else 0
        self.counts[key] += amount
        self.dirty.add(key)

    def collect(self, flush: int) -> Output:
        del flush
        keys = sorted(self.dirty)
        self.dirty.clear()
        rejected, self.bad = self.bad, []
        return Output({self.table: (keys, [b"%d" % self.counts[key] for key in keys])}, [], rejected)

    def has_work(self) -> bool:
        return False

    def resident(self) -> int:
        return len(self.counts)

    def pinned(self) -> int:
        return 0

    def evict(self, rows: int) -> int:
        clean = [key for key in self.counts if key not in self.dirty][:rows]
        for key in clean:
            del self.counts[key]
        return len(clean)


class ByKey(Counter):
    """Topic `words`: key -> number of words, words passed on; `rules` raise what a word counts from then on."""

    def __init__(self, rows: RowReader) -> None:
        super().__init__("by-key", rows)
        self.passed: dict[bytes, int] = {}
        self.worth = 1

    def fold(self, topic: str, records: Sequence[Any]) -> None:
        for record in records:
            if topic == "rules":
                self.worth = int(record.value)
            elif not record.value.isalpha():
                self.bad.append(Bad(topic, record, "not-a-word", repr(record.value)))
            else:
                self.add(record.key, self.worth)
                self.passed[record.value] = self.passed.get(record.value, 0) + 1

    def collect(self, flush: int) -> Output:
        output = super().collect(flush)
        passed, self.passed = self.passed, {}
        output.sends = [Send("passed", sum(word) % PARTITIONS, word, b"%d" % n) for word, n in passed.items()]
        return output


class ByWord(Counter):
    """Topic `passed`: word -> total."""

    def __init__(self, rows: RowReader) -> None:
        super().__init__("by-word", rows)

    def fold(self, topic: str, records: Sequence[Any]) -> None:
        del topic
        for record in records:
            self.add(record.key, int(record.value))


def build(options: Options) -> App:
    session_s = float(os.environ.get("TOY_SESSION_S", "6"))
    app = App(options, broker_session_timeout=session_s, broker_heartbeat_interval=session_s / 6,
              broker_rebalance_timeout=10.0, broker_request_timeout=20.0)  # fmt: skip
    app.engine.add(Stage("keys", ("words", "rules"), ("by-key",), lambda _, rows, __: ByKey(rows),
                         frozenset({"rules"}), frozenset({"rules"})))  # fmt: skip
    app.engine.add(Stage("words", ("passed",), ("by-word",), lambda _, rows, __: ByWord(rows),
                         internal=frozenset({"passed"})))  # fmt: skip

    @app.agent(app.batch_topic("words", "rules"), name="keys")
    async def keys(polls: Any) -> None:
        async for polled in polls:
            await app.engine.take(polled)

    @app.agent(app.batch_topic("passed"), name="words")
    async def words(polls: Any) -> None:
        async for polled in polls:
            await app.engine.take(polled)

    app.companions.append(Watchdog(app.engine))
    return app


def options(bootstrap: str, prefix: str, state_dir: Path, **more: Any) -> Options:
    return Options(
        bootstrap, "toy", PARTITIONS, state_dir, prefix, {"version": 1}, **{"instance": state_dir.name} | more
    )


def main(argv: list[str]) -> None:
    """Run one worker until it is told to stop."""
    configure("console", "info")
    given = {name: float(value) if "." in value else int(value) for name, value in (a.split("=") for a in argv[3:])}
    Worker(build(options(argv[0], argv[1], Path(argv[2]), **given)), quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1:])
