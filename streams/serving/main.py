"""`streams serve`: the reader and its HTTP service in one process."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from typing import NoReturn

import click
import uvicorn

from streams.core.compiled import built
from streams.ops import logs
from streams.ops.announce import announce, watch_loop
from streams.ops.kafka_client import ClientConfigError, NotAuthorizedError
from streams.serving.app import build_app
from streams.serving.layout import PartitionCountError
from streams.serving.memory import spare_collector
from streams.serving.reader import TableReader
from streams.serving.service import Service
from streams.serving.state import ReaderState
from streams.settings import EXIT_CONFIG, Settings, load_settings

EXIT_RESTART = 70
DRAIN_S = 2
"""Requests under way get so long to end after SIGTERM."""

log = logs.get(__name__)


@click.command("serve")
@click.option("--host", help="Address to bind to (STREAMS_HTTP_HOST; default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; 0 takes a free one (STREAMS_HTTP_PORT).")
def command(host: str | None, port: int | None) -> None:
    """Answer over HTTP from a copy of the tables.

    Ready (GET /readyz) when the copy is complete. GET /openapi.json says what can be asked. Needs
    STREAMS_BROKER_URL. Exits 0 on SIGTERM or Ctrl-C, 78 on settings that cannot work, 70 if it should be restarted.
    """
    settings = load_settings(http_host=host, http_port=port)
    logs.configure(settings.log_format, settings.log_level)
    if settings.broker_url is None:
        _refuse("STREAMS_BROKER_URL is not set. Set it to host:port of the Kafka cluster.")
    sys.exit(asyncio.run(serve(settings, _bind(settings))))


async def serve(settings: Settings, listener: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT -> exit code. The URL is printed once requests are taken."""
    spare_collector()
    service = Service(ReaderState(settings.partitions))
    announce("reader", compiled=bool(built()), health=service.health)
    config = uvicorn.Config(
        build_app(service), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=DRAIN_S
    )  # fmt: skip
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    reading = asyncio.create_task(TableReader(settings, service).run())
    watching = asyncio.create_task(watch_loop())
    reading.add_done_callback(lambda _: setattr(server, "should_exit", True))
    click.echo(f"read service on {_url(listener)}  (ready when {_url(listener)}/readyz answers 200)")
    await server.serve(sockets=[listener])
    watching.cancel()
    return await _end(reading)


async def _end(reading: "asyncio.Task[None]") -> int:
    """Stop the reader -> exit code."""
    reading.cancel()
    try:
        await reading
    except asyncio.CancelledError:
        return 0
    except (PartitionCountError, NotAuthorizedError, ClientConfigError) as error:
        click.echo(str(error), err=True)
        return EXIT_CONFIG
    except Exception:
        log.exception("reader-failed")
    return EXIT_RESTART


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`: uvicorn raises them again after its end, before the reader is stopped."""
        yield


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    try:
        listener = socket.create_server((settings.http_host, settings.http_port), family=family)
    except OSError as error:
        where = f"{settings.http_host}:{settings.http_port}"
        _refuse(
            f"cannot listen on {where}: {error.strerror}. Choose another with --port or STREAMS_HTTP_PORT (0: any)."
        )
    # Connections inherit it; without, the second packet of an answer waits 40 ms for the first one's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refuse(why: str) -> NoReturn:
    click.echo(why, err=True)
    sys.exit(EXIT_CONFIG)
