"""`streams worker` with bugs: the stages of users and of videos raise on a record whose value names `boom`."""

from collections.abc import Sequence
from typing import Any

from streams import worker
from streams.core.interests import UserStage
from streams.core.videos import VideoStage


def plant(stage: type[Any]) -> None:
    """Half of the records are folded before it fails."""
    fold = stage.fold

    def failing(self: Any, topic: str, records: Sequence[Any]) -> None:
        if any(b"boom" in (record.value or b"") for record in records):
            fold(self, topic, records[: len(records) // 2])
            raise KeyError("boom")
        fold(self, topic, records)

    stage.fold = failing


if __name__ == "__main__":
    plant(UserStage)
    plant(VideoStage)
    worker.command()
