"""Second hop, key = video: keeps a video's counts and fans them out to the entities that it belongs to."""

from functools import partial
from typing import Any

from faust.types import StreamT

from streams.core.upgrades import reading_old
from streams.core.videos import VideoStage
from streams.engine.api import RowReader, Stage
from streams.engine.app import App

TOPICS = ("videos", "video-tallies")


def make(partitions: int, number: int, rows: RowReader, watermark_ms: int) -> VideoStage:
    """State of this stage for one partition number."""
    return VideoStage(number, partitions, reading_old(rows), watermark_ms)


def register(app: App) -> Any:
    """Declare the stage and the agent `videos`."""
    app.engine.add(
        Stage(
            name="videos",
            topics=TOPICS,
            tables=("videos-table",),
            make=partial(make, app.options.partitions),
            first=frozenset({"videos"}),
            internal=frozenset({"video-tallies"}),
        )
    )

    @app.agent(app.batch_topic(*TOPICS), name="videos")
    async def videos(polls: StreamT[Any]) -> None:
        async for polled in polls:
            await app.engine.take(polled)

    return videos
