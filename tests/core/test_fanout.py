"""What waits on routes reaches the entities of the facts, summed, in the partition of each."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.events import VideoFacts
from streams.core.fanout import NOWHERE, OWN_REGION, SEPARATOR, Fanout, entities_of, joined
from streams.core.keys import partition_of
from streams.core.panes import TOTAL_ONLY
from streams.core.tallies import unpack
from tests.core.kernels import each_version  # noqa: F401 - runs everything here twice

PARTITIONS = 3
ENTITIES = st.lists(st.sampled_from([b"va", b"tx", b"ty", b"cz", OWN_REGION]), max_size=5, unique=True).map(tuple)
REGIONS = st.sampled_from([b"de", b"fr", b"unknown"])
COUNTS = st.tuples(*[st.integers(-3, 3)] * 3)
CELLS = st.lists(st.tuples(ENTITIES, REGIONS, st.sampled_from([29_000_000, 29_000_001, TOTAL_ONLY]), COUNTS))
Cell = tuple[tuple[bytes, ...], bytes, int, tuple[int, int, int]]
Sums = dict[tuple[bytes, int], tuple[int, ...]]


def expected(cells: list[Cell]) -> Sums:
    found: dict[tuple[bytes, int], Counter[int]] = {}
    for entities, region, code, counts in cells:
        for entity in entities:
            name = b"r" + region if entity == OWN_REGION else entity
            found.setdefault((name + b"\x00" + region, code), Counter()).update(dict(enumerate(counts)))
    return {cell: (sums[0], sums[1], sums[2]) for cell, sums in found.items()}


def received(packed: dict[int, list[bytes]]) -> Sums:
    found: Sums = {}
    for partition, messages in packed.items():
        for tally in map(unpack, messages):
            assert tally[:3] == (1, 2, 3)
            names = [name for name, n in zip(tally.names, tally.per_name.tolist(), strict=True) for _ in range(n)]
            for name, code, counts in zip(names, tally.codes.tolist(), tally.counts.tolist(), strict=True):
                assert partition_of(name.split(b"\x00")[0], PARTITIONS) == partition
                assert (name, code) not in found
                found[name, code] = tuple(counts)
    return found


@given(rounds=st.lists(CELLS, max_size=3), forget=st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_entity_gets_what_its_routes_carry(rounds: list[list[Cell]], forget: bool) -> None:
    routes = Fanout(PARTITIONS)
    for cells in rounds:
        for entities, region, code, counts in cells:
            add(routes, routes.route(joined(entities), region), code, counts)
        assert received(routes.take(1, 2, 3)) == expected(cells)
        assert routes.take(1, 2, 3) == {}
        if forget:
            routes.forget()


def add(routes: Fanout, route: int, code: int, counts: tuple[int, ...]) -> None:
    routes.add(np.array([route]), np.array([1]), np.array([code]), np.array([counts], np.int64))


def test_a_video_counts_for_all_that_its_facts_name() -> None:
    facts = VideoFacts(
        creator="c", sound="s", tags=("x", "y"), category="g", duration_ms=9, language="l", published_ms=1
    )
    assert set(entities_of(b"a", facts).split(SEPARATOR)) == {b"va", b"cc", b"ss", b"gg", b"tx", b"ty", OWN_REGION}


def test_no_entities_are_nowhere() -> None:
    routes = Fanout(PARTITIONS)
    assert routes.route(b"", b"de") == NOWHERE
    assert routes.route(b"va", b"de") != NOWHERE
