"""`streams replay`: real interactions into the topics."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from streams.settings import load_settings
from streams.tools.produce import Pace, Produced
from streams.tools.replay.convert import records
from streams.tools.replay.reader import SAMPLE, Impression, ReplayError, Video, read_impressions, read_videos
from streams.tools.target import new_run_id, write_all


class Replay(NamedTuple):
    """What is going to be replayed: impressions in order of time, and the facts of all videos."""

    impressions: list[Impression]
    videos: list[Video]

    @classmethod
    def load(cls, where: Path = SAMPLE, limit: int | None = None) -> "Replay":
        """Read a log file or folder; `limit` takes the first impressions only. ReplayError says what is missing."""
        impressions = read_impressions(where)
        return cls(impressions[:limit], read_videos(where))

    @property
    def span_s(self) -> float:
        """Seconds between the first and the last impression."""
        return (self.impressions[-1].time_ms - self.impressions[0].time_ms) / 1000 if self.impressions else 0.0

    def busiest_users(self, count: int) -> list[str]:
        """Users with the most impressions, most first."""
        seen: dict[int, int] = {}
        for impression in self.impressions:
            seen[impression.user] = seen.get(impression.user, 0) + 1
        return [f"user-{user}" for user in sorted(seen, key=lambda user: (-seen[user], user))[:count]]

    def records(self, run_id: str) -> Iterator[Produced]:
        """Facts, then events that end now."""
        return records(self.impressions, self.videos, run_id=run_id, end_ms=int(time.time() * 1000))


@click.command(name="replay")
@click.argument("where", type=click.Path(exists=True, path_type=Path), default=SAMPLE, metavar="[FILE_OR_FOLDER]")
@click.option("--speed", type=click.FloatRange(min=0), default=0.0, help="Times real time; 0: as fast as it goes.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first impressions.")
@click.option("--run-id", help="Goes into event ids: the same one again writes the same events. Default: a new one.")
def command(where: Path, speed: float, limit: int | None, run_id: str | None) -> None:
    """Replay real interactions of KuaiRand into the topics.

    FILE_OR_FOLDER is a log or folder of the original data (CSV or Parquet); without it, the sample that ships with the
    project. Exposures become views, likes, shares and feedback. All times are shifted so that the last event ends now;
    the topics have to be in history mode (STREAMS_TIME_MODE=history).
    """
    settings = load_settings(time_mode="history")
    try:
        loaded = Replay.load(where, limit)
    except ReplayError as error:
        raise click.ClickException(str(error)) from error
    made = loaded.records(run_id or new_run_id())
    written = write_all(settings, made, Pace(speed), None, "replay")
    click.echo(f"{written} records written ({len(loaded.impressions)} impressions, {len(loaded.videos)} videos)")
