"""Records set aside: their dead letters, and the stop when a topic turned bad as a whole."""

from collections import deque
from typing import Any

from streams.engine.api import Options
from streams.engine.exits import ExitCode, leave
from streams.engine.transaction import Message


class DeadLetters:
    """Those of one partition number."""

    def __init__(self, options: Options, number: int) -> None:
        self.options = options
        self.number = number
        self._bad: dict[str, deque[tuple[int, int]]] = {}

    def letter(self, rejected: Any) -> Message:
        """The original bytes, with the reason in headers."""
        topic, record = rejected.topic, rejected.record
        self._watch_bad(topic, record)
        position = f"{topic}:{self.number}:{record.offset}"
        headers = [
            ("reason", str(rejected.reason).encode()),
            ("detail", rejected.detail.encode()),
            ("topic", topic.encode()),
            ("partition", str(self.number).encode()),
            ("offset", str(record.offset).encode()),
            ("timestamp", str(record.timestamp).encode()),
        ]
        if record.key is not None:
            headers.append(("key", record.key))
        headers += [(f"original-{name}", value) for name, value in record.headers]
        dead_letters = self.options.topic_prefix + self.options.dead_letters_topic
        return Message(dead_letters, self.number, position.encode(), record.value, headers)

    def _watch_bad(self, topic: str, record: Any) -> None:
        """A topic that turned bad as a whole stops the worker before anything of this flush is committed."""
        options = self.options
        recent = self._bad.setdefault(topic, deque(maxlen=options.bad_limit))
        recent.append((record.offset, record.timestamp))
        records, took_ms = record.offset - recent[0][0] + 1, record.timestamp - recent[0][1]
        if options.accept_bad or len(recent) < options.bad_limit:
            return
        if records <= options.bad_window and took_ms <= options.bad_within_s * 1000:
            remedy = "mend the producer, then start again; or start with --accept-bad to set all of them aside"
            leave(
                ExitCode.STOP, "topic-gone-bad", topic=topic, partition=self.number, offset=record.offset,
                bad=len(recent), of_last=records, do=remedy,
            )  # fmt: skip
