"""The catalogue: latest facts, what changed, what became known."""

import msgspec
import pytest

from streams.agents import catalogue as module
from streams.agents.catalogue import Catalogue
from streams.core.events import VideoFacts
from streams.core.keys import partition_of
from streams.wire.records import Record

FACTS = VideoFacts("creator", "sound", ("a",), "fun", 15_000, "en", 1)


def tell(catalogue: Catalogue, video: str, facts: VideoFacts | None) -> None:
    key = video.encode()
    value = None if facts is None else msgspec.json.encode(facts)
    catalogue.apply(partition_of(key, 8), [Record(key, value, 0, 0)])


def test_facts_become_known_once() -> None:
    catalogue = Catalogue(8)
    tell(catalogue, "v", FACTS)
    tell(catalogue, "v", FACTS)
    assert catalogue.get("v") == FACTS
    assert not catalogue.changed("v")
    cursor, videos = catalogue.known_since(0)
    assert list(videos) == ["v"]
    assert list(catalogue.known_since(cursor)[1]) == []


def test_other_topics_are_a_change_and_news() -> None:
    catalogue = Catalogue(8)
    tell(catalogue, "v", FACTS)
    cursor, videos = catalogue.news_since(0)
    assert videos == ["v"]
    tell(catalogue, "v", msgspec.structs.replace(FACTS, status="removed"))
    assert not catalogue.changed("v")
    assert catalogue.news_since(cursor) == (cursor, [])
    tell(catalogue, "v", msgspec.structs.replace(FACTS, tags=("b",)))
    assert catalogue.changed("v")
    assert catalogue.news_since(cursor)[1] == ["v"]


def test_a_tombstone_keeps_the_facts_and_marks_them() -> None:
    catalogue = Catalogue(8)
    tell(catalogue, "gone", None)
    assert catalogue.get("gone") is None
    tell(catalogue, "v", FACTS)
    tell(catalogue, "v", None)
    tell(catalogue, "v", None)
    assert catalogue.get("v") == FACTS
    assert catalogue.changed("v")
    assert catalogue.news_since(0)[1] == ["v", "v"]


def test_news_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEWS_KEPT", 2)
    catalogue = Catalogue(8)
    for number in range(5):
        tell(catalogue, f"v{number}", FACTS)
    assert catalogue.news_since(1) == (5, None)
    assert catalogue.news_since(2) == (5, ["v2", "v3", "v4"])


def test_bad_facts_are_left_to_their_owner() -> None:
    catalogue = Catalogue(8)
    catalogue.apply(0, [Record(b"v", b"{", 0, 0)])
    assert catalogue.get("v") is None


def test_bad_records_are_as_if_they_had_not_come() -> None:
    catalogue = Catalogue(8)
    key, good, bad = b"v", msgspec.json.encode(FACTS), b'{"creator":1}'
    home = partition_of(key, 8)
    catalogue.apply((home + 1) % 8, [Record(key, good, 0, 0)])
    catalogue.apply(home, [Record(None, good, 0, 0), Record(b"\xff", good, 0, 0), Record(key, bad, 1, 0)])
    assert catalogue.get("v") is None
    catalogue.apply(home, [Record(key, bad, 2, 0), Record(key, good, 3, 0), Record(key, bad, 4, 0)])
    assert catalogue.get("v") == FACTS
    assert not catalogue.changed("v")
    assert catalogue.known_since(0)[1][-1] == "v"


def test_facts_nobody_asked_for_are_compared_with_the_next() -> None:
    catalogue = Catalogue(8)
    tell(catalogue, "v", FACTS)
    tell(catalogue, "v", msgspec.structs.replace(FACTS, tags=("b",)))
    tell(catalogue, "w", FACTS)
    tell(catalogue, "w", None)
    assert catalogue.changed("v")
    assert catalogue.changed("w")
