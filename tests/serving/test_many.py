"""Answers for many, read in one pass, say byte for byte what the answers for one say, with the kernel and without.

Columns say what those answers say.
"""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from streams.core.compiled import switch
from streams.core.events import VideoFacts
from streams.core.keys import topic_hash, video_row_key
from streams.core.params import FAST_HALF_LIFE_MS, SLOW_HALF_LIFE_MS
from streams.core.reading_columns import VideoStatus
from streams.core.rows import AccountFlag, CounterRow, FactsRow, UserFlag, UserRow
from streams.serving import routes_users, routes_videos
from streams.serving.columns import UserStatus, user_columns, video_columns
from streams.serving.problems import ProblemError
from streams.serving.service import Service
from streams.serving.types import Counted, Interest, UserCounts, UserInterests, UserResult, Video, VideoResult
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


def video_rows(rng: random.Random, name: str, bits: int) -> dict[bytes, bytes | None]:
    facts = VideoFacts('c"', "s", ("a", "ü"), "g", 9_000, "en", 3, rng.choice(["public", "private"]))
    row = rng.choice([None, FactsRow(3, True, facts, ["de"]), FactsRow(3, False, facts), FactsRow(9, False, None)])
    found: dict[bytes, bytes | None] = {}
    for region in rng.sample(REGIONS, rng.randrange(len(REGIONS) + 1)):
        totals = tuple(rng.randrange(1 << rng.choice([7, 15, 31, bits])) for _ in range(3))
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


def some_users() -> tuple[Service, list[str]]:
    rng = random.Random(1)
    names = [f"u{number}" for number in range(200)] + ["ü/", 'q"']
    made = with_users(rng, names)
    return made, rng.sample([*names, "nobody", "never"], 204) + names[:3]


def some_videos(bits: int) -> tuple[Service, list[str]]:
    rng = random.Random(2)
    names = [f"v{number}" for number in range(200)] + ["ü/", "v"]
    made = service()
    for name in names:
        feed_rows(made.state, "videos-table", partition(name), video_rows(rng, name, bits))
    return made, rng.sample([*names, "nothing", "never"], 204) + names[:3]


def test_many_users_are_answered_as_each_one() -> None:
    made, asked = some_users()
    answer = routes_users.get_many(made, {"ids": asked, "limit": 20})
    expected = b",".join(one(routes_users.get_interests, made, name, "unknown", b'"interests":') for name in asked)
    assert msgspec.json.encode(answer.results) == b"[" + expected + b"]"
    assert {result.status for result in answer.results} == {"ok", "unknown", "not-served"}
    assert answer.as_of == [made.truth().of_user(number) for number in range(PARTITIONS)]


def test_many_videos_are_answered_as_each_one() -> None:
    made, asked = some_videos(63)
    answer = routes_videos.get_many(made, {"ids": asked})
    expected = b",".join(one(routes_videos.get_video, made, name, "unknown", b'"video":') for name in asked)
    assert msgspec.json.encode(answer.results) == b"[" + expected + b"]"
    assert {result.video.status for result in answer.results if result.video} == {
        "live", "not-live", "removed", "unknown",
    }  # fmt: skip
    assert answer.as_of == [made.truth().of_video(number) for number in range(PARTITIONS)]


def users_of(made: Service, asked: list[str], limit: int) -> list[UserResult]:
    """The columns' words as an answer has them."""
    read = user_columns(made, asked, limit)
    at_ms, last_ms, counts = read.columns.at_ms.tolist(), read.columns.last_ms.tolist(), read.columns.counts.tolist()
    weighed: Any = zip(*(column.tolist() for column in read.columns[7:]), strict=True)
    interests = [Interest(*made.state.names.get(one[0], (None, None)), *one) for one in weighed]
    found = []
    for number, (begin, end) in enumerate(pairwise(read.columns.starts.tolist())):
        status: Any = UserStatus(read.status[number]).name.lower().replace("_", "-")
        row = UserInterests(
            asked[number], int(read.partition[number]), at_ms[number], last_ms[number], interests[begin:end],
            UserCounts(*counts[number]), routes_users.FLAGS[read.columns.flags[number]],
        )  # fmt: skip
        found.append(UserResult(asked[number], status, row if status == "ok" else None))
    return found


