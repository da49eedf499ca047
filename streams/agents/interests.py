"""First hop, key = user: weighs what a user did, keeps the interest row, tells the videos' owners."""

from functools import partial
from typing import Any

from faust.types import StreamT

from streams.agents.catalogue import Catalogue
from streams.core.interests import UserStage
from streams.core.upgrades import reading_old
from streams.engine.api import RowReader, Stage
from streams.engine.app import App

TOPICS = ("views", "likes", "shares", "feedback", "accounts")


def make(partitions: int, catalogue: Catalogue, number: int, rows: RowReader, watermark_ms: int) -> UserStage:
    """State of this stage for one partition number."""
    return UserStage(number, partitions, reading_old(rows), catalogue, watermark_ms)


def register(app: App, catalogue: Catalogue) -> Any:
    """Declare the stage and the agent `interests`."""
    app.engine.add(
        Stage(
            name="interests",
            topics=TOPICS,
            tables=("interests", "pairs", "parked"),
            make=partial(make, app.options.partitions, catalogue),
            barriers=frozenset({"accounts"}),
            first=frozenset({"accounts"}),
        )
    )

    @app.agent(app.batch_topic(*TOPICS), name="interests")
    async def interests(polls: StreamT[Any]) -> None:
        async for polled in polls:
            await app.engine.take(polled)

    return interests
