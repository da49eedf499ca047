"""How far the workers are: what was written, what is folded, by the `commits` topic. Pure."""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from streams.core.published import Commit

INPUTS = ("views", "likes", "shares", "feedback", "videos", "accounts")
EVENTS = ("views", "likes", "shares", "feedback")
TALLIES = ("video-tallies", "trend-tallies")
RATE_OVER_S = 10.0

Ends = dict[tuple[str, int], int]
"""(topic, partition) -> end offset."""

decode_commit = msgspec.json.Decoder(Commit).decode


@dataclass
class Folding:
    """The newest commit of each partition, and how fast positions moved. Times in ms are the broker's."""

    commits: dict[int, Commit] = field(default_factory=dict)
    base: dict[int, int] = field(default_factory=dict)
    """Events folded in each partition before this run, by its first commit seen."""
    history: deque[tuple[int, int]] = field(default_factory=deque)
    """(time, events folded in all) of recent commits."""
    began_ms: int = 0
    began_at: int = 0
    ended_ms: int = 0

    def start_at(self, folded: dict[int, int]) -> None:
        """Events folded before this run, by partition."""
        self.base = dict(folded)

    def take(self, commit: Commit, time_ms: int) -> None:
        """Fold in one commit record, in the order of its partition's log."""
        before = self.events
        self.commits[commit.partition] = commit
        gained = self.events - before
        if gained > 0:
            if self.began_ms == 0:
                # The commit before ends the start. Without one, what this commit brought took unknown time.
                known = bool(self.history)
                self.began_ms = self.history[-1][0] if known else time_ms
                self.began_at = before if known else self.events
            self.ended_ms = max(self.ended_ms, time_ms)
        self.history.append((time_ms, self.events))
        while self.history[0][0] < time_ms - RATE_OVER_S * 1000 and len(self.history) > 1:
            self.history.popleft()

    @property
    def events(self) -> int:
        """Events folded in this run (bad ones are among them: they were dealt with)."""
        return sum(self._events_of(partition) for partition in self.commits)

    def _events_of(self, partition: int) -> int:
        positions = self.commits[partition].positions
        return sum(positions.get(topic, 0) for topic in EVENTS) - self.base.get(partition, 0)

    def rate(self, now_ms: int) -> float:
        """Events folded a second in the last seconds."""
        recent = [entry for entry in self.history if entry[0] >= now_ms - RATE_OVER_S * 1000]
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return 0.0
        return (recent[-1][1] - recent[0][1]) * 1000 / (recent[-1][0] - recent[0][0])

    def steady_rate(self) -> float:
        """Events folded a second from the commit before the first that folded any to the last one; 0 if unknown."""
        if self.ended_ms <= self.began_ms:
            return 0.0
        return (self.events - self.began_at) * 1000 / (self.ended_ms - self.began_ms)

    def position(self, topic: str, partition: int) -> int:
        """Next offset to be folded."""
        commit = self.commits.get(partition)
        return 0 if commit is None else commit.positions.get(topic, 0)

    def missing(self, ends: Ends) -> int:
        """Records of these topics below their ends that are not folded."""
        return sum(max(0, end - self.position(topic, partition)) for (topic, partition), end in ends.items())

    def behind(self) -> int:
        """Records not yet folded as the workers themselves told with their last commits."""
        return sum(sum(commit.behind.values()) for commit in self.commits.values())
