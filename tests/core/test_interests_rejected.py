"""Records that the user stage sets aside, and what lies around them."""

import json
from typing import Any

import pytest

from streams.core import arrival
from streams.core.arrival import Where
from streams.core.interests import reactions, views
from streams.core.keys import partition_of
from streams.core.ports import Record
from streams.core.reasons import Reason
from streams.testing.user_world import PARTITIONS, FakeRecord
from tests.core.user_bench import ANNA, BERT, Bench

BAD_VIEWS = [
    ({"at_ms": -1}, Reason.BAD_TIME),
    ({"at_ms": 2**70}, Reason.BAD_TIME),
    ({"watch_ms": 2**31}, Reason.BAD_WATCH_TIME),
    ({"duration_ms": 0}, Reason.BAD_DURATION),
    ({"duration_ms": -1}, Reason.BAD_DURATION),
    ({"duration_ms": 2**31}, Reason.BAD_DURATION),
    ({"id": ""}, Reason.BAD_ID),
    ({"id": "x" * 65}, Reason.BAD_ID),
    ({"video": "a\x00"}, Reason.BAD_VIDEO),
    ({"region": "*"}, Reason.BAD_REGION),
    ({"surface": "x" * 17}, Reason.BAD_SURFACE),
    ({"session": ""}, Reason.BAD_SESSION),
    ({"session": "\n"}, Reason.BAD_SESSION),
    ({"user": BERT}, Reason.KEY_MISMATCH),
    ({"watch_ms": "1"}, Reason.WRONG_TYPE),
]


@pytest.mark.parametrize(("fields", "reason"), BAD_VIEWS)
def test_one_bad_view_is_set_aside_and_the_rest_of_the_batch_counts(
    bench: Bench, fields: dict[str, Any], reason: Reason
) -> None:
    good = bench.view(1), bench.view(3, user=BERT)
    bad = bench.view(2)
    bad = bad._replace(value=json.dumps({**json.loads(bad.value or b""), **fields}).encode())
    bench.stage.fold("views", [good[0], bad, good[1]])
    output = bench.collect()
    assert [(r.topic, r.record, r.reason) for r in output.rejected] == [("views", bad, reason)]
    assert (bench.row(ANNA).views, bench.row(BERT).views) == (1, 1)
    assert bench.collect().rejected == []


@pytest.mark.parametrize("topic", ["views", "likes"])
def test_a_bad_record_among_many_sends_only_its_neighbours_one_by_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    looked_at: list[Record] = []

    def arrive(where: Where, record: Record) -> Any:
        looked_at.append(record)
        return arrival.arrive(where, record)

    monkeypatch.setattr(views, "arrive_view", arrive)
    monkeypatch.setattr(reactions, "LIKES", reactions.LIKES._replace(arrive=arrive))
    records = [bench.view(i) if topic == "views" else bench.like(i) for i in range(1000)]
    records[700] = records[700]._replace(value=b"{")
    bench.stage.fold(topic, records)
    assert [rejected.record for rejected in bench.collect().rejected] == [records[700]]
    assert 0 < len(looked_at) <= 64
    assert getattr(bench.row(), topic) == len(records) - 1


def test_strange_records_leave_no_rows(bench: Bench) -> None:
    elsewhere = next(f"w{i}" for i in range(99) if partition_of(f"w{i}".encode(), PARTITIONS) != 1)
    records = [
        bench.view(user=elsewhere), FakeRecord(None, b"{}"), FakeRecord(b"\xff", b"{}"), FakeRecord(b"a", None),
        FakeRecord(ANNA.encode(), b'{"x":' + b"[" * 9_000), FakeRecord(ANNA.encode(), b" " * 20_000),
    ]  # fmt: skip
    for topic in ("views", "likes", "shares", "feedback"):
        bench.stage.fold(topic, records)
        output = bench.collect()
        assert len(output.rejected) == len(records)
        assert output.rows == {}
        assert output.sends == []
