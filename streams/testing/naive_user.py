"""The user stage again, naively: dictionaries, textbook floats, one event after another. Shares no fold code."""

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from streams.core.events import VideoFacts
from streams.core.keys import event_hash, seen_hash, topic_hash
from streams.core.params import DAY_MS, FAST_HALF_LIFE_MS, SLOW_HALF_LIFE_MS
from streams.core.ports import Catalogue, Record

Cell = tuple[str, str, int]
"""(video, region, code)"""


@dataclass(slots=True)
class Decayed:
    """A value that halves every half-life, known at one instant."""

    half_life_ms: int
    value: float = 0.0
    at_ms: int = 0

    def add(self, weight: float, at_ms: int) -> None:
        newest = max(self.at_ms, at_ms)
        self.value = self.at(newest) + weight * 2.0 ** ((at_ms - newest) / self.half_life_ms)
        self.at_ms = newest

    def at(self, now_ms: int) -> float:
        return self.value * math.exp2((self.at_ms - now_ms) / self.half_life_ms)


@dataclass(slots=True)
class Interest:
    """One topic of one user, by both half-lives."""

    fast: Decayed = field(default_factory=lambda: Decayed(FAST_HALF_LIFE_MS))
    slow: Decayed = field(default_factory=lambda: Decayed(SLOW_HALF_LIFE_MS))


@dataclass(slots=True)
class Parked:
    """Shares of one (user, video) that wait for facts."""

    first_arrival_ms: int
    shares: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    """(kind, sign, at, watch, duration)"""


@dataclass(slots=True)
class NaiveUser:
    """Everything known of one user."""

    views: int = 0
    likes: int = 0
    shares: int = 0
    repeats: int = 0
    late: int = 0
    last_ms: int = 0
    ids: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    positive: dict[int, Interest] = field(default_factory=dict)
    negative: dict[int, Interest] = field(default_factory=dict)
    evicted: bool = False
    changed: bool = False
    gave_up: bool = False
    hidden: bool = False
    seen_account: bool = False
    winners: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    parked: dict[str, Parked] = field(default_factory=dict)


def textbook_weight(watch_ms: int, duration_ms: int) -> float:
    """Weight of a view, by its definition."""
    ratio = watch_ms / duration_ms
    if watch_ms < 2000 and ratio < 0.1:
        return -0.5
    kappa = 0.31 if duration_ms < 15_000 else 0.54 if duration_ms < 30_000 else 0.62
    return kappa * (2 * min(ratio, 1) - 1) + 0.15 * min(max(math.floor(ratio) - 1, 0), 3)


def _topics(facts: VideoFacts) -> list[int]:
    named = [("tag", t) for t in facts.tags] + [("sound", facts.sound), ("creator", facts.creator)]
    return [topic_hash(*n) for n in [*named, ("category", facts.category), ("language", facts.language)]]


