"""How long nothing went on, from the times of the commits."""

from collections.abc import Iterable, Mapping
from itertools import pairwise


def longest_gap_s(times_ms: Iterable[int], begin_ms: int, end_ms: int) -> float:
    """Longest time without one of these times between two others, in seconds."""
    inside = sorted(at_ms for at_ms in times_ms if begin_ms < at_ms < end_ms)
    edges = [begin_ms, *inside, max(begin_ms, end_ms)]
    return max(after - before for before, after in pairwise(edges)) / 1000


def longest_stalls_s(commits_ms: Mapping[int, list[int]], begin_ms: int, end_ms: int) -> tuple[float, float]:
    """-> (longest time without any commit, longest time without one of a single partition), in seconds."""
    every = longest_gap_s((at for times in commits_ms.values() for at in times), begin_ms, end_ms)
    return every, max((longest_gap_s(times, begin_ms, end_ms) for times in commits_ms.values()), default=every)
