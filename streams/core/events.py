"""The vocabulary: what producers write. One struct for each JSON value; unknown fields are ignored."""

import msgspec


class View(msgspec.Struct, frozen=True, gc=False):
    """`view.v1`, topic `views`, key = user. Times in milliseconds since the Unix epoch."""

    id: str
    user: str
    video: str
    at_ms: int
    watch_ms: int
    duration_ms: int | None = None
    surface: str | None = None
    region: str | None = None
    session: str | None = None


class Like(msgspec.Struct, frozen=True, gc=False):
    """`like.v1`, topic `likes`, key = user. `op` is `like` or `unlike`."""

    id: str
    user: str
    video: str
    at_ms: int
    op: str
    region: str | None = None


class Share(msgspec.Struct, frozen=True, gc=False):
    """`share.v1`, topic `shares`, key = user. `op` is `share` or `unshare`; state is kept per channel."""

    id: str
    user: str
    video: str
    at_ms: int
    channel: str
    op: str
    region: str | None = None


class Feedback(msgspec.Struct, frozen=True, gc=False):
    """`feedback.v1`, topic `feedback`, key = user: not_interested, report, hide, follow, comment, ..."""

    id: str
    user: str
    video: str
    at_ms: int
    kind: str


class VideoFacts(msgspec.Struct, frozen=True, gc=False):
    """`video.v1`, compacted topic `videos`, key = video. A tombstone means removed."""

    creator: str
    sound: str
    tags: tuple[str, ...]
    category: str
    duration_ms: int
    language: str
    published_ms: int
    visibility: str = "public"
    status: str = "active"


class AccountState(msgspec.Struct, frozen=True, gc=False):
    """`account.v1`, compacted topic `accounts`, key = user. A tombstone means: back to the defaults."""

    region: str | None = None
    age_band: str = "adult"
    private: bool = False
    status: str = "active"
    trust: float = 1.0


VISIBILITIES = ("public", "private", "followers")
VIDEO_STATUSES = ("active", "removed")
AGE_BANDS = ("adult", "teen", "child")
ACCOUNT_STATUSES = ("active", "banned", "deleted")


def is_live(facts: VideoFacts | None) -> bool:
    """Whether a video counts for the entities it belongs to."""
    return facts is not None and facts.visibility == "public" and facts.status == "active"