class NaiveUsers:
    """All users and what was told about videos. Takes good records only."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.users: dict[str, NaiveUser] = defaultdict(NaiveUser)
        self.cells: dict[Cell, list[int]] = defaultdict(lambda: [0, 0, 0])

    def fold(self, topic: str, record: Record) -> None:
        user = self.users[(record.key or b"").decode()]
        if topic == "accounts":
            self._account(user, json.loads(record.value or b"null"))
            return
        event = json.loads(record.value or b"")
        at_ms, oldest = event["at_ms"], record.timestamp - DAY_MS
        event["late"] = at_ms < oldest
        event["at"] = max(oldest, min(at_ms, record.timestamp + 2000))
        event["arrival"] = record.timestamp
        event["region"] = event.get("region") or "unknown"
        if topic == "views":
            self._view(user, event)
        else:
            self._reaction(user, topic, event)

    def resolve(self, video: str) -> None:
        """The video's facts have come."""
        for user in self.users.values():
            parked = user.parked.pop(video, None)
            for kind, sign, at, watch, duration in parked.shares if parked else ():
                self._share(user, video, {"at": at, "watch_ms": watch, "duration_ms": duration}, kind, sign)

    def _account(self, user: NaiveUser, event: dict[str, Any] | None) -> None:
        user.seen_account = event is not None
        user.hidden = event is not None and (
            event.get("private", False)
            or event.get("status", "active") in ("banned", "deleted")
            or event.get("age_band", "adult") in ("teen", "child")
        )

    def _view(self, user: NaiveUser, event: dict[str, Any]) -> None:
        if event["id"] in user.ids[-32:]:
            user.repeats += 1
            return
        user.views += 1
        user.ids.append(event["id"])
        user.videos.append(event["video"])
        user.late += event["late"]
        user.last_ms = max(user.last_ms, event["at"])
        if not user.hidden:
            self._tell(event, 0, 1)
        if not event["late"]:
            self._share(user, event["video"], event, "view", 1)

    def _reaction(self, user: NaiveUser, topic: str, event: dict[str, Any]) -> None:
        setattr(user, topic, getattr(user, topic) + 1)
        user.late += event["late"]
        user.last_ms = max(user.last_ms, event["at"])
        event["on"] = event["op"] in ("like", "share")
        event["counted"] = event["on"] and not user.hidden
        event["order"] = (event["at"], event_hash(event["id"]))
        slot = (event["video"], topic, event.get("channel", ""))
        old = user.winners.get(slot)
        if old is not None and event["order"] <= old["order"]:
            return
        user.winners[slot] = event
        for winner, sign in ((old, -1), (event, 1)):
            if winner is None:
                continue
            if winner["counted"]:
                self._tell(winner, 1 if topic == "likes" else 2, sign)
            if winner["on"] and not winner["late"]:
                self._share(user, event["video"], {**winner, "arrival": event["arrival"]}, topic, sign)

    def _tell(self, event: dict[str, Any], column: int, by: int) -> None:
        code = 3 << 30 if event["late"] else event["at"] // 60_000
        self.cells[event["video"], event["region"], code][column] += by

    def _share(self, user: NaiveUser, video: str, event: dict[str, Any], kind: str, sign: int) -> None:
        facts = self._catalogue.get(video)
        if facts is None:
            self._park(user, video, event, kind, sign)
            return
        user.changed |= self._catalogue.changed(video)
        weight = float(sign)
        if kind == "view":
            weight = textbook_weight(event["watch_ms"], event.get("duration_ms") or facts.duration_ms)
        undo = sign < 0
        if weight == 0:
            return
        listed, most, kept = (user.positive, 40, 32) if weight > 0 or undo else (user.negative, 16, 12)
        for topic in _topics(facts):
            if topic not in listed:
                if undo:
                    continue
                user.evicted |= _make_room(listed, most, kept, event["at"])
                listed[topic] = Interest()
            amount = weight if listed is user.positive else -weight
            listed[topic].fast.add(amount, event["at"])
            listed[topic].slow.add(amount, event["at"])

    def _park(self, user: NaiveUser, video: str, event: dict[str, Any], kind: str, sign: int) -> None:
        if video not in user.parked:
            if len(user.parked) == 64:
                user.gave_up = True
                return
            user.parked[video] = Parked(event["arrival"])
        if len(user.parked[video].shares) == 16:
            user.gave_up = True
            return
        duration = event.get("duration_ms") or 0
        user.parked[video].shares.append((kind, sign, event["at"], event.get("watch_ms", 0), duration))


def _make_room(listed: dict[int, Interest], most: int, kept: int, now_ms: int) -> bool:
    if len(listed) < most:
        return False
    ranked = sorted(listed, key=lambda topic: (listed[topic].slow.at(now_ms), topic))
    for topic in ranked[: most - kept]:
        del listed[topic]
    return True


def ring(values: list[Any], size: int) -> list[Any]:
    """The last `size` values where a row keeps them: value k at place k % size."""
    kept: list[Any] = values[:size]
    for k in range(size, len(values)):
        kept[k % size] = values[k]
    return kept


def hashes(user: NaiveUser) -> tuple[list[int], list[int]]:
    """(view ids, seen videos) as the row holds them."""
    return ring([event_hash(i) for i in user.ids], 32), ring([seen_hash(v) for v in user.videos], 16)
