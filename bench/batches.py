"""`python -m bench batches`: the user stage by size of the batches it is handed, kernels on and off; no Kafka."""

import time
from collections import defaultdict
from typing import Any

import click
import msgspec
import numpy as np

from bench.pipeline import DictRows
from streams.agents.catalogue import Catalogue
from streams.core import compiled
from streams.core.interests import UserStage
from streams.core.keys import partition_of
from streams.tools.produce import Produced
from streams.tools.simulate.job import job_events, job_facts
from streams.wire.records import Records

SIZES = (1, 10, 100, 1_000, 5_000)
END_MS = 1_790_000_000_000
PARTITIONS = 8
PER_COMMIT = 20_000


class Cost(msgspec.Struct):
    """CPU nanoseconds an event of one partition: reading, folding and collecting, by size of the batches."""

    size: int
    kernels: bool
    ns_per_event: float


@click.command("batches")
@click.option(
    "--events", default=1_000_000, show_default=True, type=click.IntRange(min=10_000), help="Of all partitions."
)
def command(events: int) -> None:
    """Measure what small batches cost. The first half of the events is warm-up."""
    logs = _logs(events)
    facts: dict[int, list[Produced]] = defaultdict(list)
    for record in job_facts(END_MS):
        facts[partition_of(record.key or b"", PARTITIONS)].append(record)
    catalogue = Catalogue(PARTITIONS)
    for partition, records in facts.items():
        catalogue.apply(partition, _records(records))
    costs = [Cost(size, on, round(_ns(logs, catalogue, size, on=on))) for size in SIZES for on in (True, False)]
    print(msgspec.json.encode(costs).decode())


def _logs(events: int) -> dict[str, Records]:
    """Records of partition 0 by topic, in one run."""
    found: dict[str, list[Produced]] = defaultdict(list)
    for record in job_events(events, END_MS):
        if partition_of(record.key or b"", PARTITIONS) == 0:
            found[record.topic].append(record)
    return {topic: _records(records) for topic, records in found.items()}


def _records(records: list[Produced]) -> Records:
    times = np.array([record.timestamp_ms for record in records], np.int64)
    offsets = np.arange(len(records), dtype=np.int64)
    return Records([record.key for record in records], [record.value for record in records], offsets, times)


def _ns(logs: dict[str, Records], catalogue: Catalogue, size: int, *, on: bool) -> float:
    compiled.switch(on=on)
    try:
        stage = UserStage(0, PARTITIONS, DictRows(), catalogue)
        _run(stage, {topic: log[: len(log) // 2] for topic, log in logs.items()}, PER_COMMIT)
        rest = {topic: log[len(log) // 2 :] for topic, log in logs.items()}
        if size * 200 < sum(map(len, rest.values())):  # tiny batches are measured on fewer events
            rest = {topic: log[: max(size * 200, 1_000)] for topic, log in rest.items()}
        began_ns = time.process_time_ns()
        _run(stage, rest, size)
        return (time.process_time_ns() - began_ns) / sum(map(len, rest.values()))
    finally:
        compiled.switch(on=True)


def _run(stage: Any, logs: dict[str, Records], size: int) -> None:
    for topic, log in logs.items():
        for at in range(0, len(log), size):
            stage.fold(topic, log[at : at + size])
        stage.collect(1)
