"""Parameters of requests: each says what it accepts, and the OpenAPI document repeats it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec
from starlette.requests import Request

from streams.core.keys import Kind
from streams.core.types import Window
from streams.serving.problems import bad_parameter
from streams.serving.types import Ids

NAME_AT_MOST = 64
REGION_AT_MOST = 16
IDS_AT_MOST = 1000
LIMIT_AT_MOST = 100
BODY_AT_MOST = 1024 * 1024

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. `parse` raises ProblemError; a query parameter without a value takes `default`."""

    name: str
    where: Literal["path", "query"]
    description: str
    schema: Schema
    parse: Callable[[str, str], Any] = field(repr=False)
    default: Any = None


def _name(at_most: int) -> Callable[[str, str], str]:
    def parse(name: str, value: str) -> str:
        if not 1 <= len(value) <= at_most or not value.isprintable():
            remedy = f"use 1 to {at_most} printable characters"
            raise bad_parameter(name, value, "not a name", remedy)
        return value

    return parse


def _one_of(values: Sequence[str]) -> Callable[[str, str], str]:
    def parse(name: str, value: str) -> str:
        if value not in values:
            raise bad_parameter(name, value, "not one of those that exist", f"use one of {', '.join(values)}")
        return value

    return parse


def _limit(name: str, value: str) -> int:
    digits = value if value.isascii() and value.isdigit() and len(value) <= len(str(LIMIT_AT_MOST)) else "0"
    if not 1 <= int(digits) <= LIMIT_AT_MOST:
        raise bad_parameter(name, value, "not a number in range", f"use a whole number from 1 to {LIMIT_AT_MOST}")
    return int(digits)


def _string(at_most: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": at_most}


KINDS = tuple(kind.value for kind in Kind)
WINDOWS: tuple[Window, ...] = get_args(Window)

USER = Param("id", "path", "The user.", _string(NAME_AT_MOST), _name(NAME_AT_MOST))
VIDEO = Param("id", "path", "The video.", _string(NAME_AT_MOST), _name(NAME_AT_MOST))
ENTITY = Param("id", "path", "The entity's id, such as the tag.", _string(NAME_AT_MOST), _name(NAME_AT_MOST))
KIND = Param("kind", "path", "Kind of entity.", {"type": "string", "enum": list(KINDS)}, _one_of(KINDS))
SCOPE = Param("scope", "query", "A region, or `*` for all.", _string(REGION_AT_MOST), _name(REGION_AT_MOST), "*")
WINDOW = Param("window", "query", "Window.", {"type": "string", "enum": list(WINDOWS)}, _one_of(WINDOWS), "1h")
LIMIT = Param(
    "limit", "query", "At most so many.", {"type": "integer", "minimum": 1, "maximum": LIMIT_AT_MOST}, _limit, 20
)  # fmt: skip


def read(request: Request, params: Sequence[Param]) -> dict[str, Any]:
    """Values of all declared parameters. ProblemError if one cannot be used, is given twice or is not declared."""
    query = {p.name: p for p in params if p.where == "query"}
    for name, value in request.query_params.multi_items():
        if name not in query:
            raise bad_parameter(name, value, "no such parameter", f"leave it out; there are: {', '.join(query) or '-'}")
        if len(request.query_params.getlist(name)) > 1:
            raise bad_parameter(name, value, "given twice", "give it once")
    return {p.name: _value(p, request.path_params if p.where == "path" else request.query_params) for p in params}


def _value(param: Param, given: Mapping[str, str]) -> object:
    return param.parse(param.name, given[param.name]) if param.name in given else param.default


def check_scope(kind: str, scope: str) -> None:
    """Entities of kind region have the scope `*` only."""
    if kind == Kind.REGION and scope != "*":
        raise bad_parameter("scope", scope, "a region has no regions", "use scope=*, or leave it out")


_ids = msgspec.json.Decoder(Ids)


async def read_ids(request: Request) -> list[str]:
    """The names in the body. ProblemError if it is too large or is no {"ids": [...]} of 1 to 1000 names."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_AT_MOST:
            remedy = f"send at most {IDS_AT_MOST} ids in {BODY_AT_MOST} bytes"
            raise bad_parameter("body", f"more than {BODY_AT_MOST} bytes", "too large", remedy)
    try:
        ids = _ids.decode(bytes(body)).ids
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        remedy = f'send {{"ids": ["...", ...]}} with 1 to {IDS_AT_MOST} names of 1 to {NAME_AT_MOST} characters'
        raise bad_parameter("ids", bytes(body[:100]).decode(errors="replace"), str(error), remedy) from None
    for index, name in enumerate(ids):
        _name(NAME_AT_MOST)(f"ids[{index}]", name)
    return ids
