"""The topics, as data. Whoever creates or checks them (streams/ops/topic_admin.py) reads this and nothing else."""

from typing import Literal, NamedTuple

from streams.settings import Settings

DAY_MS = 24 * 60 * 60 * 1000
SOURCE_DAYS = 14
"""How long interactions are kept live. All that the audit recounts them with (tallies, commits) is kept as long."""
FOREVER_MS = -1
LONGEST_MS = 2**63 - 1
MAX_MESSAGE_BYTES = 1024 * 1024

Cleanup = Literal["delete", "compact"]
Timestamp = Literal["log-append", "by-mode"]

Config = tuple[tuple[str, str], ...]
"""Names and values in Kafka's own words."""


class TopicSpec(NamedTuple):
    """One topic. `retention_ms` None: compacted, kept for good. `timestamp` by-mode: the writer sets it in history."""

    name: str
    cleanup_policy: Cleanup
    retention_ms: int | None
    timestamp: Timestamp
    kept_in_history: bool = True
    """Whether history mode keeps every record: a replay may be older than any retention."""
    extra: Config = ()


def _log(name: str, days: int, timestamp: Timestamp) -> TopicSpec:
    return TopicSpec(name, "delete", days * DAY_MS, timestamp)


def _facts(name: str) -> TopicSpec:
    return TopicSpec(name, "compact", None, "by-mode")


def _table(name: str) -> TopicSpec:
    # The segment being written is never compacted: with the default of 1 GB a restore would read it all.
    # A local copy that lags less than a week still sees every deletion.
    extra = (("segment.bytes", str(64 * 1024 * 1024)), ("delete.retention.ms", str(7 * DAY_MS)))
    return TopicSpec(name, "compact", None, "log-append", extra=extra)


TOPICS = (
    _log("views", SOURCE_DAYS, "by-mode"),
    _log("likes", SOURCE_DAYS, "by-mode"),
    _log("shares", SOURCE_DAYS, "by-mode"),
    _log("feedback", SOURCE_DAYS, "by-mode"),
    _facts("videos"),
    _facts("accounts"),
    _log("video-tallies", SOURCE_DAYS, "log-append"),
    _log("trend-tallies", SOURCE_DAYS, "log-append"),
    _table("interests"),
    _table("pairs"),
    _table("parked"),
    _table("videos-table"),
    _table("trends"),
    _log("commits", SOURCE_DAYS, "log-append"),
    _table("charts"),
    TopicSpec("dead-letters", "delete", 30 * DAY_MS, "log-append", kept_in_history=False),
)
NAMES = tuple(spec.name for spec in TOPICS)


class Topic(NamedTuple):
    """A topic as it has to be on the cluster: real name and Kafka's own configuration names and values."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


def topic_name(settings: Settings, name: str) -> str:
    """Name on the cluster of the topic that the code calls `name`; KeyError if it is not declared."""
    if name not in NAMES:
        raise KeyError(name)
    return settings.topic_prefix + name


def specs(settings: Settings) -> tuple[Topic, ...]:
    """All topics as these settings want them."""
    return tuple(_topic(settings, spec) for spec in TOPICS)


def _topic(settings: Settings, spec: TopicSpec) -> Topic:
    history = settings.time_mode == "history"
    by_writer = history and spec.timestamp == "by-mode"
    config = {
        "cleanup.policy": spec.cleanup_policy,
        "message.timestamp.type": "CreateTime" if by_writer else "LogAppendTime",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        **dict(spec.extra),
    }
    if by_writer:
        # A replay is shifted to end now, yet its first event may be any age, and clocks of writers differ.
        config["message.timestamp.before.max.ms"] = str(LONGEST_MS)
    if spec.cleanup_policy == "compact" and spec.timestamp == "by-mode":
        # The audit replays facts in their order: superseded ones must stay as long as the interactions.
        config["min.compaction.lag.ms"] = str(LONGEST_MS if history else SOURCE_DAYS * DAY_MS)
    if spec.retention_ms is not None:
        config["retention.ms"] = str(FOREVER_MS if history and spec.kept_in_history else spec.retention_ms)
    return Topic(topic_name(settings, spec.name), settings.partitions, settings.replication, config)
