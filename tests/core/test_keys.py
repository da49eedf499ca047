"""Hashes of keys, one at a time and many at once."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.compiled import switch
from streams.core.keys import murmur2, murmur2_many, partition_of, partitions_of

# From the tests of Kafka's Java client.
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", KNOWN)
def test_murmur2_is_that_of_kafka(key: bytes) -> None:
    assert murmur2(key) == KNOWN[key] % (1 << 32)


@pytest.fixture(scope="module", params=[True, False], ids=["kernel", "numpy"], autouse=True)
def kernel(request: pytest.FixtureRequest) -> Iterator[None]:
    switch(on=request.param)
    yield
    switch(on=True)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 100))
def test_many_keys_at_once(keys: list[bytes], partitions: int) -> None:
    assert murmur2_many(keys).tolist() == [murmur2(key) for key in keys]
    assert partitions_of(keys, partitions).tolist() == [partition_of(key, partitions) for key in keys]


def test_nul_bytes_at_the_end_count() -> None:
    keys = [b"a", b"a\x00", b"a\x00\x00\x00", b"a\x00\x00\x00\x00", b"", b"\x00"]
    assert murmur2_many(keys).tolist() == [murmur2(key) for key in keys]
    assert len(set(murmur2_many(keys).tolist())) == len(keys)
