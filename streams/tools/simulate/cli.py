"""`streams simulate`: a made-up world into the topics."""

import time

import click

from streams.settings import load_settings
from streams.tools.produce import Pace
from streams.tools.simulate.stream import Plan, Told, stream
from streams.tools.simulate.words import REGIONS
from streams.tools.simulate.world import Size
from streams.tools.target import new_run_id, write_all

SHARE = click.FloatRange(0, 1)


@click.command(name="simulate")
@click.option("--events", type=click.IntRange(min=1), default=100_000, show_default=True, help="Interactions to write.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same seed, the same world.")
@click.option("--users", type=click.IntRange(min=1), help="Default: one for 40 events.")
@click.option("--videos", type=click.IntRange(min=1), help="Default: one for 50 events.")
@click.option("--regions", type=click.IntRange(1, len(REGIONS)), default=12, show_default=True)
@click.option("--rate", type=click.FloatRange(min=0), default=0.0, help="Records a second; 0: as fast as it goes.")
@click.option("--days", type=click.FloatRange(min=0.01), default=3.0, show_default=True, help="Event time covered.")
@click.option("--garbage", type=SHARE, default=0.0, help="Bad records, as a share of the events and on top of them.")
@click.option("--repeats", type=SHARE, default=0.01, show_default=True, help="Share of events written twice.")
@click.option("--shuffle", type=SHARE, default=0.02, show_default=True, help="Share of events that arrive late.")
@click.option("--churn", is_flag=True, help="What is popular changes every 6 hours.")
@click.option("--run-id", help="Goes into event ids: the same one again writes the same ids. Default: a new one.")
def command(
    *, events: int, seed: int, users: int | None, videos: int | None, regions: int, rate: float, days: float,
    garbage: float, repeats: float, shuffle: float, churn: bool, run_id: str | None,
) -> None:  # fmt: skip
    """Simulate a world of users and videos and write what happens in it into the topics.

    Users and videos are Zipf-distributed, hours of the day differ 8-fold, sessions are natural; facts and accounts
    change at times. The last event ends now; the topics have to be in history mode (STREAMS_TIME_MODE=history).
    """
    settings = load_settings(time_mode="history")
    natural = Size.for_events(events)
    plan = Plan(
        events=events, seed=seed, size=Size(users or natural.users, videos or natural.videos, regions),
        end_ms=int(time.time() * 1000), run_id=run_id or new_run_id(), days=days, garbage=garbage, repeats=repeats,
        shuffle=shuffle, churn=churn, partitions=settings.partitions,
    )  # fmt: skip
    told = Told()
    written = write_all(settings, stream(plan, told), Pace(rate=rate), None, "simulate")
    click.echo(f"{written} records written: {events} events, {told.repeats} repeats, {told.bad.total()} bad ones")
