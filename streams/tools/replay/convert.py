"""Impressions and videos of KuaiRand as records of our topics."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from streams.core.events import Feedback, Like, Share, VideoFacts, View
from streams.core.keys import event_hash
from streams.tools.produce import Produced
from streams.tools.replay.reader import Impression, Video

REGIONS = ("AT", "BR", "DE", "FR", "ID", "IN", "JP", "MX", "PL", "US")
"""KuaiRand tells no regions: each user is given one of these by the number of the user."""
LANGUAGE = "zh"
CHANNEL = "repost"
PICTURES_MS = 15_000
"""Length given to posts of pictures, which have none."""
DELAY_MS = 120
"""From an event to its arrival."""
FACTS_LEAD_MS = 60_000
DAY_MS = 86_400_000

_json = msgspec.json.Encoder().encode


def region_of(user: int) -> str:
    """The made-up region of a user: the same in every run."""
    return REGIONS[event_hash(f"region:{user}") % len(REGIONS)]


def facts_of(video: Video, shift_ms: int, newest_ms: int) -> VideoFacts:
    """Facts of a video. The category is its first tag; what is not known is called `unknown`."""
    return VideoFacts(
        creator=f"creator-{video.creator}",
        sound=f"sound-{video.sound}",
        tags=tuple(f"tag-{tag}" for tag in video.tags[:16]),
        category=f"category-{video.tags[0]}" if video.tags else "unknown",
        duration_ms=video.duration_ms if video.duration_ms > 0 else PICTURES_MS,
        language=LANGUAGE,
        published_ms=max(_published_ms(video, newest_ms) + shift_ms, 0),
    )


def _published_ms(video: Video, newest_ms: int) -> int:
    if not video.uploaded:
        return newest_ms - 30 * DAY_MS
    return int(datetime.strptime(video.uploaded, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)


def records(impressions: list[Impression], videos: Iterable[Video], *, run_id: str, end_ms: int) -> Iterator[Produced]:
    """Facts of all videos, then what happened, in order. All times are shifted so that the last event is at `end_ms`.

    Event ids depend on the run id and the row only: the same run id again writes the same events.
    """
    if not impressions:
        return
    newest_ms = impressions[-1].time_ms
    shift_ms = end_ms - newest_ms
    facts_ms = impressions[0].time_ms + shift_ms - FACTS_LEAD_MS
    for video in videos:
        value = _json(facts_of(video, shift_ms, newest_ms))
        yield Produced("videos", f"video-{video.video}".encode(), value, facts_ms)
    for row, impression in enumerate(impressions):
        yield from events_of(impression, f"{run_id}:{row}", shift_ms)


def events_of(impression: Impression, row_id: str, shift_ms: int) -> Iterator[Produced]:
    """What one impression says: a view if it was played, and a like, share and feedback where marked."""
    user, video = f"user-{impression.user}", f"video-{impression.video}"
    at_ms, region = impression.time_ms + shift_ms, region_of(impression.user)

    def produced(topic: str, event: View | Like | Share | Feedback) -> Produced:
        return Produced(topic, user.encode(), _json(event), at_ms + DELAY_MS)

    def name(kind: str) -> str:
        return f"{event_hash(f'{row_id}:{kind}'):016x}"

    if impression.play_ms > 0:
        duration_ms = impression.duration_ms if impression.duration_ms > 0 else None
        surface = f"tab-{impression.surface}"
        view = View(name("view"), user, video, at_ms, impression.play_ms, duration_ms, surface, region)
        yield produced("views", view)
    if impression.liked:
        yield produced("likes", Like(name("like"), user, video, at_ms, "like", region))
    if impression.forwarded:
        yield produced("shares", Share(name("share"), user, video, at_ms, CHANNEL, "share", region))
    marks = {"comment": impression.commented, "follow": impression.followed, "not_interested": impression.hated}
    for kind, marked in marks.items():
        if marked:
            yield produced("feedback", Feedback(name(kind), user, video, at_ms, kind))
