"""Probes, metrics and the OpenAPI document: open to all, also before the tables are complete."""

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from streams.serving import openapi
from streams.serving.service import Service
from streams.serving.types import Status


def paths(service: Service) -> list[Path]:
    """The routes that are no part of the data interface."""

    async def healthz(_: Request) -> Response:
        failures = service.health.failures()
        return _status(Status(status="failing" if failures else "ok", problems=failures))

    async def readyz(_: Request) -> Response:
        missing = service.health.problems()
        return _status(Status(status="not-ready" if missing else "ok", problems=missing))

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    async def document(_: Request) -> Response:
        return Response(msgspec.json.encode(openapi.document()), media_type="application/json")

    handlers = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, "/openapi.json": document}
    return [Path(path, handler, methods=["GET"]) for path, handler in handlers.items()]


def _status(status: Status) -> Response:
    return Response(msgspec.json.encode(status), 200 if status.status == "ok" else 503, media_type="application/json")
