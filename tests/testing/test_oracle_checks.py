"""The oracle's checks and those of arrival, written apart, agree on every record."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.arrival import Where, arrive
from streams.core.keys import partition_of
from streams.core.ports import Rejected
from streams.core.reasons import Reason
from streams.testing.oracle.checks import SOURCES, UnusableError, check
from streams.tools.audit.log import Entry
from streams.tools.schema_samples import BAD, GOOD

PARTITIONS = 4
FIELDS = sorted({name for sample in GOOD.values() if sample.value for name in json.loads(sample.value)})
ODD: list[Any] = [
    "", "x" * 64, "x" * 65, "x" * 16, "x" * 17, "*", "a\u0000b", "\n", "\ud800", " ", None, -1, 0, 1, 1.5, True, [],
    {}, (1 << 31) - 1, 1 << 31, (1 << 43) - 1, 1 << 43, 1 << 70, -0.1, ["a", "a"], ["a"] * 17, ["t\u0007"], "public",
    "like", [str(n) for n in range(16)], [str(n) for n in range(17)], "banned", "teen", float("nan"),
]  # fmt: skip
good = st.sampled_from([(sample.topic, sample.key, json.loads(sample.value or "null")) for sample in GOOD.values()])


def agreed(topic: str, entry: Entry, partition: int) -> Reason | None:
    """What both say: the reason, or None for a record that can be used (then the values are equal too)."""
    found = arrive(Where(topic, partition, PARTITIONS), entry)
    folded = found.reason if isinstance(found, Rejected) else None
    value, reason = None, None
    try:
        value = check(topic, entry, partition, PARTITIONS)
    except UnusableError as error:
        reason = error.reason
    assert folded == reason
    if reason is None:
        assert found == value
    return reason


@given(
    good, st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(ODD), max_size=3), st.sets(st.sampled_from(FIELDS))
)
@settings(max_examples=400, deadline=None)
def test_odd_fields(sample: tuple[str, str | None, Any], changes: dict[str, Any], dropped: set[str]) -> None:
    topic, key, fields = sample
    drop = dropped if len(dropped) < 2 else set()
    changed = None if fields is None else {k: v for k, v in (fields | changes).items() if k not in drop}
    name = changed.get("user", key) if changed and isinstance(changed.get("user", key), str) else key
    raw = (name or "").encode("utf-8", "replace")
    value = None if changed is None else json.dumps(changed).encode()
    agreed(topic, Entry(raw, value, 0, 0), partition_of(raw, PARTITIONS))


@given(st.sampled_from(SOURCES), st.none() | st.binary(max_size=80), st.none() | st.binary(max_size=200))
@example("views", b"u", b'{"id":"\xff","user":"u","video":"v","at_ms":1,"watch_ms":1}')
@example("videos", b"\xff", None)
@example("views", b"u", b'{"a":' * 3000)
@example("accounts", b"", b"{}")
@settings(max_examples=300, deadline=None)
def test_any_bytes(topic: str, key: bytes | None, value: bytes | None) -> None:
    for partition in range(PARTITIONS):
        agreed(topic, Entry(key, value, 0, 0), partition)


@pytest.mark.parametrize("reason", BAD, ids=str)
def test_samples(reason: Reason) -> None:
    sample = BAD[reason]
    key = None if sample.key is None else sample.key.encode()
    value = None if sample.value is None else sample.value.encode()
    right = partition_of(key or b"", PARTITIONS)
    partition = (right + 1) % PARTITIONS if reason == Reason.WRONG_PARTITION else right
    assert agreed(sample.topic, Entry(key, value, 0, 0), partition) == reason
