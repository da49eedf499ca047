"""The OpenAPI document: true to the code, and the file true to the document."""

from pathlib import Path

from streams.serving import openapi
from streams.serving.routes import ROUTES
from tests.serving.builders import client, service

FILE = Path(__file__).parents[2] / "schemas" / "openapi.json"


def test_the_file_is_what_the_code_says() -> None:
    remedy = "run `python -m streams.serving.openapi > schemas/openapi.json`"
    assert FILE.read_text(encoding="utf-8") == openapi.text(), remedy


def test_every_route_is_in_the_document() -> None:
    paths = openapi.document()["paths"]
    for route in ROUTES:
        operation = paths[route.path][route.method.lower()]
        assert [p["name"] for p in operation["parameters"]] == [p.name for p in route.params]
    assert {"/healthz", "/readyz", "/metrics"} < set(paths)


def test_every_reference_resolves() -> None:
    document = openapi.document()
    text = openapi.text()
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == set(document["components"]["schemas"])


def test_operation_ids_are_distinct() -> None:
    operations = [op for path in openapi.document()["paths"].values() for op in path.values() if "operationId" in op]
    assert len({op["operationId"] for op in operations}) == len(operations) == len(ROUTES)


async def test_the_service_serves_it() -> None:
    async with client(service(ready=False)) as http:
        assert (await http.get("/openapi.json")).json() == openapi.document()
