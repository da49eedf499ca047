"""Records, commits and services with fixed times, for tests of the read side."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import msgspec

from streams.core.keys import partition_of
from streams.core.published import Commit
from streams.serving.app import build_app
from streams.serving.commits import SentCommit
from streams.serving.looks import Look
from streams.serving.service import READER, Service
from streams.serving.state import COMMITS, ReaderState
from streams.wire.records import Records

PARTITIONS = 4
NOW_MS = 1_760_000_000_000


@dataclass(frozen=True)
class FakeRecord:
    """A record as the reader sees it."""

    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = NOW_MS
    headers: tuple[()] = ()


def batch(*records: FakeRecord) -> Records:
    return Records.of(records)


def commit(
    partition: int,
    flush: int,
    *,
    tables: Mapping[str, int] | None = None,
    positions: Mapping[str, int] | None = None,
    folded: Mapping[str, Mapping[int, int]] | None = None,
    behind: Mapping[str, int] | None = None,
    watermark_ms: int = NOW_MS - 5_000,
    sent: Mapping[str, Mapping[int, int]] | None = None,
) -> SentCommit:
    return SentCommit(
        sent=_by_text(sent or {}),
        partition=partition,
        flush=flush,
        positions=dict(positions or {}),
        tables=dict(tables or {}),
        folded=_by_text(folded or {}),
        watermark_ms=watermark_ms,
        behind=dict(behind or {}),
    )


def _by_text(flushes: Mapping[str, Mapping[int, int]]) -> dict[str, dict[str, int]]:
    return {topic: {str(p): flush for p, flush in of_topic.items()} for topic, of_topic in flushes.items()}


def feed_commit(state: ReaderState, made: Commit, time_ms: int = NOW_MS - 1_000) -> None:
    record = FakeRecord(str(made.partition).encode(), msgspec.json.encode(made), made.flush, time_ms)
    state.apply(COMMITS, made.partition, batch(record))


def feed_rows(
    state: ReaderState, table: str, partition: int, rows: Mapping[bytes, bytes | None], first: int = 0
) -> None:
    records = [FakeRecord(key, value, first + i) for i, (key, value) in enumerate(rows.items())]
    state.apply(table, partition, batch(*records))


def service(*, ready: bool = True) -> Service:
    made = Service(ReaderState(PARTITIONS), now_ms=lambda: NOW_MS, opened=ready)
    if not ready:
        made.health.not_ready(READER, "17 records to read")
    return made


def look(at_ms: int, ends: Mapping[tuple[str, int], int]) -> Look:
    return Look(at_ms, dict(ends))


def partition(name: str) -> int:
    return partition_of(name.encode(), PARTITIONS)


def client(of: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=build_app(of), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://reader")
