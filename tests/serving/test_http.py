"""Answers over HTTP from a state that was fed by hand."""

import msgspec
import pytest

from streams.core.events import VideoFacts
from streams.core.keys import Kind, entity_key, entity_name, topic_hash, video_row_key
from streams.core.params import FAST_HALF_LIFE_MS, HOUR_MS, MINUTE_MS, SLOW_HALF_LIFE_MS
from streams.core.published import Chart, ChartEntry
from streams.core.rows import AccountFlag, CounterRow, FactsRow, UserFlag, UserRow
from streams.serving.service import Service
from tests.serving.builders import NOW_MS, client, commit, feed_commit, feed_rows, partition, service

FACTS = VideoFacts("ann", "beat", ("cats",), "pets", 9_000, "en", 0)
CATS, BEAT, NAMELESS = topic_hash("tag", "cats"), topic_hash("sound", "beat"), 12345
FAST_EPOCH, SLOW_EPOCH = NOW_MS // FAST_HALF_LIFE_MS, NOW_MS // SLOW_HALF_LIFE_MS

USER = UserRow(
    flags=int(UserFlag.EVICTED_TOPIC | UserFlag.GAVE_UP_SHARE),
    account=int(AccountFlag.KNOWN),
    views=5,
    likes=2,
    shares=1,
    repeats=3,
    late=4,
    fast_epoch=FAST_EPOCH,
    slow_epoch=SLOW_EPOCH,
    last_ms=NOW_MS - 60_000,
    positive=[(CATS, 1.0, 2.0), (NAMELESS, 4.0, 8.0)],
    negative=[(BEAT, 0.5), (CATS, 0.25)],
)


def with_user(name: str = "eve", row: UserRow = USER, watermark_ms: int = NOW_MS) -> Service:
    made = service()
    feed_commit(made.state, commit(partition(name), 7, tables={"interests": 1}, watermark_ms=watermark_ms))
    feed_rows(made.state, "interests", partition(name), {name.encode(): row.encode()})
    feed_rows(made.state, "videos", 0, {b"v1": msgspec.json.encode(FACTS)})
    return made


async def test_interests_are_decayed_to_the_watermark_and_named() -> None:
    async with client(with_user()) as http:
        answer = (await http.get("/v1/users/eve/interests")).json()
    fast, slow = 2 ** (FAST_EPOCH - NOW_MS / FAST_HALF_LIFE_MS), 2 ** (SLOW_EPOCH - NOW_MS / SLOW_HALF_LIFE_MS)
    assert [(i["kind"], i["name"]) for i in answer["interests"]] == [(None, None), ("tag", "cats"), ("sound", "beat")]
    cats = answer["interests"][1]
    assert cats["fast"] == pytest.approx(fast)
    assert cats["slow"] == pytest.approx(2 * slow)
    assert cats["negative"] == pytest.approx(0.25 * slow)
    assert cats["score"] == pytest.approx(0.6 * fast + 0.8 * slow - 0.125 * slow)
    assert answer["interests"][2]["score"] == pytest.approx(-0.25 * slow)
    assert answer["at_ms"] == NOW_MS


async def test_counts_flags_and_as_of_of_a_user() -> None:
    async with client(with_user()) as http:
        answer = (await http.get("/v1/users/eve/interests?limit=1")).json()
    assert answer["counts"] == {"views": 5, "likes": 2, "shares": 1, "repeats": 3, "late": 4}
    assert answer["flags"] == ["evicted-topic", "gave-up-share"]
    assert len(answer["interests"]) == 1
    assert answer["as_of"]["flush"] == 7
    assert answer["as_of"]["partition"] == answer["partition"] == partition("eve")


async def test_weights_are_never_read_before_the_newest_event() -> None:
    async with client(with_user(watermark_ms=NOW_MS - HOUR_MS)) as http:
        answer = (await http.get("/v1/users/eve/interests")).json()
    assert answer["at_ms"] == USER.last_ms


