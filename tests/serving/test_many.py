"""Answers for many, read in one pass, say byte for byte what the answers for one say, with the kernel and without."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from streams.core.compiled import switch
from streams.core.events import VideoFacts
from streams.core.keys import topic_hash, video_row_key
from streams.core.params import FAST_HALF_LIFE_MS, SLOW_HALF_LIFE_MS
from streams.core.rows import AccountFlag, CounterRow, FactsRow, UserFlag, UserRow
from streams.serving import routes_users, routes_videos
from streams.serving.problems import ProblemError
from streams.serving.service import Service
from tests.serving.builders import NOW_MS, PARTITIONS, commit, feed_commit, feed_rows, partition, service

TOPICS = [topic_hash("tag", f"t{number}") for number in range(80)]
NAMED = 40
"""So many of the topics have names."""
REGIONS = ["de", "fr", "ö", "us"]


@pytest.fixture(params=[True, False], ids=["kernel", "plain"], autouse=True)
def kernel(request: pytest.FixtureRequest) -> Iterator[None]:
    switch(on=request.param)
    yield
    switch(on=True)


def user_row(rng: random.Random) -> UserRow:
    return UserRow(
        flags=rng.choice([0, int(UserFlag.EVICTED_TOPIC | UserFlag.GAVE_UP_SHARE)]),
        account=rng.choice([0, int(AccountFlag.KNOWN), int(AccountFlag.MINOR | AccountFlag.KNOWN)]),
        views=rng.randrange(1 << 32), likes=rng.randrange(9), shares=rng.randrange(9), repeats=rng.randrange(9),
        late=rng.randrange(9), fast_epoch=NOW_MS // FAST_HALF_LIFE_MS - rng.randrange(50),
        slow_epoch=NOW_MS // SLOW_HALF_LIFE_MS - rng.randrange(2), last_ms=NOW_MS + rng.randrange(-(10**7), 10**5),
        positive=[(topic, rng.random(), rng.choice([0.0, 7.0])) for topic in rng.sample(TOPICS, rng.randrange(64))],
        negative=[(topic, rng.choice([0.5, rng.random()])) for topic in rng.sample(TOPICS, rng.randrange(64))],
    )  # fmt: skip


def with_users(rng: random.Random, names: list[str]) -> Service:
    made = service()
    tags = tuple(f"t{number}" for number in range(NAMED))
    feed_rows(made.state, "videos", 0, {b"v": msgspec.json.encode(VideoFacts("c", "s", tags, "g", 9, "en", 0))})
    for number in range(1, PARTITIONS):  # of partition 0 nothing is committed
        feed_commit(made.state, commit(number, 5 + number, tables={"interests": 1}, watermark_ms=NOW_MS - number))
    for name in names:
        feed_rows(made.state, "interests", partition(name), {name.encode(): user_row(rng).encode()})
    return made


def video_rows(rng: random.Random, name: str) -> dict[bytes, bytes | None]:
    facts = VideoFacts('c"', "s", ("a", "ü"), "g", 9_000, "en", 3, rng.choice(["public", "private"]))
    row = rng.choice([None, FactsRow(3, True, facts, ["de"]), FactsRow(3, False, facts), FactsRow(9, False, None)])
    found: dict[bytes, bytes | None] = {}
    for region in rng.sample(REGIONS, rng.randrange(len(REGIONS) + 1)):
        totals = tuple(rng.randrange(1 << rng.choice([7, 15, 31, 63])) for _ in range(3))
        found[video_row_key(name, region)] = CounterRow((totals[0], totals[1], totals[2])).encode()
    if row is not None:
        found[video_row_key(name, "")] = row.encode()
    return found


def without_as_of(answer: msgspec.Struct) -> bytes:
    """The JSON of an answer for one as it stands within an answer for many."""
    encoded = msgspec.json.encode(answer)
    at = encoded.rindex(b',"as_of":')
    return encoded[:at] + b"}"


def one(handler: Any, made: Service, name: str, status: str, field: bytes) -> bytes:
    begin = b'{"id":' + msgspec.json.encode(name) + b',"status":'
    try:
        return begin + b'"ok",' + field + without_as_of(handler(made, {"id": name, "limit": 20})) + b"}"
    except ProblemError as error:
        found = status if error.problem.status == 404 else "not-served"
        return begin + msgspec.json.encode(found) + b"," + field + b"null}"


def test_many_users_are_answered_as_each_one() -> None:
    rng = random.Random(1)
    names = [f"u{number}" for number in range(200)] + ["ü/", 'q"']
    made = with_users(rng, names)
    asked = rng.sample([*names, "nobody", "never"], 204) + names[:3]
    answer = routes_users.get_many(made, {"ids": asked, "limit": 20})
    expected = b",".join(one(routes_users.get_interests, made, name, "unknown", b'"interests":') for name in asked)
    assert msgspec.json.encode(answer.results) == b"[" + expected + b"]"
    assert {result.status for result in answer.results} == {"ok", "unknown", "not-served"}
    assert answer.as_of == [made.truth().of_user(number) for number in range(PARTITIONS)]


def test_many_videos_are_answered_as_each_one() -> None:
    rng = random.Random(2)
    names = [f"v{number}" for number in range(200)] + ["ü/", "v"]
    made = service()
    for name in names:
        feed_rows(made.state, "videos-table", partition(name), video_rows(rng, name))
    asked = rng.sample([*names, "nothing", "never"], 204) + names[:3]
    answer = routes_videos.get_many(made, {"ids": asked})
    expected = b",".join(one(routes_videos.get_video, made, name, "unknown", b'"video":') for name in asked)
    assert msgspec.json.encode(answer.results) == b"[" + expected + b"]"
    assert {result.video.status for result in answer.results if result.video} == {
        "live", "not-live", "removed", "unknown",
    }  # fmt: skip
    assert answer.as_of == [made.truth().of_video(number) for number in range(PARTITIONS)]
