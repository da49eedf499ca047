"""Asks a Kafka whether it answers: one metadata request over a plain socket, no client to set up."""

import socket
import struct
from contextlib import closing

from streams.tools.broker.security import ADMIN, Security

TIMEOUT_S = 2.0
METADATA, VERSION = 3, 1
SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36


def answers(host: str, port: int, security: Security | None = None) -> bool:
    """Whether the broker answers a metadata request and knows at least one live broker (itself)."""
    try:
        with closing(_connect(host, port, security)) as connection:
            reply = _ask(connection, METADATA, VERSION, struct.pack(">i", 0))
    except OSError:
        return False
    # Of no topics; then the number of brokers.
    return int.from_bytes(reply[:4], "big") > 0


def _connect(host: str, port: int, security: Security | None) -> socket.socket:
    connection = socket.create_connection((host, port), TIMEOUT_S)
    if security is None:
        return connection
    try:
        secure = security.context.wrap_socket(connection, server_hostname=host)
        _ask(secure, SASL_HANDSHAKE, 1, _string(b"PLAIN"))
        token = b"\0".join((b"", ADMIN.encode(), security.passwords[ADMIN].encode()))
        _ask(secure, SASL_AUTHENTICATE, 0, struct.pack(">i", len(token)) + token)
    except OSError:
        connection.close()
        raise
    return secure


def is_free(port: int) -> bool:
    """Whether a server may listen on this port of loopback now."""
    with closing(socket.socket()) as listener:
        # As Java does: ports in TIME_WAIT of a broker just stopped are free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of loopback that is free now."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _ask(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    """One request -> its answer, without the correlation id."""
    request = struct.pack(">hhi", api, version, 1) + _string(b"probe") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    return _read(connection, int.from_bytes(_read(connection, 4), "big"))[4:]


def _string(value: bytes) -> bytes:
    return struct.pack(">h", len(value)) + value


def _read(connection: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError
        parts += part
    return parts
