"""What a run folds: the recorded interactions, or simulated ones."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.tools.produce import Produced
from streams.tools.replay.cli import Replay
from streams.tools.simulate.stream import Plan, stream
from streams.tools.simulate.world import Size, make_world

REPLAY_TAKES_S = 180.0
"""A replay without a speed given takes about this long: long enough to watch."""
USERS_TO_TRY = 40
"""Users whose interests may be shown; some are minors or private and not served."""


class Input(NamedTuple):
    """Records to write. `records` makes them anew for a run id; `speed` 0: as fast as it goes."""

    name: str
    records: Callable[[str], Iterator[Produced]]
    speed: float
    users: list[str]


def replayed(replay: Replay, speed: float | None) -> Input:
    """The recorded interactions; without a speed, one at which they take three minutes."""
    chosen = replay.span_s / REPLAY_TAKES_S if speed is None else speed
    return Input("replaying the KuaiRand sample", replay.records, chosen, replay.busiest_users(USERS_TO_TRY))


def simulated(events: int, seed: int, partitions: int, speed: float | None) -> Input:
    """So many events of the simulated world, as fast as they can be written unless a speed is given."""

    def plan(run_id: str) -> Plan:
        end_ms = int(time.time() * 1000)
        size = Size.for_events(events)
        return Plan(events=events, seed=seed, size=size, end_ms=end_ms, run_id=run_id, partitions=partitions)

    world = make_world(Size.for_events(events), seed, 0)
    users = [world.users[at] for at in (-world.user_mass).argsort()[:USERS_TO_TRY]]
    return Input(f"simulating {events:,} events", lambda run_id: stream(plan(run_id)), speed or 0.0, users)
