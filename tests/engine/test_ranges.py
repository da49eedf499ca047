"""Fetches that bring nothing of a partition and yet move on in it: no batch after them begins behind a hole."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from aiokafka import AIOKafkaProducer
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.ranges import Ranges
from tests.engine import toy
from tests.engine.toy_world import ToyWorld

PLACES = (TP("words", 0), TP("words", 1))
LOG = st.lists(st.booleans(), min_size=1, max_size=12)
"""Of each offset: whether a record is there that counts."""
STEP = st.one_of(
    st.tuples(st.just("fetch"), st.sampled_from([PLACES, PLACES[:1], PLACES[1:]]), st.integers(1, 4)),
    st.tuples(st.just("seek"), st.sampled_from(PLACES), st.integers(0, 11)),
    st.tuples(st.just("assign"), st.none(), st.none()),
    st.tuples(st.just("assign while fetching"), st.none(), st.none()),
)


class Log:
    """Two partitions and a consumer of them."""

    def __init__(self, logs: Sequence[list[bool]]) -> None:
        self.logs = dict(zip(PLACES, logs, strict=True))
        self.positions = dict.fromkeys(PLACES, 0)

    def fetch(self, places: Sequence[TP], most: int) -> dict[TP, list[int]]:
        """Up to `most` offsets of each; -> those of records."""
        found = {}
        for tp in places:
            begin = self.positions[tp]
            self.positions[tp] = max(begin, min(begin + most, len(self.logs[tp])))
            found[tp] = [at for at in range(begin, self.positions[tp]) if self.logs[tp][at]]
        return {tp: records for tp, records in found.items() if records}


@given(st.tuples(LOG, LOG), st.lists(STEP, max_size=25))
def test_batches_chain_unless_there_was_a_seek(
    logs: tuple[list[bool], list[bool]], steps: list[tuple[str, object, int]]
) -> None:
    log, ranges, assignment = Log(logs), Ranges(), object()
    continues = dict.fromkeys(PLACES, 0)
    """Where the next batch has to begin; -1: anywhere that leaves no record out."""
    for what, place, number in steps:
        if what == "fetch":
            before = dict(log.positions)
            found = log.fetch(place, number)  # type: ignore[arg-type]
            for tp, start in ranges.of(assignment, before, dict(log.positions), found).items():
                assert continues[tp] in (-1, start)
                assert [at for at in range(start, log.positions[tp]) if log.logs[tp][at]] == found[tp]
                continues[tp] = log.positions[tp]
        elif what == "seek":
            log.positions[place] = min(number, len(log.logs[place]))  # type: ignore[index]
            continues[place] = -1  # type: ignore[index]
        elif what == "assign":
            assignment, continues = object(), dict.fromkeys(PLACES, -1)
        else:
            continues = dict.fromkeys(PLACES, -1)
            assert ranges.of(None, {}, dict(log.positions), PLACES) == {}


async def test_aborted_records_and_markers_make_no_hole(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    world = ToyWorld(bootstrap, topic_prefix, tmp_path)
    await world.create()
    try:
        await world.start()
        await world.produce(100)
        await world.drained()
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic_prefix) as aborting:
            for _ in range(3):
                await aborting.begin_transaction()
                for number in range(toy.PARTITIONS):
                    await aborting.send_and_wait(f"{topic_prefix}words", b"z", b"k", partition=number)
                await aborting.abort_transaction()
                await asyncio.sleep(0.5)
                await world.produce(100)
                await world.drained()
        await world.check()
    finally:
        await world.stop()
    log = (tmp_path / "a.log").read_text("utf-8")
    assert "units-open" in log
    assert "hole" not in log
