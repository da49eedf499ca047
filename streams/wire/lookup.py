"""Which topics a client of aiokafka looks up."""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def look_up(owner: AIOKafkaConsumer | AIOKafkaProducer, topics: Iterable[str]) -> None:
    """Look up these topics, all at once, and no others from now on. `assign` undoes it: call this after it.

    A topic that the client was not told of is found only after a wait and a retry, one topic after the other.
    """
    client = owner.client if isinstance(owner, AIOKafkaProducer) else owner._client
    await client.set_topics(topics)
