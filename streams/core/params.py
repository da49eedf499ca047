"""Parameters that give rows their meaning. They are part of a table's identity: others need new tables."""

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

LATEST_AHEAD_MS = 2_000
"""An event may claim to be at most this much later than its arrival."""
OLDEST_MS = DAY_MS
"""What is older than this at arrival counts in lifetime totals only."""

MINUTE_PANES = 120
HOUR_PANES = 336

FAST_HALF_LIFE_MS = 8 * HOUR_MS
SLOW_HALF_LIFE_MS = 12 * DAY_MS
FAST_SHARE, SLOW_SHARE, NEGATIVE_SHARE = 0.6, 0.4, 0.5
"""Score of a topic = shares of its fast and slow weights, minus a share of its negative one (docs/decisions/0003)."""

VIEW_IDS = 32
"""View ids a user's row remembers: a repeat among them is dropped."""
SEEN_VIDEOS = 16
POSITIVE_TOPICS, POSITIVE_KEPT = 40, 32
NEGATIVE_TOPICS, NEGATIVE_KEPT = 16, 12
"""A user's topics: when one too many arrives, the smallest go until `KEPT` are left (then the new one comes in)."""

PARKED_VIDEOS_PER_USER = 64
PARKED_SHARES_PER_VIDEO = 16
PARKED_MS = DAY_MS

LIKE_WEIGHT = 1.0
SHARE_WEIGHT = 1.0
SKIP_WEIGHT = -0.5
SKIP_BELOW_MS = 2_000
SKIP_BELOW_RATIO = 0.1
REWATCH_WEIGHT = 0.15
REWATCHES_AT_MOST = 3

SCORE_WEIGHTS = (1, 3, 5)
"""Chart score = views, likes and shares of the window times these."""
CHART_SIZE = 100
WINDOW_MINUTES = 60
WINDOW_HOURS = 24

MEANING = {
    "version": 1,
    "fast_half_life_ms": FAST_HALF_LIFE_MS,
    "slow_half_life_ms": SLOW_HALF_LIFE_MS,
    "minute_panes": MINUTE_PANES,
    "hour_panes": HOUR_PANES,
    "weights_version": 1,
}
"""Stored with every table; a worker that starts with another meaning is refused."""
