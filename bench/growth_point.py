"""One run of `bench growth`."""

import msgspec


class Point(msgspec.Struct):
    """What was changed, to what, and what came of it."""

    series: str
    value: float
    events: int
    users: int
    videos: int
    hot_share: float
    partitions: int
    workers: int
    events_per_cpu_s: float
    events_per_s: float
    rss_mb: float
    transactions: int
    commit_mean_s: float
