"""`streams rebuild` cut off between two of its steps, or in the middle of one: run again, it ends where it should."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from click.testing import CliRunner, Result

from streams.ops.acls import ALL, SOURCES, TALLIES, group
from streams.ops.topic_admin import apply_topics, check_topics
from streams.settings import Settings
from streams.tools.rebuild import steps
from streams.tools.rebuild.cli import command
from streams.tools.rebuild.steps import DERIVED, Cluster
from streams.topics import topic_name

PARTITIONS = 1
RECORDS = 3
FILLED = (*SOURCES, "interests", "trends", *TALLIES, "commits")
TRIMMED = 1
"""Records of `views` that retention took."""


class CutOffError(Exception):
    """Stands for kill -9."""


@pytest.fixture
def settings(bootstrap: str, topic_prefix: str) -> Settings:
    return Settings(broker_url=bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS, app_id="cut")


def places(settings: Settings, names: Iterable[str]) -> list[TopicPartition]:
    return [TopicPartition(topic_name(settings, name), number) for name in names for number in range(PARTITIONS)]


async def populate(settings: Settings) -> None:
    """Records in every topic, and the group's offsets behind them: what workers leave."""
    await apply_topics(str(settings.broker_url), settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker_url)
    await producer.start()
    sent = [
        await producer.send(place.topic, b"value", b"key", place.partition)
        for place in places(settings, FILLED)
        for _ in range(RECORDS)
    ]
    await asyncio.gather(*sent)
    await producer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker_url)
    await admin.start()
    await admin.delete_records({place: RecordsToDelete(TRIMMED) for place in places(settings, ["views"])})
    await admin.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker_url, group_id=group(settings), enable_auto_commit=False
    )
    await consumer.start()
    folded = places(settings, (*SOURCES, *TALLIES))
    consumer.assign(folded)
    await consumer.commit(dict.fromkeys(folded, RECORDS))
    await consumer.stop()


async def left(settings: Settings) -> tuple[dict[str, int], dict[str, int]]:
    """(records by topic, the group's offsets by topic), each the same in all partitions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker_url, group_id=group(settings), enable_auto_commit=False
    )
    await consumer.start()
    try:
        everything = places(settings, ALL)
        begins, ends = await consumer.beginning_offsets(everything), await consumer.end_offsets(everything)
        names = {topic_name(settings, name): name for name in ALL}
        records = {(names[place.topic], ends[place] - begins[place]) for place in everything}
        folded = places(settings, (*SOURCES, *TALLIES))
        offsets = {(names[place.topic], await consumer.committed(place)) for place in folded}
    finally:
        await consumer.stop()
    assert (len(records), len(offsets)) == (len(ALL), len(SOURCES) + len(TALLIES)), (records, offsets)
    return dict(records), dict(offsets)


REBUILT = (
    dict.fromkeys(SOURCES, RECORDS) | {"views": RECORDS - TRIMMED} | dict.fromkeys(DERIVED, 0),
    dict.fromkeys((*SOURCES, *TALLIES), 0) | {"views": TRIMMED},
)


def cut_after(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, calls: int) -> None:
    """The process is gone when `name` has been done this often."""
    done = getattr(owner, name)
    count = 0

    async def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        found = await done(*arguments)
        if count == calls:
            raise CutOffError
        return found

    monkeypatch.setattr(owner, name, counted)


def cut_in_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka has deleted some tables of those that were asked for."""
    delete = Cluster._delete

    async def some(self: Cluster, names: Iterable[str]) -> None:
        await delete(self, list(names)[:2])
        raise CutOffError

    monkeypatch.setattr(Cluster, "_delete", some)


CUTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "some tables deleted": cut_in_delete,
    "all deleted": lambda patch: cut_after(patch, Cluster, "_delete", 2),
    "sources reset": lambda patch: cut_after(patch, Cluster, "_reset", 1),
    "topics made": lambda patch: cut_after(patch, steps, "apply_topics", 1),
}
"""In the order of the steps: each run goes on where the one before was cut off, and gets one step further."""


def rebuild(settings: Settings) -> Result:
    env = {
        "STREAMS_BROKER_URL": str(settings.broker_url), "STREAMS_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMS_PARTITIONS": str(PARTITIONS), "STREAMS_APP_ID": settings.app_id,
    }  # fmt: skip
    return CliRunner(env=env).invoke(command, ["--yes", "--accept-loss"])


def test_run_again_it_finishes_whatever_step_it_was_cut_off_after(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "POLL_S", 0.02)
    asyncio.run(populate(settings))
    for cut, make in CUTS.items():
        with monkeypatch.context() as patch:
            make(patch)
            assert isinstance(rebuild(settings).exception, CutOffError), cut
    again = rebuild(settings)
    assert (again.exit_code, "Done." in again.output) == (0, True), again.output
    assert asyncio.run(left(settings)) == REBUILT
    assert asyncio.run(check_topics(str(settings.broker_url), settings)) == []
