"""Every answer and every request body. The OpenAPI document is generated from these types."""

from typing import Annotated, Literal

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="printable, no line breaks")]
Unknown = Literal["unknown"]


class Origin(msgspec.Struct, kw_only=True):
    """How much of one partition of the sources is in the answer. All null: it cannot be told."""

    partition: int
    flush: int | None = None
    positions: dict[str, int] = {}
    watermark_ms: int | None = None
    lag_s: float | None = None


class AsOf(Origin, kw_only=True):
    """How true the rows of one partition are: everything before `positions` is in them, and perhaps a little more.

    `lag_s`: what arrived longer ago than this is in the answer; null: it cannot be told. `behind`: source records of
    this partition seen and not yet in the answer. `origins`: only for videos and entities, which gather from all
    partitions of the users; `lag_s` is then that of the worst of them.
    """

    behind: dict[str, int] = {}
    origins: list[Origin] = []


class Interest(msgspec.Struct, gc=False):
    """One interest. `score` = (fast + slow - negative) / 2; kind and name are null if only the hash is known."""

    kind: str | None
    name: str | None
    hash: int
    score: float
    fast: float
    slow: float
    negative: float


class UserCounts(msgspec.Struct, gc=False):
    """Lifetime counts of a user: repeats are views dropped, late ones were older than 24 h at arrival."""

    views: int
    likes: int
    shares: int
    repeats: int
    late: int


class UserInterests(msgspec.Struct, gc=False):
    """A user's interests, greatest score first, as weighed at `at_ms`."""

    user: str
    partition: int
    at_ms: int
    last_ms: int
    interests: list[Interest]
    counts: UserCounts
    flags: list[str]


class UserAnswer(UserInterests, kw_only=True):
    """Answer of GET /v1/users/{id}/interests."""

    as_of: AsOf


class Ids(msgspec.Struct, kw_only=True):
    """Body of the requests for many: answered in the same order."""

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=1000)]


class UserResult(msgspec.Struct, gc=False):
    """One of many users; `interests` is null unless the status is `ok`."""

    id: str
    status: Literal["ok", "unknown", "not-served"]
    interests: UserInterests | None = None


class UsersAnswer(msgspec.Struct, kw_only=True):
    """Answer of POST /v1/users/interests; `as_of` once per partition asked."""

    results: list[UserResult]
    as_of: list[AsOf]


class Counted(msgspec.Struct, gc=False):
    """Views, likes and shares: all that ever counted, or those of one window."""

    views: int = 0
    likes: int = 0
    shares: int = 0


class Facts(msgspec.Struct, kw_only=True, gc=False):
    """The facts by which a video's counts go to its entities."""

    creator: str
    sound: str
    tags: list[str]
    category: str
    language: str
    duration_ms: int
    published_ms: int
    visibility: str
    status: str


class Video(msgspec.Struct, gc=False):
    """A video. `live`: counts for its entities; `not-live`: private or taken down; `unknown`: no facts yet."""

    video: str
    partition: int
    status: Literal["live", "not-live", "removed", "unknown"]
    facts: Facts | None
    totals: Counted
    regions: dict[str, Counted]


class VideoAnswer(Video, kw_only=True):
    """Answer of GET /v1/videos/{id}."""

    as_of: AsOf


class VideoResult(msgspec.Struct, gc=False):
    """One of many videos; `video` is null if it is unknown."""

    id: str
    status: Literal["ok", "unknown"]
    video: Video | None = None


class VideosAnswer(msgspec.Struct, kw_only=True):
    """Answer of POST /v1/videos; `as_of` once per partition asked."""

    results: list[VideoResult]
    as_of: list[AsOf]


class Pane(Counted, kw_only=True):
    """Counts of one minute or hour of event time."""

    start_ms: int


class Decayed(msgspec.Struct, kw_only=True):
    """Counts in which an event weighs half after every half-life, and views + 3 likes + 5 shares of them."""

    views: float
    likes: float
    shares: float
    score: float


class EntityAnswer(msgspec.Struct, kw_only=True):
    """Answer of GET /v1/entities/{kind}/{id}: panes oldest first, cut at the watermark; empty panes are left out.

    `decayed` is by half-life. `velocity` compares the last quarter of an hour with the last hours: 1 is steady, up to
    8 has only just begun, 0 is nothing at all.
    """

    kind: str
    id: str
    scope: str
    at_ms: int
    totals: Counted
    windows: dict[str, Counted]
    decayed: dict[str, Decayed]
    velocity: float
    minutes: list[Pane]
    hours: list[Pane]
    as_of: AsOf


class Ranked(msgspec.Struct, kw_only=True):
    """One place of a chart: the counts are those of the window."""

    rank: int
    id: str
    score: int
    views: int
    likes: int
    shares: int


class ChartPart(msgspec.Struct, kw_only=True):
    """Up to when one partition's chart was counted."""

    partition: int
    watermark_ms: int


class TrendingAsOf(msgspec.Struct, kw_only=True):
    """How true a merged chart is: the worst of all partitions. `charts`: the parts it was merged from."""

    watermark_ms: int | None
    lag_s: float | None
    origins: list[Origin]
    charts: list[ChartPart]


class TrendingAnswer(msgspec.Struct, kw_only=True):
    """Answer of GET /v1/trending/{kind}: exact, sorted by (-score, id)."""

    kind: str
    scope: str
    window: str
    entries: list[Ranked]
    as_of: TrendingAsOf


class Status(msgspec.Struct, kw_only=True):
    """Answer of the probes: parts that fail or are not ready, and why."""

    status: Literal["ok", "failing", "not-ready"]
    problems: dict[str, str] = {}


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 9457: what went wrong, in which field, with which value, and what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    value: str | None = None
    remedy: str | None = None
    missing: dict[str, str] | None = None
    as_of: AsOf | None = None
