"""The reader and the command against a real Kafka."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient

from streams.core.events import VideoFacts
from streams.core.keys import IDENTITY, topic_hash
from streams.core.params import SLOW_HALF_LIFE_MS
from streams.core.published import Chart, ChartEntry
from streams.core.rows import UserRow
from streams.ops.topic_admin import apply_topics
from streams.serving.layout import PartitionCountError
from streams.serving.reader import TableReader
from streams.serving.service import Service
from streams.serving.state import ReaderState
from streams.settings import Settings
from streams.tools.broker import Broker
from tests.serving.builders import NOW_MS, PARTITIONS, client, commit, partition

BASE = "import sys; from streams.serving.main import command; sys.argv[0] = 'serve'; command()"
CATS = topic_hash("tag", "cats")
Message = tuple[str, int, bytes | None, bytes | None]


@pytest.fixture
async def settings(bootstrap: str, topic_prefix: str) -> Settings:
    made = Settings(broker_url=bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS)
    await apply_topics(bootstrap, made)
    return made


@asynccontextmanager
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(bootstrap_servers=settings.broker_url, transactional_id=f"{settings.topic_prefix}t")
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def send(to: AIOKafkaProducer, settings: Settings, messages: Iterable[Message]) -> int:
    """One transaction -> the offset behind the last record."""
    for topic, number, key, value in messages:
        sent = await to.send_and_wait(settings.topic_prefix + topic, value, key, partition=number)
    return int(sent.offset) + 1


async def write(settings: Settings, views: int, flush: int) -> None:
    """A unit's transaction as the engine writes it: rows, then the commit."""
    at = partition("eve")
    epoch = NOW_MS // SLOW_HALF_LIFE_MS
    row = UserRow(views=views, fast_epoch=0, slow_epoch=epoch, last_ms=NOW_MS, positive=[(CATS, 0.0, 3.0)])
    facts = VideoFacts("ann", "beat", ("cats",), "pets", 9_000, "en", 0)
    entry = ChartEntry("cats", 5, 5, 0, 0)
    chart = Chart(kind="tag", scope="*", window="1h", partition=1, watermark_ms=NOW_MS, entries=[entry])
    async with producer(settings) as to:
        async with to.transaction():
            facts_end = await send(to, settings, [("videos", at, b"v1", msgspec.json.encode(facts))])
            await send(to, settings, [("charts", 1, b"tag|*|1h|1", msgspec.json.encode(chart))])
            rows: list[Message] = [("interests", at, IDENTITY, b"{}"), ("interests", at, b"eve", row.encode())]
            end = await send(to, settings, rows)
            # The position of a worker is behind the marker that ends this transaction.
            positions = {"views": 0, "videos": facts_end + 1}
            made = commit(at, flush, tables={"interests": end}, positions=positions, watermark_ms=NOW_MS)
            await send(to, settings, [("commits", at, str(at).encode(), msgspec.json.encode(made))])
        await to.begin_transaction()
        await send(to, settings, [("interests", at, b"eve", UserRow(views=999).encode())])
        await to.abort_transaction()


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.05)


async def until(http: httpx.AsyncClient, path: str, field: str, value: object) -> httpx.Response:
    async with asyncio.timeout(60):
        while True:
            answer = await http.get(path)
            found = answer.json()
            for name in field.split("."):
                found = found.get(name) if isinstance(found, dict) else None
            if found == value:
                return answer
            await asyncio.sleep(0.05)


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    service = Service(ReaderState(settings.partitions))
    task = asyncio.create_task(TableReader(settings, service).run())
    try:
        async with client(service) as http:
            yield http
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_committed_rows_are_read_through_http(settings: Settings) -> None:
    await write(settings, views=5, flush=1)
    async with reading(settings) as http:
        await until(http, "/readyz", "status", "ok")
        user = (await http.get("/v1/users/eve/interests")).json()
        assert user["counts"]["views"] == 5
        assert [(i["kind"], i["name"]) for i in user["interests"]] == [("tag", "cats")]
        assert user["as_of"]["flush"] == 1
        assert 0 <= user["as_of"]["lag_s"] < 30
        trending = (await http.get("/v1/trending/tag")).json()
        assert [entry["id"] for entry in trending["entries"]] == ["cats"]
        await write(settings, views=6, flush=2)
        answer = await until(http, "/v1/users/eve/interests", "as_of.flush", 2)
        assert answer.json()["counts"]["views"] == 6


