"""Nanoseconds of CPU an event by step, measured on the records of the run."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from bench.limits import Logs
from bench.pipeline import Pipeline
from bench.stopwatch import Place, Stopwatch
from streams.agents.trends import CHARTS_EVERY_S
from streams.engine.outgoing import BATCH_BYTES, Columns, batches
from streams.engine.store import LocalCopy

VIEWS = "streams.core.interests.views"
PARTS: dict[Place, str] = {
    (VIEWS, "read"): "read_views",
    (VIEWS, "_fresh"): "deduplicate_views",
    (VIEWS, "_remember"): "remember_views",
    (VIEWS, "_tell_videos"): "tally_views",
    (VIEWS, "_weigh"): "weigh_views",
    # With the kernel: all of the above but reading, in one pass.
    (VIEWS, "_fold_compiled"): "weigh_views",
}
"""Parts of the fold of views that are timed on their own."""
WHOLE = (
    "fold_likes", "fold_shares", "collect_users", "fold_video_tallies", "collect_videos", "fold_trend_tallies",
    "collect_trends", "record_batches",
)  # fmt: skip
"""Steps timed as a whole."""


class Pace(NamedTuple):
    """How the run went: what is done by the clock has its cost an event from it."""

    events_per_s: float
    events_per_commit: float
    """Of one partition."""
    sweep_s: float


class Steps(NamedTuple):
    """Nanoseconds an event by step, averages over all events, so that the steps add up.

    `warm`: of the second half of the events alone, when most users, videos and entities have been met.
    """

    all: dict[str, float]
    warm: dict[str, float]


async def measure(logs: Logs, facts: Logs, partitions: int, pace: Pace) -> Steps:
    """Run the records through the stages, in rounds as large as the commits of the run."""
    watch = Stopwatch()
    pipeline = Pipeline(partitions, {number: records for (_, number), records in facts.items()}, watch)
    batches, chart_events = _Batches(watch), CHARTS_EVERY_S * pace.events_per_s
    rounds = list(_rounds(logs, max(1, int(pace.events_per_commit * partitions))))
    before, waiting, published, done, half = Counter[str](), 0.0, 0, 0, 0
    with watch.standing_in(PARTS):
        for number, part in enumerate(rounds):
            if number == (len(rounds) + 1) // 2:
                before, half = watch.ns.copy(), done
            pipeline.round(part)
            batches.build(pipeline)
            done += (count := sum(map(len, part.values())))
            waiting += count
            if waiting >= chart_events or number == len(rounds) - 1:
                pipeline.publish_charts()
                waiting, published = 0, published + 1
    await batches.close()
    by_clock = {
        "charts": round(watch.ns["charts"] / published / chart_events, 1),
        # Rows that changed often are written once a sweep; a run shorter than a sweep has one.
        "store": round(_store_ns(pipeline) / max(done, pace.sweep_s * pace.events_per_s), 1),
    }
    return Steps(
        _per_event(watch.ns, done) | by_clock,
        _per_event(watch.ns - before, done - half) | by_clock if half else {},
    )


def _rounds(logs: Logs, events: int) -> Iterator[Logs]:
    total = sum(map(len, logs.values()))
    rounds = max(1, round(total / events))
    for i in range(rounds):
        yield {
            place: records[len(records) * i // rounds : len(records) * (i + 1) // rounds]
            for place, records in logs.items()
        }


def _per_event(ns: Counter[str], events: int) -> dict[str, float]:
    """Steps that do not contain one another; those done by the clock are left out."""
    steps = {
        "read_views": ns["read_views"],
        "deduplicate_views": ns["deduplicate_views"] + ns["remember_views"],
        "weigh_views": ns["weigh_views"],
        "other_views": ns["fold_views"] - sum(ns[step] for step in set(PARTS.values())),
        "tally_views": ns["tally_views"],
        **{step: ns[step] for step in WHOLE},
    }
    # Some steps are one pass of the kernel, which the others then are not.
    return {step: round(total / events, 1) for step, total in steps.items() if total}


class _Batches:
    """Kafka record batches of what a round wrote, built as the producer of a unit builds them."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch
        # Never started: it only hands out builders.
        self._producer: Any = AIOKafkaProducer(max_batch_size=BATCH_BYTES, enable_idempotence=True)

    def build(self, pipeline: Pipeline) -> None:
        with self._watch.time("record_batches"):
            for output in pipeline.outputs:
                for keys, values in output.rows.values():
                    if keys:
                        self._append((list(keys), list(values)))
                for send in output.sends:
                    self._append(([send.key], [send.value]))

    async def close(self) -> None:
        await self._producer.stop()

    def _append(self, pairs: Any) -> None:
        for batch in batches(self._producer, Columns(pairs[0], pairs[1], []), 0):
            batch._set_producer_state(0, 0, 0)
            batch._build()


def _store_ns(pipeline: Pipeline) -> int:
    """One sweep of all rows into local copies, with RocksDB's own threads."""
    with TemporaryDirectory() as folder:
        began = time.process_time_ns()
        for number, rows in enumerate(pipeline.rows):
            copy = LocalCopy(Path(folder) / str(number), list(rows.tables), "bench", len(pipeline.rows), 64 << 20)
            for _ in copy.take(rows.tables, {}):
                pass
            copy.close()
        return time.process_time_ns() - began
