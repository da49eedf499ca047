"""The rights each of our processes needs at Kafka, and none more: derived from the declared topics."""

from enum import StrEnum
from typing import NamedTuple

from streams.settings import Settings
from streams.topics import TOPICS, topic_name

COMMITS, DEAD_LETTERS = "commits", "dead-letters"
SOURCES = tuple(spec.name for spec in TOPICS if spec.timestamp == "by-mode")
TABLES = tuple(spec.name for spec in TOPICS if spec.timestamp == "log-append" and spec.cleanup_policy == "compact")
TALLIES = tuple(spec.name for spec in TOPICS if spec.name not in {*SOURCES, *TABLES, COMMITS, DEAD_LETTERS})
ALL = (*SOURCES, *TALLIES, *TABLES, COMMITS, DEAD_LETTERS)
NOT_READ = ("pairs", "parked")
"""Tables that no reader answers from."""
FOLDED = (*SOURCES, *TALLIES)
"""What a worker folds, and so what a dead letter can have come from."""


class Role(StrEnum):
    """Who asks. `tools`: audit, doctor, listing dead letters; `retry`: sending dead letters back."""

    WORKER = "worker"
    READER = "reader"
    PRODUCER = "producer"
    TOPICS = "topics"
    TOOLS = "tools"
    RETRY = "retry"


MEANING = {
    Role.WORKER: "`streams worker`",
    Role.READER: "`streams serve`",
    Role.PRODUCER: "whoever writes interactions, facts and accounts; `streams replay`, `simulate`",
    Role.TOPICS: "`streams topics apply`; without Create for `topics check`",
    Role.TOOLS: "`streams audit`, `doctor`, `dead-letters list` and `show`",
    Role.RETRY: "`streams dead-letters retry`",
}


class Acl(NamedTuple):
    """Operations on one resource. `kind` topic, group or transactional-id; `prefixed`: on all names that begin so.

    Operations have Kafka's names. Read and Write imply Describe, so it is listed where neither is.
    """

    kind: str
    name: str
    operations: tuple[str, ...]
    prefixed: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}{'*' if self.prefixed else ''}"


def group(settings: Settings) -> str:
    """The workers' consumer group; their transactions begin with it and a dash."""
    return settings.topic_prefix + settings.app_id


def retry_id(settings: Settings) -> str:
    """Transactional id of `streams dead-letters retry`: one for each installation on a cluster."""
    return f"{group(settings)}-{DEAD_LETTERS}"


def acls(settings: Settings, role: Role) -> tuple[Acl, ...]:
    """What `role` has to be allowed, with the names of these settings."""
    return _LISTS[role](settings)


def _topics(settings: Settings, names: tuple[str, ...], *operations: str) -> tuple[Acl, ...]:
    return tuple(Acl("topic", topic_name(settings, name), operations) for name in names)


def _worker(settings: Settings) -> tuple[Acl, ...]:
    return (
        *_topics(settings, SOURCES, "Read", "DescribeConfigs"),
        # Commits and dead letters are not read: a worker looks who has a transaction open there.
        *_topics(settings, (*TALLIES, *TABLES, COMMITS, DEAD_LETTERS), "Read", "Write", "DescribeConfigs"),
        Acl("group", group(settings), ("Read",)),
        Acl("transactional-id", f"{group(settings)}-", ("Write",), prefixed=True),
    )


def _reader(settings: Settings) -> tuple[Acl, ...]:
    tailed = tuple(name for name in TABLES if name not in NOT_READ)
    # It looks at the ends of the sources and reads no record there, but facts.
    return (
        *_topics(settings, (*tailed, COMMITS, "videos"), "Read"),
        *_topics(settings, tuple(name for name in SOURCES if name != "videos"), "Describe"),
    )


def _producer(settings: Settings) -> tuple[Acl, ...]:
    return _topics(settings, SOURCES, "Write")


def _admin(settings: Settings) -> tuple[Acl, ...]:
    return _topics(settings, ALL, "Create", "Describe", "DescribeConfigs")


def _tools(settings: Settings) -> tuple[Acl, ...]:
    return (*_topics(settings, ALL, "Read", "DescribeConfigs"), Acl("group", group(settings), ("Describe",)))


def _retry(settings: Settings) -> tuple[Acl, ...]:
    return (
        *_topics(settings, FOLDED, "Write"),
        *_topics(settings, (DEAD_LETTERS,), "Read", "Write"),
        Acl("transactional-id", retry_id(settings), ("Write",)),
    )


_LISTS = {
    Role.WORKER: _worker,
    Role.READER: _reader,
    Role.PRODUCER: _producer,
    Role.TOPICS: _admin,
    Role.TOOLS: _tools,
    Role.RETRY: _retry,
}
