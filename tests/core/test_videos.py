"""The stages of videos and trends against their naive twins, in a random world."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.keys import parse_entity_key, partition_of, split_key, video_row_key
from streams.core.panes import TOTAL_ONLY
from streams.core.readout import cut
from streams.core.reasons import Reason
from streams.core.rows import CounterRow, FactsRow
from streams.core.tallies import unpack
from streams.core.videos import EMPTY_TALLY_EVERY, VideoStage
from streams.testing.counter_world import PARTITIONS, FakeRecord, MemoryRows, World, live_regions, tally_message
from tests.core.kernels import each_version  # noqa: F401 - runs everything here twice

FACTS = b"""{"creator":"c","sound":"s","tags":["x"],"category":"g","duration_ms":9,"language":"l","published_ms":1}"""
WORLDS = st.tuples(st.integers(0, 1 << 32), st.integers(1, 60))


def settled(seed: int, steps: int) -> World:
    world = World(seed)
    for _ in range(steps):
        world.step()
    world.settle()
    return world


@given(WORLDS)
@settings(max_examples=60, deadline=None)
def test_rows_are_byte_equal_to_the_naive_twins(of: tuple[int, int]) -> None:
    world = settled(*of)
    for (video, region), counter in world.naive_videos.rows.items():
        table = world.rows[partition_of(video.encode(), PARTITIONS)].tables["videos-table"]
        assert table[video_row_key(video, region)] == counter.row.encode()
    stored = {key: value for rows in world.rows for key, value in rows.tables.get("trends", {}).items()}
    assert stored == {key: counter.row.encode() for key, counter in world.naive_trends.rows.items()}


@given(WORLDS)
@settings(max_examples=30, deadline=None)
def test_facts_rows_tell_the_facts_and_the_regions(of: tuple[int, int]) -> None:
    world = settled(*of)
    for p, rows in enumerate(world.rows):
        for key, value in rows.tables.get("videos-table", {}).items():
            video, region = split_key(key)
            if region:
                continue
            row = FactsRow.decode(value)
            assert partition_of(video.encode(), PARTITIONS) == p
            assert row.facts == world.naive_videos.facts.get(video)
            assert row.regions == sorted(r for v, r in world.naive_videos.rows if v == video)
            assert row.live == bool(world.naive_videos.entities(video, "de"))


@given(WORLDS)
@settings(max_examples=40, deadline=None)
def test_an_entity_counts_what_its_live_videos_count(of: tuple[int, int]) -> None:
    world = settled(*of)
    for rows in world.rows:
        for key, value in rows.tables.get("trends", {}).items():
            entity = parse_entity_key(key)
            found = cut(CounterRow.decode(value), world.watermark_ms)
            parts = [world.naive_videos.rows[at].row for at in live_regions(world, entity)]
            parts = [cut(part, world.watermark_ms) for part in parts]
            assert found.totals == tuple(sum(part.totals[i] for part in parts) for i in range(3))
            assert found.minutes == _added([part.minutes for part in parts])
            assert found.hours == _added([part.hours for part in parts])


def _added(parts: list[dict[int, tuple[int, int, int]]]) -> dict[int, tuple[int, int, int]]:
    panes = {pane for part in parts for pane in part}
    total = {pane: tuple(sum(part.get(pane, (0, 0, 0))[i] for part in parts) for i in range(3)) for pane in panes}
    return {pane: (counts[0], counts[1], counts[2]) for pane, counts in total.items()}


def one_video() -> tuple[VideoStage, MemoryRows]:
    rows = MemoryRows()
    return VideoStage(0, 1, rows), rows


def told(*cells: tuple[bytes, int, tuple[int, int, int]], flush: int = 1, watermark_ms: int = 5) -> list[FakeRecord]:
    messages = tally_message(3, flush, watermark_ms, {(name, code): counts for name, code, counts in cells})
    return [FakeRecord(None, message) for message in messages]


def test_counts_wait_for_late_facts_also_over_a_restart() -> None:
    stage, rows = one_video()
    stage.fold("video-tallies", told((b"v\x00de", TOTAL_ONLY, (2, 1, 0))))
    first = stage.collect(1)
    rows.write(first)
    assert first.sends == []
    assert FactsRow.decode(rows.tables["videos-table"][b"v\x00"]) == FactsRow(-1, False, None, ["de"])
    stage = VideoStage(0, 1, rows)
    stage.fold("videos", [FakeRecord(b"v", FACTS, 8)])
    (send,) = stage.collect(2).sends
    tally = unpack(send.value or b"")
    assert sorted(tally.names) == [b"cc\x00de", b"gg\x00de", b"rde\x00de", b"ss\x00de", b"tx\x00de", b"vv\x00de"]
    assert tally.counts.tolist() == [[2, 1, 0]] * 6
    assert (tally.origin, tally.flush) == (0, 2)


def test_a_new_tag_moves_only_between_the_tags() -> None:
    stage, _ = one_video()
    stage.fold("videos", [FakeRecord(b"v", FACTS, 8)])
    stage.fold("video-tallies", told((b"v\x00de", 29_000_000, (2, 1, 0))))
    stage.collect(1)
    stage.fold("videos", [FakeRecord(b"v", FACTS.replace(b'"x"', b'"y"'), 9)])
    (send,) = stage.collect(2).sends
    tally = unpack(send.value or b"")
    signs = {b"tx\x00de": [[-2, -1, 0]] * 3, b"ty\x00de": [[2, 1, 0]] * 3}
    assert set(tally.names) == set(signs)
    assert tally.counts.tolist() == [counts for name in tally.names for counts in signs[name]]


def test_identical_facts_only_move_the_offset() -> None:
    stage, _ = one_video()
    stage.fold("videos", [FakeRecord(b"v", FACTS, 8)])
    stage.fold("video-tallies", told((b"v\x00de", 29_000_000, (2, 1, 0))))
    stage.collect(1)
    stage.fold("videos", [FakeRecord(b"v", FACTS, 9)])
    output = stage.collect(2)
    keys, values = output.rows["videos-table"]
    assert (keys, output.sends) == ([b"v\x00"], [])
    assert FactsRow.decode(values[0] or b"").offset == 9


def test_the_greatest_flush_of_each_origin_and_the_watermark_are_told() -> None:
    stage, _ = one_video()
    stage.fold("videos", [FakeRecord(b"v", FACTS, 8)])
    cell = (b"v\x00de", 29_000_000, (1, 0, 0))
    stage.fold("video-tallies", [*told(cell, flush=6, watermark_ms=70), *told(cell, flush=7, watermark_ms=60)])
    output = stage.collect(1)
    assert output.folded == {"video-tallies": {3: 7}}
    assert unpack(output.sends[0].value or b"").watermark_ms == 70
    assert stage.collect(2).folded == {}


def test_every_fourth_flush_tells_all_partitions_the_watermark() -> None:
    stage = VideoStage(0, 64, MemoryRows())
    reached = []
    for flush in range(1, 2 * EMPTY_TALLY_EVERY + 1):
        stage.fold("video-tallies", told((b"v\x00de", 29_000_000, (1, 0, 0)), watermark_ms=flush))
        sends = stage.collect(flush).sends
        assert {unpack(send.value or b"").watermark_ms for send in sends} <= {flush}
        reached.append(len({send.partition for send in sends}))
    assert reached == [0, 0, 0, 64] * 2


@pytest.mark.parametrize("value", [None, b"", b"nonsense", told()[0].value or b"x" * 2])
def test_what_is_no_tally_is_set_aside(value: bytes | None) -> None:
    stage, _ = one_video()
    broken = value and value[:-1]
    stage.fold("video-tallies", [FakeRecord(None, broken)])
    output = stage.collect(1)
    assert [rejected.reason for rejected in output.rejected] == [Reason.BAD_TALLY]
    assert output.folded == {}
    assert stage.collect(2).rejected == []


def test_bad_facts_are_set_aside_and_the_applied_ones_stay() -> None:
    stage, rows = one_video()
    stage.fold("videos", [FakeRecord(b"v", FACTS, 8), FakeRecord(b"v", b"{", 9)])
    output = stage.collect(1)
    rows.write(output)
    assert [rejected.reason for rejected in output.rejected] == [Reason.MALFORMED_JSON]
    assert FactsRow.decode(rows.tables["videos-table"][b"v\x00"]).offset == 8


def test_a_count_below_zero_stops_the_stage() -> None:
    stage, _ = one_video()
    stage.fold("video-tallies", told((b"v\x00de", 29_000_000, (-1, 0, 0))))
    with pytest.raises(ValueError, match="below zero"):
        stage.collect(1)