@pytest.mark.parametrize("limit", [1, 20, 100])
def test_columns_of_users_say_what_the_answer_says(limit: int) -> None:
    made, asked = some_users()
    answer = routes_users.get_many(made, {"ids": asked, "limit": limit})
    assert repr(users_of(made, asked, limit)) == repr(answer.results)
    assert user_columns(made, asked, limit).as_of == answer.as_of
    assert [true.partition for true in user_columns(made, asked[:1], limit).as_of] == [partition(asked[0])]


@pytest.mark.parametrize("flag", [AccountFlag.PRIVATE, AccountFlag.BANNED, AccountFlag.MINOR])
def test_columns_of_a_hidden_user_show_nothing(flag: AccountFlag) -> None:
    made = service()
    row = UserRow(
        flags=3, account=int(AccountFlag.KNOWN | flag), views=5, likes=4, shares=3, repeats=2, late=1, last_ms=NOW_MS,
        positive=[(7, 1.0, 2.0)], negative=[(8, 3.0)],
    )  # fmt: skip
    shown = UserRow(views=1, last_ms=NOW_MS, positive=[(9, 1.0, 2.0)])
    for name, one in {"hidden": row, "shown": shown}.items():
        feed_rows(made.state, "interests", partition(name), {name.encode(): one.encode()})
    read = user_columns(made, ["hidden", "shown", "nobody", "hidden"], 20)
    assert read.status.tolist() == [UserStatus.NOT_SERVED, UserStatus.OK, UserStatus.UNKNOWN, UserStatus.NOT_SERVED]
    assert read.columns.topics.tolist() == [9]
    assert {len(column) for column in read.columns[7:]} == {1}
    assert read.columns.starts.tolist() == [0, 0, 1, 1, 1]
    assert [np.flatnonzero(column).tolist() for column in read.columns[:5]] == [[1], [], [], [1], [1]]
    assert read.columns.counts.any(axis=1).tolist() == [False, True, False, False]


def videos_of(made: Service, asked: list[str]) -> list[VideoResult]:
    """The columns' words as an answer has them."""
    read = video_columns(made, asked)
    totals, by_region = read.columns.totals.tolist(), read.columns.by_region.tolist()
    regions = [read.columns.regions[number] for number in read.columns.region]
    found = []
    for number, (begin, end) in enumerate(pairwise(read.columns.starts.tolist())):
        code = VideoStatus(read.columns.status[number])
        status, facts = routes_videos.applied(read.columns.facts[number])
        assert code in (VideoStatus.UNKNOWN, VideoStatus.NO_FACTS) or code.name.lower().replace("_", "-") == status
        counted = {regions[at]: Counted(*by_region[at]) for at in range(begin, end)}
        row = Video(asked[number], int(read.partition[number]), status, facts, Counted(*totals[number]), counted)
        there = code != VideoStatus.UNKNOWN
        found.append(VideoResult(asked[number], "ok" if there else "unknown", row if there else None))
    return found


def test_columns_of_videos_say_what_the_answer_says() -> None:
    made, asked = some_videos(61)  # sums of more than 64 bits have no column
    answer = routes_videos.get_many(made, {"ids": asked})
    assert repr(videos_of(made, asked)) == repr(answer.results)
    assert video_columns(made, asked).as_of == answer.as_of
    assert set(video_columns(made, asked).columns.status.tolist()) == set(VideoStatus)


def test_columns_of_nobody_are_empty() -> None:
    made = service()
    users, videos = user_columns(made, [], 20), video_columns(made, [])
    assert users.as_of == videos.as_of == []
    assert users.columns.starts.tolist() == videos.columns.starts.tolist() == [0]
    assert users.columns.counts.shape == (0, 5)
    assert {len(column) for column in (users.status, users.partition, *users.columns[:6], *users.columns[7:])} == {0}
    assert videos.columns.totals.shape == videos.columns.by_region.shape == (0, 3)
    assert (videos.columns.facts, videos.columns.regions, videos.columns.region.tolist()) == ([], [], [])
