"""Every bad request names the field, the value and the remedy; probes and metrics answer."""

from typing import Any

import pytest

from streams.serving import routes_users
from streams.serving.service import READER
from tests.serving.builders import client, service

BAD_GETS = [
    ("/v1/users/u/interests?limit=0", "limit", "0"),
    ("/v1/users/u/interests?limit=101", "limit", "101"),
    ("/v1/users/u/interests?limit=-1", "limit", "-1"),
    ("/v1/users/u/interests?limit=ten", "limit", "ten"),
    ("/v1/users/u/interests?limit=", "limit", ""),
    ("/v1/users/u/interests?limit=%D9%A3", "limit", "٣"),
    ("/v1/users/u/interests?limit=1&limit=2", "limit", "1"),
    ("/v1/users/u/interests?limt=1", "limt", "1"),
    ("/v1/users//interests", "id", ""),
    ("/v1/users/" + "x" * 65 + "/interests", "id", "x" * 65),
    ("/v1/users/a%00b/interests", "id", "a\x00b"),
    ("/v1/videos/a%0Ab", "id", "a\nb"),
    ("/v1/videos/v?scope=de", "scope", "de"),
    ("/v1/entities/tagg/cats", "kind", "tagg"),
    ("/v1/entities/tag/cats?scope=", "scope", ""),
    ("/v1/entities/tag/cats?scope=" + "x" * 17, "scope", "x" * 17),
    ("/v1/entities/region/de?scope=de", "scope", "de"),
    ("/v1/trending/tags", "kind", "tags"),
    ("/v1/trending/tag?window=2h", "window", "2h"),
    ("/v1/trending/tag?limit=1000", "limit", "1000"),
    ("/v1/trending/region?scope=fr", "scope", "fr"),
]


@pytest.mark.parametrize(("path", "field", "value"), BAD_GETS)
async def test_a_bad_parameter_is_named(path: str, field: str, value: str) -> None:
    async with client(service()) as http:
        answer = await http.get(path)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (problem["field"], problem["value"], problem["status"]) == (field, value, 400)
    assert problem["remedy"]
    assert field in problem["detail"]


BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "ids"),
    (b"{", "ids"),
    (b"\xff\xfe", "ids"),
    (b"[]", "ids"),
    (b"{}", "ids"),
    (b'{"ids": []}', "ids"),
    (b'{"ids": "a"}', "ids"),
    (b'{"ids": [1]}', "ids"),
    (b'{"ids": ["' + b"x" * 65 + b'"]}', "ids"),
    (b'{"ids": ["ok", "a\\nb"]}', "ids[1]"),
    (b'{"ids": [' + b",".join([b'"a"'] * 1001) + b"]}", "ids"),
    (b" " * (1024 * 1024 + 1), "body"),
]


@pytest.mark.parametrize(("body", "field"), BAD_BODIES)
@pytest.mark.parametrize("path", ["/v1/users/interests", "/v1/videos"])
async def test_a_bad_body_is_named(path: str, body: bytes, field: str) -> None:
    async with client(service()) as http:
        answer = await http.post(path, content=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert answer.json()["remedy"]


async def test_a_thousand_ids_are_answered() -> None:
    async with client(service()) as http:
        answer = await http.post("/v1/videos", json={"ids": [f"v{n}" for n in range(1000)]})
    assert len(answer.json()["results"]) == 1000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("DELETE", "/v1/videos/v", 405), ("GET", "/v1/users/interests", 405)],
)
async def test_what_the_router_refuses_is_a_problem_too(method: str, path: str, status: int) -> None:
    async with client(service()) as http:
        answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["value"] == path


async def test_a_failure_gives_no_detail_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(routes_users, "find", fail)
    async with client(service()) as http:
        answer = await http.get("/v1/users/eve/interests")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text


async def test_not_ready_says_what_is_missing() -> None:
    async with client(service(ready=False)) as http:
        answers = [await http.get(path) for path in ("/v1/videos/v", "/readyz", "/healthz")]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()["missing"] == {READER: "17 records to read"}
    assert answers[1].json()["problems"] == {READER: "17 records to read"}


async def test_a_late_copy_still_answers_though_it_is_not_ready() -> None:
    made = service()
    made.health.not_ready(READER, "late")
    async with client(made) as http:
        assert (await http.get("/v1/videos/v")).status_code == 404
        assert (await http.get("/readyz")).status_code == 503


async def test_a_dead_part_fails_the_health_check() -> None:
    made = service()
    made.health.dead(READER, "gone")
    async with client(made) as http:
        assert (await http.get("/healthz")).status_code == 503


async def test_metrics_count_by_route_pattern() -> None:
    async with client(service()) as http:
        await http.get("/v1/videos/one-of-many")
        text = (await http.get("/metrics")).text
    assert 'route="GET /v1/videos/{id}",status="404"' in text
    assert "one-of-many" not in text
