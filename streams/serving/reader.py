"""Tails the table topics into a `ReaderState`: read_committed, no group, ended by position."""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.ops import logs
from streams.ops.kafka_client import client_arguments
from streams.serving.catching_up import CatchingUp
from streams.serving.commits import KEPT_COMMITS
from streams.serving.layout import TopicsMissingError, admit, check_topics
from streams.serving.looks import SOURCES, Look
from streams.serving.measures import Measures
from streams.serving.memory import settle
from streams.serving.progress import Progress
from streams.serving.service import READER, Service
from streams.serving.state import COMMITS, TAILED
from streams.settings import Settings
from streams.topics import topic_name
from streams.wire.fetch import hand_out_columns
from streams.wire.lookup import look_up

log = logs.get(__name__)

LOOK_S = 1.0
"""Time between looks at the ends of all topics."""
WAIT_S = 15.0
"""Longest wait for one answer of the broker."""
RETRY_S = 1.0
REPORT_S = 1.0
"""Longest time between two reports to the probes, whatever the broker does."""
POLL_MS = 200
PACE_S = 0.02
"""After a poll that brought little, once all was read: commits that end meanwhile are fetched together. The partitions
of one commit become readable one after another, and each would be an answer of its own."""
POLL_RECORDS = 5_000
"""So many records are applied between two turns of the event loop: some milliseconds."""


class LogWentBackError(RuntimeError):
    """A topic ends before what was read of it: it was made anew."""


