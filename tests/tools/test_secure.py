"""TLS, users and rights on a real Kafka: with the printed list everything works, without one right nothing starts."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from streams.ops.acls import Acl, Role, acls
from streams.ops.kafka_client import diagnose
from streams.ops.rights import require
from streams.settings import Settings
from streams.testing.secure import USERS, Rights, make_security, variables
from streams.tools.broker import Broker
from streams.tools.broker.probe import answers, free_port
from streams.tools.broker.security import Security
from tests.system.pipeline import ROOT, Pipeline

PARTITIONS = "2"


class Secured(NamedTuple):
    broker: Broker
    security: Security
    rights: Rights

    def environ(self, role: Role, prefix: str) -> dict[str, str]:
        own = {"STREAMS_TOPIC_PREFIX": prefix, "STREAMS_PARTITIONS": PARTITIONS, "STREAMS_TIME_MODE": "history"}
        return variables(self.security, USERS[role], self.broker.bootstrap) | own

    def settings(self, role: Role, prefix: str, **changed: Any) -> Settings:
        told = {name.removeprefix("STREAMS_").lower(): value for name, value in self.environ(role, prefix).items()}
        return Settings(**{**told, **changed})


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secure")
    security = make_security(folder / "tls")
    with Broker(folder / "kafka", state_dir=Settings().state_dir, security=security) as running:
        yield Secured(running, security, Rights(security, running.bootstrap))


@pytest.fixture
def granted(secured: Secured, topic_prefix: str) -> Secured:
    """Every role has its rights on the topics of this test, and no right else."""
    for role, user in USERS.items():
        secured.rights.give(user, acls(secured.settings(role, topic_prefix), role))
    return secured


def pipeline(secured: Secured, role: Role, prefix: str, folder: Path) -> Pipeline:
    return Pipeline(secured.broker.bootstrap, prefix, folder, **secured.environ(role, prefix))


def refusal(asked: Pipeline, *arguments: str, **environ: str) -> str:
    """What a command says on its way out with 78."""
    done = subprocess.run(
        [sys.executable, "-m", "streams", *arguments], env={**asked.environ, **environ}, cwd=ROOT, capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    return done.stderr


def status(url: str) -> int:
    return httpx.get(url, timeout=5).status_code


def test_the_printed_rights_are_enough_and_a_revoked_one_stops_the_worker(
    granted: Secured, topic_prefix: str, tmp_path: Path
) -> None:
    roles = {role: pipeline(granted, role, topic_prefix, tmp_path) for role in Role}
    worker, reader, port = roles[Role.WORKER], roles[Role.READER], free_port()
    roles[Role.TOPICS].run("topics", "apply")
    roles[Role.PRODUCER].run("simulate", "--events", "3000", "--garbage", "0.01")
    try:
        running = worker.start()
        reader.background("serve", "--port", str(port))
        found = roles[Role.TOOLS].audit()
        assert found["events"] > 3000
        assert found["wrong_rows"] == 0
        assert 0 < found["dead_letters"] == int(roles[Role.RETRY].run("dead-letters", "retry", "--all").split()[0])
        assert status(f"http://127.0.0.1:{port}/readyz") == 200

        lost = Acl("topic", f"{topic_prefix}interests", ("Write",))
        granted.rights.take(USERS[Role.WORKER], [lost])
        roles[Role.PRODUCER].run("simulate", "--events", "100", "--seed", "2")
        assert running.wait(30) == 70
        assert worker.start().wait(30) == 78
    finally:
        worker.stop()
        reader.stop()
    log = worker.log.read_text()
    assert f"worker: User:streams-worker has no right to Write topic {lost.name}.\n" in log
    assert not any(password in log for password in granted.security.passwords.values())


@pytest.mark.parametrize(
    ("role", "arguments", "lost", "told"),
    [
        (Role.WORKER, ["worker"], Acl("topic", "views", ("Read",)), "Read and DescribeConfigs topic {}views"),
        (Role.WORKER, ["worker"], Acl("group", "streams", ("Read",)), "Read group {}streams"),
        (
            Role.WORKER, ["worker"], Acl("transactional-id", "streams-", ("Write",), prefixed=True),
            "Write transactional-id {}streams-*",
        ),
        (Role.READER, ["serve", "--port", "0"], Acl("topic", "trends", ("Read",)), "Read topic {}trends"),
        (Role.PRODUCER, ["simulate", "--events", "1"], Acl("topic", "likes", ("Write",)), "Write topic {}likes"),
        (Role.TOOLS, ["audit"], Acl("topic", "pairs", ("Read",)), "Read and DescribeConfigs topic {}pairs"),
        (Role.RETRY, ["dead-letters", "retry", "--all"], Acl("topic", "shares", ("Write",)), "Write topic {}shares"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value.kind if isinstance(value, Acl) else "",
)  # fmt: skip
def test_without_one_right_it_stops_with_78_and_names_it(
    granted: Secured, topic_prefix: str, tmp_path: Path, role: Role, arguments: list[str], lost: Acl, told: str
) -> None:
    granted.rights.take(USERS[role], [lost._replace(name=topic_prefix + lost.name)])
    refused = refusal(pipeline(granted, role, topic_prefix, tmp_path), *arguments)
    assert f"User:{USERS[role]} has no right to {told.format(topic_prefix)}." in refused
    assert f"`streams acls print {role}`" in refused


@pytest.mark.parametrize(
    "arguments", [["worker"], ["serve", "--port", "0"], ["topics", "check"]], ids=lambda told: told[0]
)
def test_a_wrong_password_and_an_unknown_authority_end_with_78_and_a_remedy(
    granted: Secured, topic_prefix: str, tmp_path: Path, arguments: list[str]
) -> None:
    asked = pipeline(granted, Role.WORKER, topic_prefix, tmp_path)
    other = make_security(tmp_path / "other").ca
    wrong = refusal(asked, *arguments, STREAMS_SASL_PASSWORD="not-it")
    assert "refuses the password of User:streams-worker (SCRAM-SHA-512): mend STREAMS_SASL_USERNAME" in wrong
    assert "not-it" not in wrong
    untrusted = refusal(asked, *arguments, STREAMS_SSL_CA_FILE=str(other))
    assert f"is not trusted (unable to get local issuer certificate): STREAMS_SSL_CA_FILE ({other})" in untrusted


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_every_mechanism_and_a_password_file(
    granted: Secured, topic_prefix: str, tmp_path: Path, mechanism: str
) -> None:
    path = tmp_path / "password"
    path.write_text(granted.security.passwords[USERS[Role.TOOLS]] + "\n")
    changed = {"sasl_mechanism": mechanism, "sasl_password": None, "sasl_password_file": path}
    await require(granted.settings(Role.TOOLS, topic_prefix, **changed), Role.TOOLS)
    path.write_text("wrong")
    refused = await diagnose(granted.broker.bootstrap, granted.settings(Role.TOOLS, topic_prefix, **changed))
    assert refused.code == 78
    assert f"({mechanism})" in refused.line


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT"])
async def test_a_listener_that_speaks_something_else_is_pointed_out(secured: Secured, protocol: str) -> None:
    sasl, tls = protocol.startswith("SASL"), protocol.endswith("SSL")
    user: dict[str, Any] = (
        {"sasl_username": "admin", "sasl_password": secured.security.passwords["admin"]} if sasl else {}
    )
    settings = Settings.model_validate({
        "broker_url": secured.broker.bootstrap, "security_protocol": protocol, **user,
        "ssl_ca_file": secured.security.ca if tls else None,
    })  # fmt: skip
    assert answers("127.0.0.1", secured.broker.port, secured.security)
    assert not answers("127.0.0.1", secured.broker.port)
    refused = await diagnose(secured.broker.bootstrap, settings)
    assert refused.code == 70
    assert f"(STREAMS_SECURITY_PROTOCOL={protocol})" in refused.line
