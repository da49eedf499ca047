"""Errors as problem+json (RFC 9457): every one names the field, the value and the remedy."""

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from streams.serving.types import AsOf, Problem

MEDIA_TYPE = "application/problem+json"
_SHOWN = 200


class ProblemError(Exception):
    """A request that is answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def bad_parameter(field: str, value: str, detail: str, remedy: str) -> ProblemError:
    """400: this field of the request cannot be used."""
    shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "..."
    return ProblemError(
        Problem(
            type="/problems/bad-parameter",
            title="A parameter cannot be used",
            status=400,
            detail=f"{field}: {detail}",
            field=field,
            value=shown,
            remedy=remedy,
        )
    )


def unknown(field: str, value: str, detail: str, as_of: AsOf) -> ProblemError:
    """404: nothing was ever counted under this name, as of `as_of`."""
    return ProblemError(
        Problem(
            type="/problems/unknown",
            title="Not known",
            status=404,
            detail=detail,
            field=field,
            value=value,
            remedy="check the name; what arrived after `as_of` is not in the answer",
            as_of=as_of,
        )
    )


def not_served(user: str, as_of: AsOf) -> ProblemError:
    """403: the row exists and is not returned. Which of the reasons it is, is nobody's business."""
    return ProblemError(
        Problem(
            type="/problems/not-served",
            title="Not served",
            status=403,
            field="id",
            value=user,
            detail="the account is private, banned, deleted or a minor's: its row is not returned",
            remedy="leave this user out",
            as_of=as_of,
        )
    )


def not_ready(missing: dict[str, str]) -> ProblemError:
    """503: the copy of the tables is not complete yet."""
    return ProblemError(
        Problem(
            type="/problems/not-ready",
            title="Not ready",
            status=503,
            missing=missing,
            detail="the tables are still being read: " + "; ".join(f"{k}: {v}" for k, v in missing.items()),
            remedy="ask again when /readyz answers 200",
        )
    )


def unreadable_row(detail: str) -> ProblemError:
    """500: the row was written by another version."""
    return ProblemError(
        Problem(
            type="/problems/unreadable-row",
            title="The row cannot be read",
            status=500,
            detail=detail,
            remedy="run the version of the read service that belongs to the workers",
        )
    )


def respond(problem: Problem) -> Response:
    """The problem as an answer."""
    return Response(msgspec.json.encode(problem), problem.status, media_type=MEDIA_TYPE)


async def on_http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses: no such path, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    title = {404: "No such path", 405: "No such method here"}.get(status, "Failed")
    return respond(
        Problem(
            type="about:blank",
            title=title,
            status=status,
            detail=f"{request.method} {request.url.path}",
            field="path",
            value=request.url.path,
            remedy="see /openapi.json for what there is",
        )
    )


async def on_failure(request: Request, error: Exception) -> Response:
    """A bug: logged by the server, and no detail given away."""
    return respond(
        Problem(
            type="about:blank",
            title="Failed",
            status=500,
            detail=f"{request.method} {request.url.path} failed",
            field="path",
            value=request.url.path,
            remedy=f"see the log of the service: {type(error).__name__}",
        )
    )