class TableReader:
    """Keeps the service's state up to date until it is cancelled. Broker outages are waited out."""

    def __init__(self, settings: Settings, service: Service) -> None:
        """From here on every consumer of this process hands out columns."""
        hand_out_columns()
        self._settings = settings
        self._service = service
        self._progress = Progress()
        self._measures = Measures(service)
        self._error = ""
        self._names = {topic_name(settings, name): name for name in {*TAILED, *SOURCES}}
        self._partitions = range(settings.partitions)
        self._tailed = self._all(TAILED)

    async def run(self) -> None:
        """Read for good. PartitionCountError, NotAuthorizedError, ClientConfigError: no retry mends that."""
        reporting = asyncio.create_task(self._report_on())
        try:
            while True:
                await self._read_on()
                await asyncio.sleep(RETRY_S)
        finally:
            reporting.cancel()

    async def _read_on(self) -> None:
        try:
            await self._session()
        except (KafkaError, TimeoutError, TopicsMissingError) as error:
            log.warning("reader-retries", error=str(error), kind=type(error).__name__)
            self._error = str(error) or type(error).__name__
        except LogWentBackError as error:
            log.warning("reader-starts-over", error=str(error))
            self._start_over()
        self._report()

    async def _report_on(self) -> None:
        """Beside the reading, which may wait for the broker: the copy grows older meanwhile."""
        while True:
            self._report()
            await asyncio.sleep(REPORT_S)

    async def _session(self) -> None:
        if not self._service.opened:
            await admit(self._settings)
        await check_topics(self._settings, sorted(self._names))
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.broker_url, group_id=None, enable_auto_commit=False,
            auto_offset_reset="earliest", isolation_level="read_committed", fetch_max_wait_ms=250, retry_backoff_ms=500,
            request_timeout_ms=int(WAIT_S * 1000), client_id=f"{self._settings.app_id}-reader",
            **client_arguments(self._settings),
        )  # fmt: skip
        looking = None
        try:
            async with asyncio.timeout(WAIT_S):
                await consumer.start()
            catching_up = await self._assign(consumer)
            looking = asyncio.create_task(self._look_on(consumer))
            while not looking.done():
                await self._poll(consumer, catching_up)
            looking.result()
        finally:
            if looking is not None:
                looking.cancel()
            await _stop(consumer)

    async def _assign(self, consumer: AIOKafkaConsumer) -> CatchingUp:
        """Go on where the state stands. Of `commits` only the newest are of use."""
        consumer.assign(self._tailed)
        async with asyncio.timeout(2 * WAIT_S):
            # The sources too, which are only looked at.
            await look_up(consumer, self._names)
            begins = await consumer.beginning_offsets(self._tailed)
            ends = await consumer.end_offsets(self._tailed)
        starts = {}
        for tp in self._tailed:
            topic = self._names[tp.topic]
            stands = self._service.state.position(topic, tp.partition)
            if stands > ends[tp]:
                raise LogWentBackError(f"{tp.topic}-{tp.partition} ends at {ends[tp]}, read up to {stands}")
            # A commit takes two offsets: its record and the marker of its transaction.
            newest = ends[tp] - 2 * KEPT_COMMITS if topic == COMMITS else 0
            starts[tp] = max(stands, begins[tp], newest)
        for tp, offset in starts.items():
            consumer.seek(tp, offset)
        log.info("reader-assigned", partitions=len(starts), records=sum(ends[tp] - starts[tp] for tp in starts))
        return CatchingUp(consumer, ends)

    async def _poll(self, consumer: AIOKafkaConsumer, catching_up: CatchingUp) -> None:
        state = self._service.state
        batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        for tp, records in batches.items():
            state.apply(self._names[tp.topic], tp.partition, records)
        async with asyncio.timeout(WAIT_S):
            # Markers of transactions are no records: only the consumer knows that they were passed.
            for tp in self._tailed:
                position = await consumer.position(tp)
                self._advance(tp, position)
                catching_up.reached(tp, position)
        self._error = ""
        self._progress.check(state.positions)
        self._report()
        self._measures.poll()
        little = 0 < sum(map(len, batches.values())) < POLL_RECORDS
        await asyncio.sleep(PACE_S if little and self._service.opened else 0)

    def _advance(self, tp: TopicPartition, position: int) -> None:
        topic = self._names[tp.topic]
        stands = self._service.state.position(topic, tp.partition)
        if position < stands:
            raise LogWentBackError(f"{tp.topic}-{tp.partition} went from {stands} to {position}")
        self._service.state.advance(topic, tp.partition, position)

    async def _look_on(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                await self._look(consumer)
            except (KafkaError, TimeoutError) as error:
                log.warning("reader-cannot-look", error=str(error), kind=type(error).__name__)
            await asyncio.sleep(LOOK_S)

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        at_ms = self._service.now_ms()
        async with asyncio.timeout(WAIT_S):
            found = await consumer.end_offsets(self._all({*TAILED, *SOURCES}))
        ends = {(self._names[tp.topic], tp.partition): end for tp, end in found.items()}
        self._service.looks.add(Look(at_ms, {at: end for at, end in ends.items() if at[0] in SOURCES}))
        tailed = Look(at_ms, {at: end for at, end in ends.items() if at[0] in TAILED})
        self._progress.look(tailed)
        self._measures.look(tailed)

    def _report(self) -> None:
        """Tell the probes. Once open, the service stays open: a late answer says how late it is."""
        service = self._service
        bound_ms = int(self._settings.ready_lag_s * 1000)
        trouble = self._progress.trouble(service.state.positions, service.now_ms(), bound_ms)
        if trouble is None:
            service.health.ready(READER)
            if not service.opened:
                settle()
            service.opened = True
        else:
            service.health.not_ready(READER, self._error or trouble)

    def _start_over(self) -> None:
        self._service.state.reset()
        self._service.opened = False
        self._progress = Progress()
        self._measures = Measures(self._service)

    def _all(self, names: Iterable[str]) -> list[TopicPartition]:
        real = sorted(topic_name(self._settings, name) for name in names)
        return [TopicPartition(topic, partition) for topic in real for partition in self._partitions]


async def _stop(consumer: AIOKafkaConsumer) -> None:
    try:
        async with asyncio.timeout(2.0):
            await consumer.stop()
    except (KafkaError, TimeoutError) as error:
        log.warning("reader-stop-failed", error=str(error))
