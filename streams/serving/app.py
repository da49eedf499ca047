"""The application: routes around the reader's knowledge, problems as answers, latency by route."""

import time
from collections.abc import Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from streams.core.rows import RowVersionError
from streams.ops.metrics import METRICS
from streams.serving import params, problems, routes_ops
from streams.serving.problems import ProblemError
from streams.serving.routes import ROUTES
from streams.serving.service import READER, Route, Service

_encode = msgspec.json.Encoder().encode


class _NameConvertor(StringConvertor):
    """Anything, line breaks and slashes too: what is no name is refused with a better answer than `no such path`."""

    regex = "(?s:.*)"

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("name", _NameConvertor())


def build_app(service: Service) -> Starlette:
    """The ASGI application over this service."""
    data = [Path(_starlette_path(route.path), _endpoint(service, route), methods=[route.method]) for route in ROUTES]
    return Starlette(
        routes=[*data, *routes_ops.paths(service)],
        exception_handlers={HTTPException: problems.on_http_error, Exception: problems.on_failure},
    )


def _starlette_path(path: str) -> str:
    # Names may hold a slash; as %2F it reaches the router decoded.
    return path.replace("{id}", "{id:name}")


def _endpoint(service: Service, route: Route) -> Callable[[Request], Awaitable[Response]]:
    seconds = METRICS.http_seconds

    async def endpoint(request: Request) -> Response:
        start = time.perf_counter()
        response = await _answer(service, route, request)
        took_s = time.perf_counter() - start
        seconds.labels(route=f"{route.method} {route.path}", status=response.status_code).observe(took_s)
        return response

    return endpoint


async def _answer(service: Service, route: Route, request: Request) -> Response:
    try:
        if not service.opened:
            raise problems.not_ready(service.health.problems() or {READER: "not read to their ends yet"})
        values = params.read(request, route.params)
        if route.body is not None:
            values["ids"] = await params.read_ids(request)
        return Response(_encode(route.handler(service, values)), media_type="application/json")
    except ProblemError as error:
        return problems.respond(error.problem)
    except RowVersionError as error:
        return problems.respond(problems.unreadable_row(str(error)).problem)
