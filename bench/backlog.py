"""Fills the topics of a broker of the bench's own: facts of all videos first, then the events of the job."""

import time
from collections.abc import Callable

from streams.ops.topic_admin import apply_topics
from streams.settings import Settings
from streams.tools.produce import Writer, deliver
from streams.tools.simulate.job import STANDARD, Shape, job_events, job_facts

EVENT_TOPICS = ("views", "likes", "shares")
FACTS_TOPIC = "videos"


async def fill(
    bootstrap: str, settings: Settings, events: int, on_progress: Callable[[int], None], shape: Shape = STANDARD
) -> int:
    """Create the topics and write the backlog, its last event arriving now -> facts written."""
    await apply_topics(bootstrap, settings)
    end_ms = int(time.time() * 1000)
    async with Writer(bootstrap, partitions=settings.partitions) as writer:
        facts = await deliver(writer, job_facts(end_ms, shape))
        await deliver(writer, job_events(events, end_ms, shape), on_progress=on_progress)
    return facts
