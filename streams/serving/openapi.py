"""The OpenAPI 3.1 document, generated from the route table and the types.

python -m streams.serving.openapi > schemas/openapi.json
"""

import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from streams.serving.params import Param
from streams.serving.problems import MEDIA_TYPE
from streams.serving.routes import ROUTES
from streams.serving.service import Route
from streams.serving.types import Problem, Status

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"

_PROBLEMS = {
    400: "A parameter or the body cannot be used.",
    403: "The row exists and is not returned: a private, banned or deleted account, or a minor's.",
    404: "Nothing was counted under this name, as of `as_of`.",
    500: "A row was written by another version of the project.",
    503: "The tables are not complete yet.",
}


def document() -> Json:
    """The document as plain data."""
    types = [*{t: None for route in ROUTES for t in (route.answer, route.body) if t}, Problem, Status]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    paths: Json = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    paths.update(_probes())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Interaction Streams",
            "version": "1",
            "description": "Interests, videos, entities and charts, with `as_of`: how true each answer is.",
        },
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _operation(route: Route) -> Json:
    operation: Json = {
        "summary": route.summary,
        "operationId": route.handler.__module__.rpartition("_")[2] + "_" + route.handler.__name__,
        "parameters": [_parameter(p) for p in route.params],
        "responses": dict(_responses(route)),
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content("application/json", route.body)}
    return operation


def _parameter(param: Param) -> Json:
    schema = dict(param.schema) if param.default is None else {**param.schema, "default": param.default}
    required = param.where == "path"
    return {
        "name": param.name, "in": param.where, "required": required, "description": param.description, "schema": schema,
    }  # fmt: skip


def _responses(route: Route) -> Iterator[tuple[str, Json]]:
    yield "200", {"description": _first_line(route.answer), "content": _content("application/json", route.answer)}
    for status in sorted({*route.problems, 400, 500, 503}):
        yield str(status), {"description": _PROBLEMS[status], "content": _content(MEDIA_TYPE, Problem)}


def _content(media_type: str, of: type[msgspec.Struct]) -> Json:
    return {media_type: {"schema": {"$ref": _REF.format(name=of.__name__)}}}


def _first_line(of: type[msgspec.Struct]) -> str:
    return (of.__doc__ or "").strip().splitlines()[0]


def _probes() -> Json:
    probe = {
        "200": {"description": "Yes.", "content": _content("application/json", Status)},
        "503": {"description": "No, and why.", "content": _content("application/json", Status)},
    }
    text = {
        "200": {"description": "Prometheus text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }
    return {
        "/healthz": {"get": {"summary": "Whether the process needs no restart", "responses": probe}},
        "/readyz": {"get": {"summary": "Whether the tables are complete and fresh", "responses": probe}},
        "/metrics": {"get": {"summary": "Metrics", "responses": text}},
    }


def text() -> str:
    """The document as the file in schemas/ holds it."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
