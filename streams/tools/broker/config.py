"""The files Kafka reads: server.properties for one process that is broker and controller, and its log settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from streams.tools.broker.security import Security

CLUSTER_ID = "interaction-streams-dev"
REPLICAS = 3
MIN_IN_SYNC = 2


class Node(NamedTuple):
    """One of at least three processes of one cluster. `controllers`: port on loopback by node id, its own among them.

    Topics that Kafka makes for itself have three replicas; a write to any topic is confirmed by two.
    """

    number: int
    controllers: Mapping[int, int]

    def properties(self) -> dict[str, object]:
        """What is different from the single process."""
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in sorted(self.controllers.items()))
        return {
            "node.id": self.number,
            "controller.quorum.voters": voters,
            "min.insync.replicas": MIN_IN_SYNC,
            "offsets.topic.replication.factor": REPLICAS,
            "transaction.state.log.replication.factor": REPLICAS,
            "transaction.state.log.min.isr": MIN_IN_SYNC,
            "share.coordinator.state.topic.replication.factor": REPLICAS,
            "share.coordinator.state.topic.min.isr": MIN_IN_SYNC,
            # After 5 minutes by default: what came back would be without leaders for long.
            "leader.imbalance.check.interval.seconds": 5,
        }


def server_properties(
    data: Path, port: int, controller_port: int, security: Security | None = None, node: Node | None = None
) -> str:
    """One broker on loopback, tuned to start fast and to stay small; `data` holds its log segments."""
    name = "CLIENT" if security else "PLAINTEXT"
    values: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"{name}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"{name}://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": name,
        "log.dirs": data / "logs",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "log.cleaner.enable": "true",
        # The default of 128 MB is set aside at once; tables here are small.
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
        "log.segment.bytes": 256 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        # After a crash the broker may register again only when its old session ended: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        **(security.properties() if security else {}),
        **(node.properties() if node else {}),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def log4j2_yaml(log: Path) -> str:
    """Everything from INFO on into one rolling file; nothing on the terminal."""
    return f"""\
Configuration:
  status: ERROR
  Appenders:
    RollingFile:
      name: file
      fileName: {log}
      filePattern: {log}.%i
      PatternLayout:
        pattern: "%d{{ISO8601}} %p %m (%c{{1}})%n"
      SizeBasedTriggeringPolicy:
        size: 20 MB
      DefaultRolloverStrategy:
        max: 2
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        ref: file
"""
