"""What the `videos` log says: the last facts of each video, and which videos changed their topics."""

from dataclasses import dataclass, field

from streams.core.events import VideoFacts, is_live
from streams.core.keys import topic_hash
from streams.core.rows import FactsRow


def topics_of(facts: VideoFacts) -> tuple[int, ...]:
    """Hashes of the interest topics of a video."""
    return (
        *(topic_hash("tag", tag) for tag in facts.tags),
        topic_hash("sound", facts.sound),
        topic_hash("creator", facts.creator),
        topic_hash("category", facts.category),
        topic_hash("language", facts.language),
    )


@dataclass(slots=True)
class Facts:
    """All videos. `rows` is the expected part of `videos-table`; `last` keeps facts of removed videos too."""

    rows: dict[str, FactsRow] = field(default_factory=dict)
    last: dict[str, VideoFacts] = field(default_factory=dict)
    versions: dict[str, set[int]] = field(default_factory=dict)
    """Only videos whose topics or duration changed -> hashes of the topics of all their versions."""
    _topics: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def apply(self, video: str, offset: int, facts: VideoFacts | None, *, aside: bool = False) -> None:
        """One good record of the log, in order. `aside`: the video's owner failed on it; the catalogue did not."""
        if not aside:
            self.rows[video] = FactsRow(offset, is_live(facts), facts)
        if facts is None:
            return
        old = self.last.get(video)
        if old is not None and _weighing(old) != _weighing(facts):
            self.versions.setdefault(video, set(topics_of(old))).update(topics_of(facts))
        self.last[video] = facts
        self._topics.pop(video, None)

    def topics(self, video: str) -> tuple[int, ...]:
        """Topics by the last facts. KeyError if the video is unknown."""
        found = self._topics.get(video)
        if found is None:
            found = self._topics[video] = topics_of(self.last[video])
        return found


def _weighing(facts: VideoFacts) -> tuple[object, ...]:
    return tuple(sorted(facts.tags)), facts.sound, facts.creator, facts.category, facts.language, facts.duration_ms
