"""Runs a history through the user stage with random batches, collects, evictions and restarts."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streams.core.interests import UserStage
from streams.core.ports import Output
from streams.core.tallies import unpack
from streams.testing.naive_user import NaiveUsers
from streams.testing.user_world import PARTITIONS, DictRows, FakeCatalogue, FakeRecord, Step

Cells = dict[tuple[str, str, int], list[int]]


@dataclass(slots=True)
class Run:
    rows: DictRows = field(default_factory=DictRows)
    cells: Cells = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    outputs: list[Output] = field(default_factory=list)
    evicted: int = 0

    def take(self, output: Output) -> None:
        self.rows.take(output)
        self.outputs.append(output)
        for send in output.sends:
            assert send.value is not None
            tally = unpack(send.value)
            names = [n for n, k in zip(tally.names, tally.per_name.tolist(), strict=True) for _ in range(k)]
            for name, code, counts in zip(names, tally.codes.tolist(), tally.counts.tolist(), strict=True):
                video, region = name.decode().split("\x00")
                cell = self.cells[video, region, code]
                self.cells[video, region, code] = [a + b for a, b in zip(cell, counts, strict=True)]


def batches(steps: Sequence[Step], most: int, rng: random.Random) -> Iterator[list[Step]]:
    """Cuts the history into runs of one topic, of at most `most` steps."""
    batch: list[Step] = []
    limit = rng.randint(1, most)
    for step in steps:
        if batch and (batch[0].topic != step.topic or len(batch) >= limit):
            yield batch
            batch, limit = [], rng.randint(1, most)
        batch.append(step)
    if batch:
        yield batch


def run(steps: Sequence[Step], *, seed: int = 0, most: int = 50, trouble: float = 0.0) -> Run:
    """`trouble`: how often, between batches, rows are collected, evicted, or the stage is built anew."""
    rng, catalogue, result = random.Random(seed), FakeCatalogue(), Run()
    stage = UserStage(1, PARTITIONS, result.rows, catalogue)
    flush = 0
    for batch in batches(steps, most, rng):
        if batch[0].topic == "learn":
            for step in batch:
                if step.learned:
                    catalogue.learn(*step.learned)
        else:
            records: list[FakeRecord] = [step.record for step in batch]
            stage.fold(batch[0].topic, records)
        if rng.random() < trouble:
            flush += 1
            result.take(stage.collect(flush))
            result.evicted += stage.evict(rng.randrange(8))
            if rng.random() < 0.3:
                stage = UserStage(1, PARTITIONS, result.rows, catalogue)
    result.take(stage.collect(flush + 1))
    return result


def naive(steps: Sequence[Step]) -> NaiveUsers:
    catalogue = FakeCatalogue()
    users = NaiveUsers(catalogue)
    for step in steps:
        if step.learned:
            catalogue.learn(*step.learned)
            users.resolve(step.learned[0])
        else:
            users.fold(step.topic, step.record)
    return users
