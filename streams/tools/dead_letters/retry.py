"""Send dead letters back to their topics, each at most once however often and from wherever it is asked."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer

from streams.ops.acls import DEAD_LETTERS, retry_id
from streams.ops.kafka_client import client_arguments
from streams.settings import Settings
from streams.tools.audit.log import KafkaSource
from streams.tools.dead_letters.letters import RETRIED, Letter, choose, parse

AT_ONCE = 200
"""Letters of one transaction."""


class Transactions(Protocol):
    """What is needed of a producer: aiokafka's has it."""

    def transaction(self) -> Any: ...
    async def send_and_wait(self, topic: str, **record: Any) -> Any: ...


async def read_letters(source: KafkaSource) -> dict[str, Letter]:
    """All letters by id."""
    entries = []
    for partition in range(source.partitions):
        entries += await source.read(DEAD_LETTERS, partition)
    return parse(entries)


async def send_back(producer: Transactions, letters: Sequence[Letter], *, partitions: int, prefix: str) -> int:
    """The original records and their markers, in transactions -> how many; those retried before are left out."""
    waiting = [letter for letter in letters if not letter.retried]
    for at in range(0, len(waiting), AT_ONCE):
        async with producer.transaction():
            for letter in waiting[at : at + AT_ONCE]:
                await _send(producer, letter, partitions, prefix)
    return len(waiting)


async def _send(producer: Transactions, letter: Letter, partitions: int, prefix: str) -> None:
    await producer.send_and_wait(
        prefix + letter.topic,
        key=letter.key,
        value=letter.value,
        partition=letter.target(partitions),
        timestamp_ms=letter.timestamp,
        headers=list(letter.headers),
    )
    await producer.send_and_wait(
        prefix + DEAD_LETTERS,
        key=letter.id.encode(),
        value=None,
        partition=letter.partition,
        headers=[RETRIED],
    )


async def retry(settings: Settings, bootstrap: str, ids: Iterable[str] | None, **filters: Any) -> tuple[int, int]:
    """Retry these ids, or what the filters of `choose` leave -> (sent back, retried before). KeyError: unknown id.

    Two at once cannot send a letter twice: the producer's start fences the other off, and only then is it read what
    has been retried.
    """
    client = client_arguments(settings)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=retry_id(settings),
        max_request_size=2 << 20,
        **client,
    )
    await producer.start()
    try:
        async with KafkaSource(
            bootstrap, partitions=settings.partitions, prefix=settings.topic_prefix, client=client
        ) as source:
            letters = await read_letters(source)
        chosen = choose(letters.values(), **filters) if ids is None else [letters[letter_id] for letter_id in ids]
        sent = await send_back(producer, chosen, partitions=settings.partitions, prefix=settings.topic_prefix)
        return sent, len(chosen) - sent
    finally:
        await producer.stop()
