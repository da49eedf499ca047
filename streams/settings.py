"""Settings of every command, read once from STREAMS_* environment variables and never changed afterwards."""

import os
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "STREAMS_"
EXIT_CONFIG = 78
"""Exit code for what a restart cannot mend: the supervisor does not restart on it."""

MIB = 1024 * 1024


class Settings(BaseSettings):
    """One value per field; `STREAMS_<FIELD>` sets it. The description is what the docs and the error messages say."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    broker_url: str | None = Field(
        default=None, description="host:port of a Kafka cluster; empty: `run` starts one itself"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how Kafka's listener is secured: TLS with SSL, a password with SASL"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how the password is proven; only with a SASL protocol"
    )
    sasl_username: str | None = Field(default=None, description="user at Kafka; only with a SASL protocol")
    sasl_password: SecretStr | None = Field(default=None, description="the user's password, never printed")
    sasl_password_file: Path | None = Field(default=None, description="file with the password, instead of the variable")
    ssl_ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed the brokers' certificates; empty: the system's"
    )
    ssl_cert_file: Path | None = Field(default=None, description="PEM file of a client certificate; only with TLS")
    ssl_key_file: Path | None = Field(default=None, description="PEM file of its private key, without a passphrase")
    state_dir: Path = Field(default=Path(".streams"), description="folder of local copies, broker data and logs")
    app_id: str = Field(
        default="streams", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="consumer group and transaction prefix"
    )
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$", description="put before every topic name")
    partitions: int = Field(default=8, ge=1, le=1024, description="partitions of every topic; cannot change later")
    time_mode: Literal["live", "history"] = Field(
        default="live", description="history: the writer sets arrival (replay)"
    )
    worker_id: str = Field(
        default="worker-1", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="names the local copy and the logs"
    )

    row_budget: int = Field(default=2_000_000, ge=1, description="rows a worker holds in memory before it evicts")
    flush_ms: int = Field(default=200, ge=1, description="time between commits up to 0.8 of a core")
    flush_ms_under_load: int = Field(default=1_000, ge=1, description="time between commits from a whole core on")
    max_pending_events: int = Field(default=200_000, ge=1, description="events folded and not yet committed, at most")
    store_cache_bytes: int = Field(default=64 * MIB, ge=MIB, description="block cache of the local copies, shared")
    unswept_rows: int = Field(
        default=400_000, ge=1, description="rows waiting for the local copy at which a sweep begins; at twice, no folds"
    )
    sweep_s: float = Field(default=15.0, gt=0, description="time between sweeps of dirty rows into the local copy")

    session_timeout_s: float = Field(default=10.0, gt=0, description="silence after which a worker counts as gone")
    heartbeat_s: float = Field(default=1.0, gt=0, description="time between heartbeats; under a third of the session")
    rebalance_timeout_s: float = Field(default=30.0, gt=0, description="longest time a rebalance may take")
    transaction_timeout_ms: int = Field(default=15_000, ge=1_000, description="the broker aborts what is open longer")
    flush_timeout_s: float = Field(default=30.0, gt=0, description="a commit that takes longer ends the worker (70)")
    stuck_s: float = Field(default=90.0, gt=0, description="no progress under lag for longer ends the worker (70)")
    standbys: int = Field(default=1, ge=0, le=3, description="further workers that follow each partition")

    compression: Literal["none", "gzip", "lz4", "zstd"] = Field(
        default="none", description="of what workers write; lz4 and zstd need the package cramjam"
    )

    bad_window: int = Field(default=160, ge=1, description="records of a partition over which bad input is measured")
    bad_limit: int = Field(default=150, ge=1, description="bad records in the window that stop the worker (78)")
    bad_within_s: float = Field(default=3_600.0, gt=0, description="arrival time that the window may span at most")
    accept_bad: bool = Field(default=False, description="go on whatever the share of bad input")
    accept_loss: bool = Field(default=False, description="go on without records deleted before they were folded")

    metrics_port: int | None = Field(
        default=None, ge=0, le=65_535, description="port of /metrics, /healthz, /readyz of a worker; 0: any free one"
    )
    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="address that port is bound to")
    broker_metrics_port: int | None = Field(
        default=None, ge=0, le=65_535, description="port of /metrics of `streams broker`; 0: any free one"
    )
    ready_lag_s: float = Field(default=30.0, gt=0, description="a process further behind is not ready")
    http_host: str = Field(default="127.0.0.1", min_length=1, description="address the read service binds to")
    http_port: int = Field(default=8080, ge=0, le=65_535, description="port of the read service; 0: any free one")
    log_format: Literal["console", "json"] = Field(
        default="console", description="console for people, json for machines"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe level shown"
    )
    replication: int = Field(default=1, ge=1, le=9, description="replicas of every topic that is created")

    @model_validator(mode="after")
    def _security_fits(self) -> Self:
        """Exactly what the protocol needs, and nothing that would silently have no effect."""
        sasl, tls = self.security_protocol.startswith("SASL"), self.security_protocol.endswith("SSL")
        if sasl and not self.sasl_username:
            raise ValueError(f"{self._asks()} needs STREAMS_SASL_USERNAME: set it")
        if sasl and not (self.sasl_password or self.sasl_password_file):
            raise ValueError(
                f"{self._asks()} needs a password: set STREAMS_SASL_PASSWORD or STREAMS_SASL_PASSWORD_FILE"
            )
        if self.sasl_password and self.sasl_password_file:
            raise ValueError("STREAMS_SASL_PASSWORD and STREAMS_SASL_PASSWORD_FILE are both set: unset one")
        if (self.ssl_cert_file is None) != (self.ssl_key_file is None):
            absent = "ssl_key_file" if self.ssl_cert_file else "ssl_cert_file"
            raise ValueError(f"a client certificate is two files: set {variable(absent)} too, or neither")
        idle = [name for name in _SASL if not sasl and getattr(self, name)]
        idle += [name for name in _SSL if not tls and getattr(self, name)]
        if idle:
            raise ValueError(
                f"{variable(idle[0])} has no effect with {self._asks()}: unset it, or set "
                f"STREAMS_SECURITY_PROTOCOL to {'SASL_SSL' if idle[0] in _SASL else 'SSL or SASL_SSL'}"
            )
        return self

    def _asks(self) -> str:
        return f"{variable('security_protocol')}={self.security_protocol}"


_SASL = ("sasl_username", "sasl_password", "sasl_password_file")
_SSL = ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")


def variable(field: str) -> str:
    """Name of the environment variable that sets `field`."""
    return PREFIX + field.upper()


def explain(error: ValidationError) -> list[str]:
    """One line per bad setting: variable, value, what is wrong, what it is for."""
    lines = []
    for item in error.errors():
        if not item["loc"]:
            lines.append(f"{item['msg'].removeprefix('Value error, ')}.")
            continue
        name = str(item["loc"][0])
        field = Settings.model_fields.get(name)
        remedy = field.description if field else f"no such setting; known: {', '.join(sorted(Settings.model_fields))}"
        lines.append(f"{variable(name)}={item['input']!r}: {item['msg']}. Set it to a valid value ({remedy}).")
    return lines


SERVICE_LINKS = {PREFIX + "SERVICE_HOST", PREFIX + "SERVICE_PORT"}
"""What Kubernetes sets beside a service named `streams`."""


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One line per STREAMS_* variable that is no setting. A line, no error: Kubernetes adds STREAMS_SERVICE_HOST."""
    known = {variable(field) for field in Settings.model_fields}
    lines = []
    for name in sorted(set(environ) - known - SERVICE_LINKS):
        near = get_close_matches(name, known, n=1, cutoff=0.85) if name.startswith(PREFIX) else []
        if near:
            lines.append(f"{name} is not a setting and has no effect; did you mean {near[0]}?")
    return lines


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; `overrides` win, those that are None are ignored. Exits 78 on a bad value."""
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        _say(explain(error))
        sys.exit(EXIT_CONFIG)
    _say(unknown_variables(os.environ))
    return settings


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201 - logging is not set up before the settings are read
