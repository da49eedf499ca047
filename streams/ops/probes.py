"""`/metrics`, `/healthz` and `/readyz` of a process without an HTTP service of its own, answered from a thread.

A thread, so that a probe is answered while the event loop is blocked: that is what it asks about.
"""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from streams.ops.health import Health

TIMEOUT_S = 10.0
Answer = tuple[int, str, bytes]


def answer(path: str, health: Health) -> Answer:
    """Status, content type and body of one request."""
    match path.partition("?")[0]:
        case "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
        case "/healthz":
            return _status("failing", health.failures())
        case "/readyz":
            return _status("not-ready", health.problems())
        case _:
            return 404, "text/plain", b"/metrics, /healthz or /readyz\n"


def _status(word: str, problems: dict[str, str]) -> Answer:
    body = {"status": word if problems else "ok", "problems": problems}
    return 503 if problems else 200, "application/json", json.dumps(body).encode()


def serve(health: Health, port: int, host: str = "127.0.0.1") -> tuple[int, Callable[[], None]]:
    """Answer from a daemon thread -> (port, stop). Port 0 takes a free one. OSError if it is in use."""

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        """A client that sends nothing holds a thread no longer than that (seconds)."""

        def do_GET(self) -> None:
            status, kind, body = answer(self.path, health)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """A line per scrape helps nobody."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name="probes", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, stop
