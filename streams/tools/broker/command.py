"""`streams broker`: run one Kafka until told to stop."""

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from streams.core.compiled import built
from streams.ops import probes
from streams.ops.announce import announce
from streams.ops.health import Health
from streams.ops.metrics import METRICS
from streams.settings import EXIT_CONFIG, Settings, load_settings
from streams.tools.broker.errors import BrokerError
from streams.tools.broker.jars import KAFKA_VERSION
from streams.tools.broker.measures import KAFKA, BrokerMeasures, count_start
from streams.tools.broker.process import Broker

EXIT_RESTART = 70
POLL_S = 0.5


@click.command(name="broker")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="Port on loopback; 0: as last time, or any free."
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Port of /metrics, /healthz and /readyz (STREAMS_BROKER_METRICS_PORT; none by default).",
)
@click.option("--data", type=click.Path(path_type=Path), help="Data folder.  [default: kafka in the state folder]")
def command(port: int, metrics_port: int | None, data: Path | None) -> None:
    """Run one Kafka on this machine until Ctrl-C; the first start fetches it (46 MB)."""
    settings = load_settings(broker_metrics_port=metrics_port)
    broker = Broker(data or settings.state_dir / "kafka", port=port, state_dir=settings.state_dir)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        broker.start()
        _observe(broker, settings)
        click.echo(f"Kafka {KAFKA_VERSION} ready at {broker.bootstrap} (data {broker.data_dir}, log {broker.log}).")
        _await_end(broker)
    except BrokerError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIG)
    finally:
        broker.stop()


def _observe(broker: Broker, settings: Settings) -> None:
    announce("broker", compiled=bool(built()))
    METRICS.broker_starts.inc(count_start(broker.data_dir))
    if settings.broker_metrics_port is None:
        return
    health = Health()
    health.watch(KAFKA, lambda: None if broker.running else "Kafka ended")
    try:
        port, _ = probes.serve(health, settings.broker_metrics_port, settings.metrics_host)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.broker_metrics_port}"
        raise BrokerError(f"Cannot listen on {where}: {error.strerror}. Choose another --metrics-port.") from error
    BrokerMeasures(broker, health).start()
    click.echo(f"metrics at http://{settings.metrics_host}:{port}/metrics")


def _await_end(broker: Broker) -> None:
    # In short waits, so that a signal is answered between two of them.
    while broker.wait(POLL_S) is None:
        pass
    click.echo(f"Kafka ended by itself; see {broker.log}.", err=True)
    sys.exit(EXIT_RESTART)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
