"""A Kafka that lets in only whom it knows: TLS with PEM files, SASL users, and rights (ACLs) for all but one."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
ADMIN = "admin"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """`keystore`: PEM of the broker's key (PKCS#8) and certificate. `passwords` by user, `admin` among them.

    `admin` may do everything; every other user may do what ACLs allow. Names and passwords: letters, digits, `-._`.
    """

    ca: Path
    keystore: Path
    passwords: Mapping[str, str]

    @property
    def context(self) -> ssl.SSLContext:
        """What a client needs to trust the broker."""
        return ssl.create_default_context(cafile=str(self.ca))

    @property
    def format_arguments(self) -> list[str]:
        """The users, for Kafka's format command: SCRAM credentials are part of the cluster's metadata."""
        found = []
        for mechanism in MECHANISMS[1:]:
            for name, password in self.passwords.items():
                found += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        return found

    def properties(self) -> dict[str, object]:
        """What server.properties has besides, listeners CLIENT and CONTROLLER being SASL_SSL."""
        own = f'username="{ADMIN}" password="{self.passwords[ADMIN]}"'
        users = " ".join(f'user_{name}="{password}"' for name, password in self.passwords.items())
        return {
            "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:SASL_SSL",
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.client.plain.sasl.jaas.config": f"{_PLAIN} required {own} {users};",
            "listener.name.controller.plain.sasl.jaas.config": f"{_PLAIN} required {own} {users};",
            "listener.name.client.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required {own};",
            "listener.name.client.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required {own};",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.keystore,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca,
            "authorizer.class.name": _AUTHORIZER,
            "super.users": f"User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
        }
