"""Exit 0 if the process of this container says that it is alive: /healthz of the read service or of the worker."""

import http.client
import os
import sys

PORTS = (("STREAMS_HTTP_PORT", 8080), ("STREAMS_METRICS_PORT", 9100))
"""A container runs one of both; whichever listens is asked."""
TIMEOUT_S = 3.0


def status(port: int) -> int | None:
    """What /healthz on that port answers; None if nothing listens or it is silent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def healthy() -> bool:
    """Whether something answers, and all that answers says 200."""
    found = [status(int(os.environ.get(name) or default)) for name, default in PORTS]
    answers = [code for code in found if code is not None]
    return bool(answers) and all(code == http.client.OK for code in answers)


if __name__ == "__main__":
    sys.exit(not healthy())
