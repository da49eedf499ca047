"""When which fault happens: a pure function of the seed, so that a failed run can be had again."""

import random
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

SESSION_S = 6.0
"""Session timeout of the workers: a zombie sleeps longer than that."""
CALM_S = 6.0
LAST_S = 3.0
"""No fault begins so soon after the start or before the end."""
BROKER_FROZEN_S = 20.0


class Fault(StrEnum):
    """What is done. Faults of a worker choose one of those that run; `SAVE` keeps its local copy for `OLD`."""

    KILL = "kill"
    FREEZE = "freeze"
    TERM = "term"
    REPLACE = "replace"
    JOIN = "join"
    LEAVE = "leave"
    SAVE = "save"
    DELETE = "delete"
    TRUNCATE = "truncate"
    FLIP = "flip"
    OLD = "old"
    BROKER_KILL = "broker-kill"
    BROKER_FREEZE = "broker-freeze"


DISKS = (Fault.DELETE, Fault.TRUNCATE, Fault.FLIP, Fault.OLD)
"""Faults of the local copy of a worker that was killed and has not started again."""


class Step(NamedTuple):
    """One fault, `at_s` after the start. `draw` in [0, 1) picks the victim; `lasts_s` is how long it is kept up."""

    at_s: float
    fault: Fault
    draw: float
    lasts_s: float = 0.0


def pick(draw: float, count: int) -> int:
    """The place that a draw means among `count` candidates (1 or more)."""
    return min(int(draw * count), count - 1)


def make_schedule(seed: int, seconds: float, workers: int) -> tuple[Step, ...]:
    """All faults of a run by time. A kill at least every 10 s; the broker suffers once in 60 to 90 s."""
    rng = random.Random(seed)
    last_s = seconds - LAST_S
    steps = _kills(rng, workers, last_s) + _third_worker(rng, last_s) + _broker(rng, last_s)
    for at_s in _times(rng, 16.0, (24.0, 36.0), last_s - SESSION_S):
        steps.append(Step(at_s, Fault.FREEZE, rng.random(), SESSION_S + rng.uniform(2.0, 5.0)))
    for at_s in _times(rng, 24.0, (35.0, 55.0), last_s):
        steps.append(Step(at_s, Fault.TERM, rng.random(), rng.uniform(0.0, 8.0)))
    for at_s in _times(rng, 30.0, (40.0, 60.0), last_s):
        steps.append(Step(at_s, Fault.REPLACE, rng.random()))
    return tuple(sorted(steps))


def _times(rng: random.Random, first_s: float, gap_s: tuple[float, float], last_s: float) -> Iterator[float]:
    at_s = first_s + rng.uniform(0.0, min(gap_s[0] / 2, 12.0))
    while at_s <= last_s:
        yield at_s
        at_s += rng.uniform(*gap_s)


def _kills(rng: random.Random, workers: int, last_s: float) -> list[Step]:
    """The first ones keep a copy of each worker's disk; of the others, one in three damages it, in all four ways."""
    steps: list[Step] = []
    disks: list[Fault] = []
    # Below 10 s, with room for a victim that has to be waited for.
    for turn, at_s in enumerate(_times(rng, CALM_S, (7.0, 9.5), last_s)):
        if turn < workers:
            steps.append(Step(at_s, Fault.SAVE, (turn + 0.5) / workers))
        elif turn % 3 == 0:
            disks = disks or rng.sample(DISKS, len(DISKS))
            steps.append(Step(at_s, disks.pop(), rng.random(), rng.uniform(0.0, 3.0)))
        else:
            steps.append(Step(at_s, Fault.KILL, rng.random()))
    return steps


def _third_worker(rng: random.Random, last_s: float) -> list[Step]:
    steps = []
    for turn, at_s in enumerate(_times(rng, 10.0, (18.0, 32.0), last_s)):
        steps.append(Step(at_s, Fault.LEAVE if turn % 2 else Fault.JOIN, rng.random()))
    return steps


def _broker(rng: random.Random, last_s: float) -> list[Step]:
    steps = []
    for turn, at_s in enumerate(_times(rng, 26.0, (60.0, 90.0), last_s)):
        if turn % 2 == 0:
            steps.append(Step(at_s, Fault.BROKER_KILL, rng.random(), rng.uniform(0.0, 3.0)))
        elif at_s <= last_s - BROKER_FROZEN_S:
            steps.append(Step(at_s, Fault.BROKER_FREEZE, rng.random(), BROKER_FROZEN_S))
    return steps
