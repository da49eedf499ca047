"""The kernels of counters give the same bytes as what stands in for them, and may take turns with it."""

import contextlib
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.compiled import compiled
from streams.core.counters import Counters
from streams.core.counters.names import NameIndex, index_of
from streams.core.tallies import Tally, pack, unpack
from streams.core.trends import TrendStage
from streams.testing.counter_world import FakeRecord, MemoryRows, World
from tests.core.kernels import version
from tests.core.test_tallies import TABLES, Table, tally_of

WORLDS = st.tuples(st.integers(0, 1 << 32), st.integers(1, 60))


class Recorded(World):
    """Keeps all that was sent. With `modes`, each step is taken with the kernels or without them by turns."""

    def __init__(self, seed: int, modes: Random | None = None) -> None:
        super().__init__(seed)
        self.sent: list[bytes | None] = []
        self.modes = modes

    def step(self) -> None:
        with version(kernels=self.modes.random() < 0.5) if self.modes else contextlib.nullcontext():
            super().step()

    def collect_videos(self) -> None:
        super().collect_videos()
        self.sent += [record.value for queue in self.queues for record in queue]


def outcome(seed: int, steps: int, modes: Random | None = None) -> tuple[object, ...]:
    world = Recorded(seed, modes)
    for _ in range(steps):
        world.step()
    world.settle()
    return [rows.tables for rows in world.rows], world.charts, world.sent


@given(WORLDS)
@settings(max_examples=40, deadline=None)
def test_stages_write_and_send_the_same_bytes(of: tuple[int, int]) -> None:
    with_kernels = outcome(*of)
    with version(kernels=False):
        assert outcome(*of) == with_kernels


@given(WORLDS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_both_versions_work_on_the_same_memory(of: tuple[int, int], modes: Random) -> None:
    assert outcome(*of, modes=modes)[:2] == outcome(*of)[:2]


@given(TABLES, st.integers(60, 400))
@settings(deadline=None)
def test_tallies_are_packed_alike(table: Table, limit_bytes: int) -> None:
    packed = pack(tally_of(table), limit_bytes)
    with version(kernels=False):
        assert pack(tally_of(table), limit_bytes) == packed


def _unpacked(value: bytes) -> Tally | str:
    try:
        return unpack(value)
    except ValueError as error:
        return str(error)


@given(TABLES, st.data())
@settings(max_examples=500, deadline=None)
def test_a_message_is_read_as_it_is_unpacked(table: Table, data: st.DataObject) -> None:
    value = bytearray(pack(tally_of(table), 1 << 20)[0])
    for _ in range(data.draw(st.integers(0, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    value = value[: data.draw(st.sampled_from([len(value), len(value) - 1, 43, 0]))]
    expected, counters = _unpacked(bytes(value)), Counters("trends", MemoryRows())
    kernel = compiled("counters_tally")
    message = None if kernel is None else kernel.read(bytes(value))
    slots = None if message is None else counters.find(message)
    if isinstance(expected, str):
        assert slots is None
    elif kernel is not None:
        assert message is not None
        assert slots is not None
        assert (message.origin, message.flush, message.watermark_ms) == expected[:3]
        assert [counters.names[slot] for slot in slots.tolist()] == expected.names
        for found, column in zip((message.per_name, message.codes, message.counts), expected[4:], strict=True):
            assert np.array_equal(found, column)


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=300), st.integers(0, 9))
@settings(deadline=None)
def test_names_are_found_as_in_a_dictionary(steps: list[tuple[int, bool]], length: int) -> None:
    names: list[bytes] = []
    index, twin, plain = index_of(names), dict[bytes, int](), NameIndex(names)
    for number, goes in steps:
        name = b"x" * length + b"%d" % number
        if name not in twin:
            twin[name] = len(names)
            names.append(name)
            index.add([name], [twin[name]])
            plain.add([name], [twin[name]])
        elif goes:
            slot = twin.pop(name)
            index.remove([slot])
            plain.remove([slot])
    asked = [b"x" * length + b"%d" % number for number in range(401)]
    assert index.find(asked).tolist() == plain.find(asked).tolist() == [twin.get(name, -1) for name in asked]
    assert len(index) == len(plain) == len(twin)


@pytest.mark.parametrize("name", [b"t" * 300 + b"\x00de", b"ta\x00" + b"r" * 300])
def test_names_too_long_for_the_kernel_count_too(name: bytes) -> None:
    tally = Tally(0, 1, 2, [name], np.array([1]), np.array([29_000_000]), np.array([[1, 2, 3]]))
    stage = TrendStage(0, 1, MemoryRows())
    stage.fold("trend-tallies", [FakeRecord(None, pack(tally)[0])])
    keys, values = stage.collect(1).rows["trends"]
    assert (keys, values[0]) == ([name, name[: name.index(b"\x00")] + b"\x00*"], values[1])


@pytest.mark.parametrize("names", [[b"va\x00de", b"va\x00de"], [b"va\x00de", b"vb\x00de", b"va\x00de"]])
def test_a_message_that_names_a_new_row_twice_gives_no_slots(names: list[bytes]) -> None:
    ones = np.ones(len(names), np.int64)
    value = pack(Tally(0, 1, 2, names, ones, 29_000_000 * ones, np.stack([ones] * 3, 1)))[0]
    stage = TrendStage(0, 1, MemoryRows())
    stage.fold("trend-tallies", [FakeRecord(None, value)])
    output = stage.collect(1)
    assert (output.rows, [rejected.detail for rejected in output.rejected]) == ({}, ["tally names a row twice"])


def test_new_rows_of_one_entity_share_a_star() -> None:
    names = [b"va\x00de", b"va\x00fr", b"vb\x00de", b"rde\x00de", b"rfr\x00fr"]
    ones = np.ones(len(names), np.int64)
    value = pack(Tally(0, 1, 2, names, ones, 29_000_000 * ones, np.stack([ones] * 3, 1)))[0]

    def rows() -> tuple[list[bytes], list[bytes | None]]:
        stage = TrendStage(0, 1, MemoryRows())
        stage.fold("trend-tallies", [FakeRecord(None, value)])
        return stage.collect(1).rows["trends"]

    found = rows()
    assert found[0] == [*names[:3], b"rde\x00*", b"rfr\x00*", b"va\x00*", b"vb\x00*"]
    with version(kernels=False):
        assert rows() == found