async def test_an_empty_cluster_is_ready_at_once(settings: Settings) -> None:
    async with reading(settings) as http:
        await until(http, "/readyz", "status", "ok")
        assert (await http.get("/v1/users/eve/interests")).status_code == 404


async def test_no_topic_has_to_be_looked_up_by_itself(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that the client was not told of at the start is a wait and a retry before the reader is ready."""
    missed = list[str]()
    monkeypatch.setattr(AIOKafkaClient, "add_topic", lambda _, topic: missed.append(topic))
    async with reading(settings) as http:
        await until(http, "/readyz", "status", "ok")
    assert missed == []


async def test_missing_topics_are_named_and_waited_for(bootstrap: str, topic_prefix: str) -> None:
    settings = Settings(broker_url=bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS)
    async with reading(settings) as http:

        async def named() -> bool:
            return "no such topics" in (await http.get("/v1/videos/v")).text

        await eventually(named)
        await apply_topics(bootstrap, settings)
        await until(http, "/readyz", "status", "ok")


async def test_topics_with_other_partitions_end_the_reader(settings: Settings) -> None:
    wrong = settings.model_copy(update={"partitions": PARTITIONS + 1})
    reader = TableReader(wrong, Service(ReaderState(wrong.partitions)))
    with pytest.raises(PartitionCountError, match="STREAMS_PARTITIONS"):
        async with asyncio.timeout(20):
            await reader.run()


async def test_topics_made_anew_are_read_from_their_start(settings: Settings) -> None:
    await write(settings, views=5, flush=9)
    async with reading(settings) as http:
        await until(http, "/v1/users/eve/interests", "counts.views", 5)
        await make_anew(settings, "interests")
        await until(http, "/v1/users/eve/interests", "status", 404)


async def make_anew(settings: Settings, topic: str) -> None:
    name = settings.topic_prefix + topic
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker_url)
    await admin.start()
    try:
        await admin.delete_topics([name])

        async def gone() -> bool:
            return name not in await admin.list_topics()

        await eventually(gone)
        await admin.create_topics([NewTopic(name, settings.partitions, 1)])
    finally:
        await admin.close()


async def test_the_command_prints_its_url_and_ends_on_sigterm(settings: Settings) -> None:
    process = await run_command(settings, "--port", "0")
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None, line
    async with httpx.AsyncClient(base_url=found.group()) as http:
        await until(http, "/readyz", "status", "ok")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        assert await process.wait() == 0


async def test_a_port_in_use_is_refused_with_the_remedy(settings: Settings) -> None:
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    process = await run_command(settings, "--port", str(port))
    _, error = await asyncio.wait_for(process.communicate(), 20)
    taken.close()
    assert process.returncode == 78
    assert f"{port}: Address already in use" in error.decode()
    assert "--port" in error.decode()


async def run_command(settings: Settings, *arguments: str) -> asyncio.subprocess.Process:
    environ = {
        **os.environ,
        "STREAMS_BROKER_URL": settings.broker_url or "",
        "STREAMS_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMS_PARTITIONS": str(settings.partitions),
    }
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", BASE, *arguments, env=environ, stdout=pipe, stderr=pipe
    )


async def test_an_outage_is_waited_out_and_answers_go_on(tmp_path: Path, topic_prefix: str) -> None:
    own = Broker(tmp_path, state_dir=Settings().state_dir)
    url = await asyncio.to_thread(own.start)
    settings = Settings(broker_url=url, topic_prefix=topic_prefix, partitions=PARTITIONS, ready_lag_s=2.0)
    try:
        await apply_topics(own.bootstrap, settings)
        await write(settings, views=5, flush=1)
        async with reading(settings) as http:
            await until(http, "/readyz", "status", "ok")
            await asyncio.to_thread(own.kill)
            await until(http, "/readyz", "status", "not-ready")
            late = (await http.get("/v1/users/eve/interests")).json()
            assert late["counts"]["views"] == 5
            assert late["as_of"]["lag_s"] > 0
            await asyncio.to_thread(own.start)
            await until(http, "/readyz", "status", "ok")
            await write(settings, views=6, flush=2)
            await until(http, "/v1/users/eve/interests", "counts.views", 6)
    finally:
        await asyncio.to_thread(own.stop)
