"""A Faust app whose topics deliver batches and whose state belongs to the engine."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import faust
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from yarl import URL

from streams.engine.api import Options
from streams.engine.assignor import UnitAssignor
from streams.engine.batches import BatchSchema
from streams.engine.consumer import Transport
from streams.engine.engine import Engine
from streams.engine.membership import claim
from streams.engine.meter import Meter
from streams.engine.recovery import TableManager

BATCHES_QUEUED = 16


def credentials(client: Mapping[str, Any]) -> Credentials | None:
    """Faust's form of the security arguments of aiokafka's clients."""
    protocol, context = client.get("security_protocol", "PLAINTEXT"), client.get("ssl_context")
    if protocol == "PLAINTEXT":
        return None
    if protocol == "SSL":
        return SSLCredentials(context)
    return SASLCredentials(
        username=client["sasl_plain_username"], password=client["sasl_plain_password"],
        mechanism=client["sasl_mechanism"], ssl_context=context,
    )  # fmt: skip


class App(faust.App):
    """`engine` is a service of the app; agents hand it their batches."""

    def __init__(self, options: Options, *, meter: Meter | None = None, **settings: Any) -> None:
        self.options = options
        super().__init__(
            options.group,
            broker_credentials=credentials(options.client),
            broker=[URL(f"kafka://{host}") for host in options.bootstrap.split(",")],
            datadir=str(options.state_dir / "faust"),
            TableManager=TableManager,
            PartitionAssignor=UnitAssignor,
            autodiscover=False,
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            worker_redirect_stdouts=False,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=options.instance,
            stream_recovery_delay=0.0,
            stream_buffer_maxsize=BATCHES_QUEUED,
            **settings,
        )
        self.engine = Engine(self, options, meter)
        self.ahead: list[faust.Service] = []
        """Services that need neither the folder nor the seat of this worker, and start before it has them."""
        self.companions: list[faust.Service] = [self.engine]
        """Services that start before the consumer does, in this order."""
        self.on_seated: Callable[[], None] = lambda: None
        """Called when no other process has this worker's folder."""

    async def on_first_start(self) -> None:
        self.options.state_dir.mkdir(parents=True, exist_ok=True)
        for service in self.ahead:
            await self.add_runtime_dependency(service)
        if self.options.replaces:
            await asyncio.gather(*(wait() for wait in self.engine.prerequisites))
        # Kept open: the lock ends with the process, however that ends.
        self._lock = (self.options.state_dir / "lock").open("a+b")
        await claim(self._lock, replace=self.options.replaces)
        self.on_seated()
        await super().on_first_start()
        for service in self.companions:
            await self.add_runtime_dependency(service)

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def batch_topic(self, *names: str) -> Any:
        """A channel of whole batches of these topics (bare names). Faust commits nothing for it."""
        real = [self.options.topic_prefix + name for name in names]
        return self.topic(*real, schema=BatchSchema(), acks=False, partitions=self.options.partitions)
