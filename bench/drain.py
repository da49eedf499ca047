"""Waits until the backlog has gone through all three hops."""

import time
from collections.abc import Callable
from typing import NamedTuple

from bench.errors import BenchError
from streams.tools.run.caught_up import CaughtUp
from streams.tools.run.watch import Watch

LOOK_S = 0.2
STUCK_S = 120.0


class Drained(NamedTuple):
    """Instants in seconds since 1970, as the broker stamped the commits.

    `first_s`: first commit with events, of which it had `first_events`. `last_s`: the commit that completed the last
    hop. `transactions` counts all commits.
    """

    first_s: float
    first_events: int
    last_s: float
    transactions: int
    dead_letters: int


async def drain(watch: Watch, events: int, check: Callable[[], None], on_progress: Callable[[int], None]) -> Drained:
    """Look at `commits` until everything is folded. BenchError if nothing moves for two minutes."""
    caught_up, moved_s, newest = CaughtUp(), time.monotonic(), 0
    while True:
        await watch.look(LOOK_S)
        check()
        folding = watch.folding
        on_progress(folding.events)
        last_ms = folding.history[-1][0] if folding.history else 0
        if last_ms > newest:
            moved_s, newest = time.monotonic(), last_ms
        if time.monotonic() - moved_s > STUCK_S:
            raise BenchError(f"no commit for {STUCK_S:.0f} s: {folding.events:,} of {events:,} events are folded")
        # The check reads topics while something is left: not before it is likely to succeed.
        if folding.events >= events and not folding.behind() and await caught_up.check(watch):
            break
    transactions = sum(commit.flush for commit in folding.commits.values())
    return Drained(folding.began_ms / 1000, folding.began_at, last_ms / 1000, transactions, watch.dead_letters)
