"""`python -m bench load`: writes events of the job at a steady rate until it is ended; the load of `freshness`.

All are made before the first is sent, and go out as whole batches: what the load costs is not what is measured.
"""

import asyncio
import time
from collections.abc import Iterable
from itertools import islice

import click
from aiokafka import AIOKafkaProducer

from streams.core.keys import partition_of
from streams.engine.outgoing import BATCH_BYTES, Columns, batches
from streams.settings import load_settings
from streams.tools.produce import Produced
from streams.tools.simulate.job import job_events

TURN_S = 0.05
"""One batch a partition."""
MADE_PER_S = 40_000
"""So many events are made in a second at least: until then nothing is sent."""

Turn = dict[tuple[str, int], Columns]


@click.command("load", hidden=True)
@click.option("--rate", required=True, type=float, help="Events a second.")
@click.option("--seconds", required=True, type=float, help="For so long.")
def command(rate: float, seconds: float) -> None:
    """Write events of the job to STREAMS_BROKER_URL at a steady rate, their time being now. Prints `sending`."""
    settings = load_settings()
    count = int(rate * seconds)
    begin_s = time.time() + count / MADE_PER_S
    turns = _turns(count, (begin_s + seconds) * 1000, rate, settings.partitions)
    asyncio.run(_send(str(settings.broker_url), turns, begin_s))


def _turns(count: int, end_ms: float, rate: float, partitions: int) -> list[Turn]:
    """What is to be sent in each turn, by topic and partition."""
    events = job_events(count, int(end_ms), per_s=rate)
    return [_turn(islice(events, int(rate * TURN_S)), partitions) for _ in range(int(count / rate / TURN_S))]


def _turn(events: Iterable[Produced], partitions: int) -> Turn:
    turn: Turn = {}
    for event in events:
        at = event.topic, partition_of(event.key, partitions)
        records = turn.setdefault(at, Columns([], [], []))
        records.keys.append(event.key)
        records.values.append(event.value)
    return turn


async def _send(bootstrap: str, turns: list[Turn], begin_s: float) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, max_batch_size=BATCH_BYTES, linger_ms=0
    )
    await producer.start()
    try:
        for number, turn in enumerate(turns, start=1):
            await asyncio.sleep(max(begin_s + number * TURN_S - time.time(), 0.0))
            if number == 1:
                print("sending", flush=True)  # whoever started this waits for it
            for (topic, partition), records in turn.items():
                for batch in batches(producer, records, int(time.time() * 1000)):
                    await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
