"""Three Kafka processes on loopback, each broker and controller, and the workers of the chaos harness."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from streams.ops.topic_admin import apply_topics
from streams.settings import Settings, variable
from streams.testing.chaos.cluster import Cluster
from streams.tools.broker import Broker
from streams.tools.broker.config import REPLICAS, Node
from streams.tools.broker.probe import is_free

JVM_FLAGS = ("-Xmx384m", "-XX:TieredStopAtLevel=1")
"""Small, and soon started: time is short between two faults, and the cores are shared."""
PORTS = range(20_000, 32_000)
"""Below those that Linux gives to clients: one of them could take the port of a broker that is down."""


class ThreeBrokers(Cluster):
    """Brokers and workers of one folder. Use with `async with`. `broker` is the first of `brokers`."""

    def __init__(self, folder: Path, cache: Path) -> None:
        super().__init__(folder, cache)
        self.brokers = make_brokers(folder, cache)
        self.broker = self.brokers[0]
        # A broker dies with the thread that started it: threads that last as long as the run, one for each.
        self._thread = ThreadPoolExecutor(len(self.brokers), "broker")

    async def __aenter__(self) -> Self:
        # Each waits for a majority of controllers.
        await asyncio.gather(*(self.with_broker(broker.start) for broker in self.brokers))
        await apply_topics(self.bootstrap, self.settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(child.stop() for child in self.supervisor.children.values()))
        await asyncio.gather(*(self.with_broker(broker.stop) for broker in self.brokers))
        self._thread.shutdown()

    @property
    def bootstrap(self) -> str:
        """All brokers, for clients that have to find one that lives."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    @property
    def settings(self) -> Settings:
        return super().settings.model_copy(update={"broker_url": self.bootstrap, "replication": REPLICAS})

    def environment(self) -> dict[str, str]:
        return super().environment() | {variable("replication"): str(REPLICAS)}


def make_brokers(folder: Path, cache: Path) -> tuple[Broker, ...]:
    """Three that know each other, on ports that are free now; none is started."""
    chosen = iter(random.sample(PORTS, len(PORTS)))
    free = (port for port in chosen if is_free(port))
    controllers = {number: next(free) for number in range(1, REPLICAS + 1)}
    nodes = [Node(number, controllers) for number in controllers]
    return tuple(
        Broker(folder / f"kafka-{node.number}", port=next(free), state_dir=cache, node=node, jvm_flags=JVM_FLAGS)
        for node in nodes
    )
