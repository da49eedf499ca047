"""Why a worker ended itself, counted over its restarts: nobody can scrape a process that is gone."""

import json
from collections import Counter
from pathlib import Path

from streams.ops.metrics import METRICS

NAME = "exits.json"
COMMIT_FAILED = "commit-failed"
CAUSES = ("fenced", "timeout", "failed")
REASONS = (
    "batch-too-large", "changelog-unreadable", COMMIT_FAILED, "commit-too-old", "copy-failed", "disk-full",
    "event-loop-blocked", "folder-in-use", "handler-fails-often", "kept-unit-moved", "meaning-differs", "no-progress",
    "offsets-differ", "opening-failed", "row-refused", "source-shrunk", "source-trimmed", "tables-lost",
    "tally-refused", "topic-gone-bad", "topics-not-assigned", "transaction-without-end", "worker-id-taken",
)  # fmt: skip


class ExitCounts:
    """A small JSON file beside the local copies: {"no-progress": 2, "commit-failed/fenced": 1}."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def read(self) -> Counter[str]:
        """What was counted; empty if there is no file, or one that was cut off."""
        try:
            found = json.loads(self._path.read_text("utf-8"))
            return Counter({str(name): int(count) for name, count in found.items()})
        except (OSError, ValueError, AttributeError):
            return Counter()

    def note(self, event: str, cause: str = "") -> None:
        """Count one end. A full disk must not keep the process from ending: then it is not counted."""
        counts = self.read()
        counts[f"{event}/{cause}" if cause else event] += 1
        draft = self._path.with_suffix(".new")
        try:
            draft.write_text(json.dumps(counts), "utf-8")
            draft.replace(self._path)
        except OSError:
            return

    def export(self) -> None:
        """Put it into the metrics; once, at the start of the process."""
        for reason in REASONS:
            METRICS.exits.labels(reason=reason)
        for cause in CAUSES:
            METRICS.transaction_failures.labels(reason=cause)
        for name, count in self.read().items():
            event, _, cause = name.partition("/")
            METRICS.exits.labels(reason=event).inc(count)
            if event == COMMIT_FAILED:
                METRICS.transaction_failures.labels(reason=cause or CAUSES[-1]).inc(count)
