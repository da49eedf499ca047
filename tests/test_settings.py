"""Settings: from the environment, frozen, and errors that name variable, value and remedy."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from streams.ops.kafka_client import ClientConfigError, client_arguments
from streams.settings import Settings, load_settings, unknown_variables
from streams.worker import options


def test_environment_then_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMS_ROW_BUDGET", "7")
    monkeypatch.setenv("STREAMS_FLUSH_MS", "9")
    monkeypatch.setenv("STREAMS_BROKER_URL", "")
    settings = load_settings(flush_ms=11, partitions=None)
    assert (settings.row_budget, settings.flush_ms, settings.partitions) == (7, 11, 8)
    assert settings.broker_url is None


def test_a_bad_value_exits_78_and_names_variable_value_and_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMS_PARTITIONS", "many")
    monkeypatch.setenv("STREAMS_TIME_MODE", "past")
    with pytest.raises(SystemExit) as left:
        load_settings()
    assert left.value.code == 78
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("STREAMS_PARTITIONS='many': Input should be a valid integer")
    assert "partitions of every topic" in first
    assert second.startswith("STREAMS_TIME_MODE='past'")
    assert "'live' or 'history'" in second


def test_a_misspelt_variable_is_pointed_out() -> None:
    lines = unknown_variables({"STREAMS_ROW_BUDGTE": "1", "STREAMS_SERVICE_HOST": "x", "STREAMS_FLUSH_MS": "1"})
    assert lines == ["STREAMS_ROW_BUDGTE is not a setting and has no effect; did you mean STREAMS_ROW_BUDGET?"]


def test_settings_do_not_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.partitions = 4
    with pytest.raises(ValidationError):
        Settings.model_validate({"partition": 4})


def test_no_security_is_asked_for_by_default() -> None:
    assert client_arguments(Settings()) == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"security_protocol": "SASL_SSL"}, "needs STREAMS_SASL_USERNAME"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "u"}, "set STREAMS_SASL_PASSWORD or"),
        ({"sasl_username": "u"}, "STREAMS_SASL_USERNAME has no effect with STREAMS_SECURITY_PROTOCOL=PLAINTEXT"),
        ({"security_protocol": "SSL", "sasl_password": "p"}, "STREAMS_SASL_PASSWORD has no effect"),
        ({"ssl_ca_file": "ca.pem"}, "STREAMS_SECURITY_PROTOCOL to SSL or SASL_SSL"),
        ({"security_protocol": "SSL", "ssl_cert_file": "c.pem"}, "set STREAMS_SSL_KEY_FILE too"),
        (
            {"security_protocol": "SASL_SSL", "sasl_username": "u", "sasl_password": "p", "sasl_password_file": "f"},
            "are both set: unset one",
        ),
    ],
)  # fmt: skip
def test_security_settings_that_cannot_work_exit_78_and_name_the_variable(
    given: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        load_settings(**given)
    assert left.value.code == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_files_that_cannot_be_used_are_named_with_the_remedy(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    empty = tmp_path / "empty"
    empty.write_text("\n")
    sasl: dict[str, Any] = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "u"}
    for given, told in (
        ({"security_protocol": "SSL", "ssl_ca_file": tmp_path / "none"}, "STREAMS_SSL_CA_FILE=.*No such file"),
        ({"security_protocol": "SSL", "ssl_ca_file": junk}, "STREAMS_SSL_CA_FILE=.*holds no PEM"),
        ({"security_protocol": "SSL", "ssl_cert_file": junk, "ssl_key_file": junk}, "STREAMS_SSL_CERT_FILE=.*one pair"),
        ({**sasl, "sasl_password_file": empty}, "STREAMS_SASL_PASSWORD_FILE=.*is empty"),
    ):
        with pytest.raises(ClientConfigError, match=told):
            client_arguments(Settings.model_validate(given))


def test_a_password_is_never_printed() -> None:
    given = Settings(security_protocol="SASL_PLAINTEXT", sasl_username="u", sasl_password=SecretStr("the-secret"))
    assert client_arguments(given)["sasl_plain_password"] == "the-secret"
    shown = (repr(given), str(given), given.model_dump_json(), repr(options(given, "b:1")))
    assert not [text for text in shown if "the-secret" in text]
