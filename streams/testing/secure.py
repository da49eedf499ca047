"""A Kafka with TLS, users and rights, for tests and rehearsals: an authority of its own, one user for each role."""

import secrets
import shlex
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import trustme
from confluent_kafka import admin
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from streams.ops.acls import MEANING, Acl, Role, acls
from streams.settings import Settings
from streams.tools.broker import Broker
from streams.tools.broker.security import ADMIN, Security

USERS = {role: f"streams-{role}" for role in Role}
"""User by role; the one that may do everything is `admin`."""

WAIT_S = 10.0
KAFKA: Any = admin
TYPES = {
    "topic": KAFKA.ResourceType.TOPIC,
    "group": KAFKA.ResourceType.GROUP,
    "transactional-id": KAFKA.ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {
    "Read": KAFKA.AclOperation.READ,
    "Write": KAFKA.AclOperation.WRITE,
    "Create": KAFKA.AclOperation.CREATE,
    "Describe": KAFKA.AclOperation.DESCRIBE,
    "DescribeConfigs": KAFKA.AclOperation.DESCRIBE_CONFIGS,
}


def make_security(folder: Path) -> Security:
    """Write authority and broker certificate (127.0.0.1, localhost) into `folder`; passwords are new ones."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    broker = authority.issue_cert("127.0.0.1", "localhost")
    ca, keystore = folder / "ca.pem", folder / "broker.pem"
    authority.cert_pem.write_to_path(str(ca))
    keystore.touch(mode=0o600)
    key = load_pem_private_key(broker.private_key_pem.bytes(), None)
    chain = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), broker.cert_chain_pems[0].bytes()]
    keystore.write_bytes(b"".join(chain))
    passwords = {name: secrets.token_hex(12) for name in (ADMIN, *USERS.values())}
    return Security(ca=ca, keystore=keystore, passwords=passwords)


def variables(security: Security, user: str, bootstrap: str) -> dict[str, str]:
    """The settings with which `user` gets in."""
    return {
        "STREAMS_BROKER_URL": bootstrap,
        "STREAMS_SECURITY_PROTOCOL": "SASL_SSL",
        "STREAMS_SASL_USERNAME": user,
        "STREAMS_SASL_PASSWORD": security.passwords[user],
        "STREAMS_SSL_CA_FILE": str(security.ca),
    }


class Rights:
    """Gives and takes ACLs, as `admin`."""

    def __init__(self, security: Security, bootstrap: str) -> None:
        self._admin = KAFKA.AdminClient(
            {
                "bootstrap.servers": bootstrap,
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": ADMIN,
                "sasl.password": security.passwords[ADMIN],
                "ssl.ca.location": str(security.ca),
                "log_level": 0,
            }
        )

    def give(self, user: str, wanted: Iterable[Acl]) -> None:
        """Returns when the broker has them: one broker applies them before it answers."""
        for done in self._admin.create_acls(self._bindings(KAFKA.AclBinding, user, wanted)).values():
            done.result(WAIT_S)

    def take(self, user: str, wanted: Iterable[Acl]) -> None:
        """The reverse; ValueError if one was not there."""
        for done in self._admin.delete_acls(self._bindings(KAFKA.AclBindingFilter, user, wanted)).values():
            if len(done.result(WAIT_S)) != 1:
                raise ValueError("no such right")

    def _bindings(self, kind: Any, user: str, wanted: Iterable[Acl]) -> list[Any]:
        pattern = KAFKA.ResourcePatternType
        return [
            kind(
                TYPES[acl.kind], acl.name, pattern.PREFIXED if acl.prefixed else pattern.LITERAL, f"User:{user}", "*",
                OPERATIONS[operation], KAFKA.AclPermissionType.ALLOW,
            )
            for acl in wanted
            for operation in acl.operations
        ]  # fmt: skip


def rehearse(folder: Path) -> None:
    """Run a secured Kafka with all topics and rights until Ctrl-C; settings for each role lie in `folder`."""
    security = make_security(folder)
    with Broker(folder / "kafka", state_dir=Settings().state_dir, security=security) as running:
        rights = Rights(security, running.bootstrap)
        for user in (ADMIN, *USERS.values()):
            path = folder / f"{user}.env"
            path.touch(mode=0o600)
            told = variables(security, user, running.bootstrap)
            path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in told.items()), "utf-8")
        for role, user in USERS.items():
            rights.give(user, acls(Settings(), role))
            print(f"{MEANING[role]}: set -a; . {folder / user}.env; set +a")
        print(f"Kafka at {running.bootstrap}. Begin with `streams topics apply`. Ctrl-C ends it.", flush=True)
        running.wait()


if __name__ == "__main__":
    home = Settings().state_dir.absolute() / "secure"
    # Users are part of a cluster's metadata: new passwords, new cluster.
    shutil.rmtree(home, ignore_errors=True)
    with suppress(KeyboardInterrupt):
        rehearse(home)