async def test_a_row_without_weights_has_no_interests() -> None:
    async with client(with_user(row=UserRow(views=1, last_ms=NOW_MS))) as http:
        answer = (await http.get("/v1/users/eve/interests")).json()
    assert answer["interests"] == []


@pytest.mark.parametrize("flag", [AccountFlag.PRIVATE, AccountFlag.BANNED, AccountFlag.MINOR])
async def test_hidden_accounts_are_not_served(flag: AccountFlag) -> None:
    made = with_user(row=UserRow(views=1, account=int(flag | AccountFlag.KNOWN)))
    async with client(made) as http:
        one = await http.get("/v1/users/eve/interests")
        many = await http.post("/v1/users/interests", json={"ids": ["eve"]})
    assert (one.status_code, one.json()["type"]) == (403, "/problems/not-served")
    assert "views" not in one.text
    assert many.json()["results"] == [{"id": "eve", "status": "not-served", "interests": None}]


async def test_an_unknown_user_is_a_problem_with_as_of() -> None:
    made = with_user()
    feed_commit(made.state, commit(partition("nobody"), 9, watermark_ms=5))
    async with client(made) as http:
        answer = await http.get("/v1/users/nobody/interests")
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (problem["field"], problem["value"], problem["as_of"]["flush"]) == ("id", "nobody", 9)


async def test_many_users_come_in_the_order_asked_with_one_as_of_a_partition() -> None:
    async with client(with_user()) as http:
        answer = (await http.post("/v1/users/interests?limit=2", json={"ids": ["zoe", "eve", "eve"]})).json()
    assert [(r["id"], r["status"]) for r in answer["results"]] == [("zoe", "unknown"), ("eve", "ok"), ("eve", "ok")]
    assert len(answer["results"][1]["interests"]["interests"]) == 2
    assert sorted(a["partition"] for a in answer["as_of"]) == sorted({partition("zoe"), partition("eve")})


async def test_names_with_slashes_and_dots_are_found() -> None:
    name = "a/b c/../ü"
    async with client(with_user(name)) as http:
        answer = await http.get("/v1/users/a%2Fb%20c%2F..%2F%C3%BC/interests")
    assert answer.json()["user"] == name


def with_video(facts: FactsRow | None, name: str = "v1") -> Service:
    made = service()
    rows: dict[bytes, bytes | None] = {
        video_row_key(name, "de"): CounterRow((5, 1, 0)).encode(),
        video_row_key(name, "at"): CounterRow((2, 0, 1)).encode(),
    }
    if facts is not None:
        rows[video_row_key(name, "")] = facts.encode()
    feed_rows(made.state, "videos-table", partition(name), rows)
    return made


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (FactsRow(1, True, FACTS), "live"),
        (FactsRow(1, False, FACTS), "not-live"),
        (FactsRow(1, False, None), "removed"),
        (None, "unknown"),
    ],
)
async def test_a_video_has_a_status_and_totals_by_region(row: FactsRow | None, status: str) -> None:
    async with client(with_video(row)) as http:
        answer = (await http.get("/v1/videos/v1")).json()
    assert answer["status"] == status
    assert answer["totals"] == {"views": 7, "likes": 1, "shares": 1}
    assert list(answer["regions"]) == ["at", "de"]
    assert answer["regions"]["de"] == {"views": 5, "likes": 1, "shares": 0}
    has_facts = row is not None and row.facts is not None
    assert (answer["facts"] is not None) is has_facts
    assert not has_facts or answer["facts"]["tags"] == ["cats"]


async def test_many_videos_and_an_unknown_one() -> None:
    async with client(with_video(None)) as http:
        many = (await http.post("/v1/videos", json={"ids": ["v2", "v1"]})).json()
        one = await http.get("/v1/videos/v2")
    assert [(r["id"], r["status"], r["video"] is None) for r in many["results"]] == [
        ("v2", "unknown", True),
        ("v1", "ok", False),
    ]
    assert one.status_code == 404
    assert one.json()["as_of"]["partition"] == partition("v2")


