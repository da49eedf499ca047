"""Structured logs: one event name per line of code, values as keywords, never inside the text.

Lines carry topic, partition, counts, times and errors; never a user, a key or a value (tests/ops/test_logs.py looks).
"""

import logging
import sys
from typing import Literal, TextIO

import structlog

from streams.ops.repeats import LimitingHandler

Format = Literal["console", "json"]
LIBRARY = "library"
"""Event of all lines that are not ours: their words are in `text`."""


def configure(form: Format = "console", level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging to one stream (default stderr) in one form.

    `level` is a name of the standard library's levels in any case; ValueError if it is none.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level {level!r} is none of debug, info, warning, error, critical")
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    _structlog(shared)
    handler = LimitingHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form, out)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)


def _structlog(shared: "list[structlog.typing.Processor]") -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _name_library(_: object, __: str, event: "structlog.typing.EventDict") -> "structlog.typing.EventDict":
    event["text"] = event.pop("event")
    event["event"] = LIBRARY
    return event


def _renderer(form: Format, out: TextIO) -> "structlog.typing.Processor":
    if form == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=out.isatty())


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Logger of a module: `log = logs.get(__name__)`; `log.info("units-open", partitions=3)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
