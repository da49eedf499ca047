"""Dead letters: parsed, counted, shown, and sent back once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from click.testing import CliRunner

from streams.core.keys import partition_of
from streams.tools.audit.log import Entry
from streams.tools.dead_letters import cli, letters
from streams.tools.dead_letters.retry import send_back

T = 1_700_000_000_000


def entry(topic: str, offset: int, reason: str, *, key: bytes | None = b"u", value: bytes | None = b"{") -> Entry:
    headers = [
        ("reason", reason.encode()), ("detail", b"at byte 1"), ("topic", topic.encode()), ("partition", b"3"),
        ("offset", str(offset).encode()), ("timestamp", str(T + offset).encode()), ("original-trace", b"abc"),
    ]  # fmt: skip
    headers += [("key", key)] if key is not None else []
    return Entry(f"{topic}:3:{offset}".encode(), value, offset, T + 99, tuple(headers))


def marker(letter_id: str) -> Entry:
    return Entry(letter_id.encode(), None, 99, T + 100, (("state", b"retried"),))


LOG = [
    entry("views", 1, "malformed-json"),
    entry("views", 2, "malformed-json"),
    entry("likes", 3, "bad-op", value=b'{"op": "love"}'),
    entry("views", 4, "no-key", key=None),
    marker("views:3:2"),
    Entry(b"not a letter", b"", 9, T),
]


def test_parse_takes_the_record_back_out() -> None:
    found = letters.parse(LOG)
    assert list(found) == ["views:3:1", "views:3:2", "likes:3:3", "views:3:4"]
    one = found["likes:3:3"]
    assert (one.key, one.value, one.timestamp, one.offset) == (b"u", b'{"op": "love"}', T + 3, 3)
    assert one.headers == (("trace", b"abc"),)
    assert [letter.retried for letter in found.values()] == [False, True, False, False]


def test_filters_and_counts() -> None:
    found = letters.parse(LOG).values()
    assert [one.offset for one in letters.choose(found, reason="malformed-json", waiting=True)] == [1]
    assert [one.offset for one in letters.choose(found, topic="likes")] == [3]
    assert letters.counts(found) == [
        ("malformed-json", "views", 2, 1), ("bad-op", "likes", 1, 0), ("no-key", "views", 1, 0),
    ]  # fmt: skip


def test_render_survives_any_bytes() -> None:
    (letter,) = letters.parse([entry("views", 1, "malformed-json", key=b"\xff", value=b"\xfe{")]).values()
    lines = letters.render(letter)
    assert lines[-1] == "\\xfe{"
    assert "key        \\xff" in lines
    assert "state      waiting" in lines


class FakeProducer:
    """Keeps what was sent inside transactions; `fail_at` breaks the n-th send."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.committed: list[tuple[str, dict[str, Any]]] = []
        self.open: list[tuple[str, dict[str, Any]]] | None = None
        self.fail_at = fail_at

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        self.open = []
        yield
        self.committed += self.open
        self.open = None

    def transaction(self) -> Any:
        return self._transaction()

    async def send_and_wait(self, topic: str, **record: Any) -> None:
        assert self.open is not None, "sent outside a transaction"
        if self.fail_at is not None and len(self.open) >= self.fail_at:
            raise OSError("broker gone")
        self.open.append((topic, record))


def test_retry_sends_record_and_marker_together_and_once() -> None:
    producer = FakeProducer()
    found = letters.parse(LOG)
    assert asyncio.run(send_back(producer, list(found.values()), partitions=8, prefix="x-")) == 3
    assert [topic for topic, _ in producer.committed] == [
        "x-views", "x-dead-letters",
        "x-likes", "x-dead-letters", "x-views", "x-dead-letters",
    ]  # fmt: skip
    record = producer.committed[0][1]
    assert (record["key"], record["value"], record["timestamp_ms"]) == (b"u", b"{", T + 1)
    assert record["partition"] == partition_of(b"u", 8)
    assert record["headers"] == [("trace", b"abc")]
    assert producer.committed[4][1]["partition"] == 3
    markers = [
        Entry(record["key"], record["value"], n, T, tuple(record["headers"]))
        for n, (topic, record) in enumerate(producer.committed)
        if topic == "x-dead-letters"
    ]
    again = letters.parse([*LOG, *markers])
    assert all(letter.retried for letter in again.values())
    assert asyncio.run(send_back(producer, list(again.values()), partitions=8, prefix="")) == 0


def test_a_retry_that_breaks_leaves_nothing_behind() -> None:
    producer = FakeProducer(fail_at=1)
    with pytest.raises(OSError, match="broker gone"):
        asyncio.run(send_back(producer, list(letters.parse(LOG).values()), partitions=8, prefix=""))
    assert producer.committed == []


@pytest.mark.parametrize("arguments", [["retry"], ["retry", "views:3:1", "--all"]])
def test_retry_wants_to_know_which(arguments: list[str]) -> None:
    found = CliRunner().invoke(cli.command, arguments)
    assert found.exit_code == 2
    assert "ids" in found.output


def test_without_a_cluster_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMS_BROKER_URL", raising=False)
    found = CliRunner().invoke(cli.command, ["list"])
    assert found.exit_code == 78
    assert "STREAMS_BROKER_URL" in found.output
