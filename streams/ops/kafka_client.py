"""Security settings as arguments of Kafka clients, and why a cluster lets nobody in: one line and an exit code."""

import asyncio
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import click
from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.settings import EXIT_CONFIG, Settings, variable

EXIT_RESTART = 70
ASK_S = 5.0
UNREACHABLE = (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError)
"""At the start, or when the broker goes away in the middle."""
SASL_REFUSED = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, IllegalSaslStateError)


class ClientConfigError(Exception):
    """A file that the settings name cannot be used; the message is one line with the remedy."""


class NotAuthorizedError(Exception):
    """Rights are missing; the message has one line for each, with principal, operations and resource."""


class Refusal(NamedTuple):
    """Why no client gets through. `code` 78: settings or rights; 70: the network, or no Kafka there (yet)."""

    code: int
    line: str


def client_arguments(settings: Settings) -> dict[str, Any]:
    """Arguments of every aiokafka client; empty without security. Holds the password: never log it.

    ClientConfigError if a file cannot be used.
    """
    protocol = settings.security_protocol
    if protocol == "PLAINTEXT":
        return {}
    found: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        found["ssl_context"] = _ssl_context(settings)
    if protocol.startswith("SASL"):
        found["sasl_mechanism"] = settings.sasl_mechanism
        found["sasl_plain_username"] = settings.sasl_username
        found["sasl_plain_password"] = _password(settings)
    return found


def principal(settings: Settings) -> str:
    """Who Kafka takes us for, as its ACLs name it."""
    if settings.security_protocol.startswith("SASL"):
        return f"User:{settings.sasl_username}"
    return "User:<subject of the client certificate>" if settings.ssl_cert_file else "User:ANONYMOUS"


def _password(settings: Settings) -> str:
    if settings.sasl_password is not None:
        return settings.sasl_password.get_secret_value()
    password = _text("sasl_password_file", settings.sasl_password_file).rstrip("\r\n")
    if not password:
        raise ClientConfigError(f"{_named('sasl_password_file', settings.sasl_password_file)} is empty: write it anew.")
    return password


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ssl_ca_file is not None:
        authority = _text("ssl_ca_file", settings.ssl_ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise ClientConfigError(_no_pem("ssl_ca_file", settings.ssl_ca_file, "a certificate")) from error
    if settings.ssl_cert_file is not None and settings.ssl_key_file is not None:
        _text("ssl_cert_file", settings.ssl_cert_file)
        _text("ssl_key_file", settings.ssl_key_file)
        try:
            context.load_cert_chain(settings.ssl_cert_file, settings.ssl_key_file, password="")
        except (ssl.SSLError, ValueError) as error:
            named = _named("ssl_cert_file", settings.ssl_cert_file)
            raise ClientConfigError(
                f"{named} does not fit {variable('ssl_key_file')}={settings.ssl_key_file}: "
                "both have to be PEM, of one pair, the key without a passphrase."
            ) from error
    return context


def _text(field: str, path: Path | None) -> str:
    assert path is not None
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ClientConfigError(
            f"{_named(field, path)}: {error.strerror}. Name a file that this user may read."
        ) from error
    except UnicodeDecodeError as error:
        raise ClientConfigError(_no_pem(field, path, "text")) from error


def _named(field: str, path: Path | None) -> str:
    return f"{variable(field)}={path}"


def _no_pem(field: str, path: Path, what: str) -> str:
    return f"{_named(field, path)} holds no PEM with {what}: name another file (openssl can convert DER and PKCS#12)."


async def diagnose(bootstrap: str, settings: Settings) -> Refusal:
    """Why clients cannot connect; each broker of the list is tried once. Never raises for what Kafka answers."""
    found = Refusal(EXIT_RESTART, _silent(bootstrap))
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            await _ask(host, int(port), client_arguments(settings))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is put into words
            found = explain(server, settings, error)
        if found.code == EXIT_CONFIG:
            return found
    return found


async def _ask(host: str, port: int, client: dict[str, Any]) -> None:
    connection = await create_conn(host, port, request_timeout_ms=int(ASK_S * 1000), **client)
    try:
        await connection.send(MetadataRequest([]))
    finally:
        connection.close()


def explain(server: str, settings: Settings, error: BaseException) -> Refusal:  # noqa: PLR0911  # one for each error
    """One connection's error in words, with the remedy."""
    asked = f"{variable('security_protocol')}={settings.security_protocol}"
    if isinstance(error, ClientConfigError):
        return Refusal(EXIT_CONFIG, str(error))
    if isinstance(error, ssl.SSLCertVerificationError):
        named = settings.ssl_ca_file or "the system's authorities"
        line = f"The certificate of Kafka at {server} is not trusted ({error.verify_message}): "
        return Refusal(EXIT_CONFIG, f"{line}STREAMS_SSL_CA_FILE ({named}) has to hold the authority that signed it.")
    if isinstance(error, UnsupportedSaslMechanismError):
        remedy = "set STREAMS_SASL_MECHANISM to one that the listener enables"
        return Refusal(EXIT_CONFIG, f"Kafka at {server} does not take {settings.sasl_mechanism}: {remedy}.")
    if isinstance(error, SASL_REFUSED):
        who = f"{principal(settings)} ({settings.sasl_mechanism})"
        remedy = "mend STREAMS_SASL_USERNAME and STREAMS_SASL_PASSWORD (or its file)"
        return Refusal(EXIT_CONFIG, f"Kafka at {server} refuses the password of {who}: {remedy}.")
    if isinstance(error, ssl.SSLError):
        told = error.reason or str(error)
        remedy = "set STREAMS_SECURITY_PROTOCOL to what that listener speaks, and a client certificate if it wants one"
        return Refusal(EXIT_CONFIG, f"No TLS with {server} ({told}; {asked}): {remedy}.")
    if isinstance(error, OSError) and not isinstance(error, (ConnectionResetError, TimeoutError)):
        return Refusal(EXIT_RESTART, _silent(server))
    if isinstance(error, ValueError):
        return Refusal(EXIT_CONFIG, f"{variable('broker_url')}={server} is no host:port: mend it.")
    remedy = "is STREAMS_SECURITY_PROTOCOL what that listener speaks?"
    return Refusal(EXIT_RESTART, f"{server} takes connections and does not answer ({asked}): {remedy}")


def _silent(server: str) -> str:
    return f"No Kafka answers at {server}: start it, or correct {variable('broker_url')}."


@contextmanager
def refusing(settings: Settings, name: str = "", bootstrap: str | None = None) -> Iterator[None]:
    """End the command with one line (after `name: `) and 78 or 70 if Kafka cannot be reached or denies rights."""
    try:
        yield
    except (ClientConfigError, NotAuthorizedError) as error:
        refuse(Refusal(EXIT_CONFIG, str(error)), name)
    except UNREACHABLE:
        refuse(asyncio.run(diagnose(bootstrap or str(settings.broker_url), settings)), name)


def refuse(refusal: Refusal, name: str = "") -> NoReturn:
    """Say why, and exit."""
    for line in refusal.line.splitlines():
        click.echo(f"{name}: {line}" if name else line, err=True)
    sys.exit(refusal.code)