def with_entity(row: CounterRow, scope: str = "*", watermark_ms: int = NOW_MS) -> Service:
    made = service()
    at = partition(entity_name(Kind.TAG, "cats"))
    feed_commit(made.state, commit(at, 3, tables={"trends": 1}, watermark_ms=watermark_ms))
    feed_rows(made.state, "trends", at, {entity_key(Kind.TAG, "cats", scope): row.encode()})
    return made


async def test_an_entity_has_totals_windows_and_panes_cut_at_the_watermark() -> None:
    minute, hour = NOW_MS // MINUTE_MS, NOW_MS // HOUR_MS
    minutes = {minute: (1, 0, 0), minute - 59: (2, 1, 0), minute - 60: (4, 0, 0), minute - 119: (8, 0, 0)}
    hours = {hour: (3, 1, 0), hour - 23: (5, 0, 0), hour - 24: (7, 0, 0), hour - 335: (9, 0, 0)}
    row = CounterRow((50, 1, 0), minute, hour, minutes, hours)
    later = NOW_MS + MINUTE_MS
    async with client(with_entity(row, watermark_ms=later)) as http:
        answer = (await http.get("/v1/entities/tag/cats")).json()
    assert answer["totals"] == {"views": 50, "likes": 1, "shares": 0}
    assert answer["windows"]["1h"] == {"views": 1, "likes": 0, "shares": 0}
    assert answer["windows"]["24h"] == {"views": 8, "likes": 1, "shares": 0}
    assert [pane["start_ms"] // MINUTE_MS - minute for pane in answer["minutes"]] == [-60, -59, 0]
    assert [pane["start_ms"] // HOUR_MS - hour for pane in answer["hours"]] == [-335, -24, -23, 0]
    assert answer["at_ms"] == later
    assert answer["velocity"] > 0
    assert 0 < answer["decayed"]["15m"]["views"] < answer["decayed"]["7d"]["views"] < 24


async def test_an_entity_of_zeros_or_of_another_scope_is_unknown() -> None:
    async with client(with_entity(CounterRow(), "de")) as http:
        zeros = await http.get("/v1/entities/tag/cats?scope=de")
        absent = await http.get("/v1/entities/tag/cats")
    assert (zeros.status_code, absent.status_code) == (404, 404)
    assert absent.json()["as_of"]["flush"] == 3


def chart(number: int, entries: list[ChartEntry], watermark_ms: int) -> dict[bytes, bytes | None]:
    made = Chart(kind="tag", scope="*", window="1h", partition=number, watermark_ms=watermark_ms, entries=entries)
    return {f"tag|*|1h|{number}".encode(): msgspec.json.encode(made)}


async def test_trending_merges_the_partitions_exactly() -> None:
    made = service()
    feed_rows(made.state, "charts", 0, chart(0, [ChartEntry("b", 9, 9, 0, 0), ChartEntry("d", 1, 1, 0, 0)], 80))
    feed_rows(made.state, "charts", 1, chart(1, [ChartEntry("a", 9, 4, 0, 1), ChartEntry("c", 7, 7, 0, 0)], 60))
    async with client(made) as http:
        answer = (await http.get("/v1/trending/tag?scope=*&window=1h&limit=3")).json()
        other = (await http.get("/v1/trending/tag?window=24h")).json()
    assert [(e["rank"], e["id"], e["score"]) for e in answer["entries"]] == [(1, "a", 9), (2, "b", 9), (3, "c", 7)]
    assert answer["entries"][0]["shares"] == 1
    assert answer["as_of"]["watermark_ms"] == 60
    assert [part["partition"] for part in answer["as_of"]["charts"]] == [0, 1]
    assert (other["entries"], other["window"]) == ([], "24h")


async def test_a_row_of_another_version_is_a_problem() -> None:
    made = service()
    feed_rows(made.state, "interests", partition("eve"), {b"eve": b"\x63"})
    async with client(made) as http:
        answer = await http.get("/v1/users/eve/interests")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/unreadable-row")
    assert "99" in answer.json()["detail"]
