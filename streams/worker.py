"""The worker process: settings, engine, catalogue and the three agents put together."""

import gc
import sys
from pathlib import Path

import click
from aiokafka.codec import has_gzip, has_lz4, has_zstd

from streams.agents import interests, trends, videos
from streams.agents.catalogue import CatalogueReader
from streams.agents.exporter import UNITS, Exporter
from streams.agents.metering import PrometheusMeter
from streams.core.compiled import built
from streams.core.params import MEANING
from streams.core.rows import RowVersionError
from streams.engine.api import Options
from streams.engine.app import App
from streams.engine.exits import on_leave
from streams.engine.process import Worker
from streams.engine.watchdog import Watchdog
from streams.ops import probes
from streams.ops.acls import Role
from streams.ops.announce import announce
from streams.ops.exit_counts import ExitCounts
from streams.ops.health import Health
from streams.ops.kafka_client import client_arguments, refusing
from streams.ops.logs import configure, get
from streams.ops.rights import require
from streams.ops.topic_admin import Mismatch, check_topics
from streams.settings import EXIT_CONFIG, Settings, load_settings
from streams.topics import topic_name

GC_THRESHOLDS = (100_000, 20, 50)


def options(settings: Settings, bootstrap: str, *, replace: bool = False) -> Options:
    """Engine options from the settings."""
    return Options(
        bootstrap=bootstrap,
        app_id=settings.app_id,
        partitions=settings.partitions,
        state_dir=Path(settings.state_dir) / settings.worker_id,
        topic_prefix=settings.topic_prefix,
        meaning=MEANING,
        flush_s=settings.flush_ms / 1000,
        flush_under_load_s=settings.flush_ms_under_load / 1000,
        max_pending=settings.max_pending_events,
        row_budget=settings.row_budget,
        unswept_rows=settings.unswept_rows,
        sweep_s=settings.sweep_s,
        flush_timeout_s=settings.flush_timeout_s,
        transaction_timeout_ms=settings.transaction_timeout_ms,
        stuck_s=settings.stuck_s,
        standbys=settings.standbys,
        instance=settings.worker_id,
        replaces=replace,
        store_cache_bytes=settings.store_cache_bytes,
        bad_window=settings.bad_window,
        bad_limit=settings.bad_limit,
        bad_within_s=settings.bad_within_s,
        accept_bad=settings.accept_bad,
        accept_loss=settings.accept_loss,
        refused=(RowVersionError,),
        compression=None if settings.compression == "none" else settings.compression,
        client=client_arguments(settings),
    )


def build(settings: Settings, bootstrap: str, health: Health | None = None, *, replace: bool = False) -> App:
    """The Faust app of a worker, agents registered; nothing is started. It reports to `health`."""
    meter, health = PrometheusMeter(), health or Health()
    chosen = options(settings, bootstrap, replace=replace)
    app = App(
        chosen,
        meter=meter,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_request_timeout=max(20.0, settings.session_timeout_s + 5),
        broker_max_poll_records=20_000,
        consumer_max_fetch_size=2 << 20,
    )
    reader = CatalogueReader(bootstrap, topic_name(settings, "videos"), settings.partitions, chosen.client)
    app.ahead.append(reader)
    watchdog = Watchdog(app.engine)
    health.watch("progress", watchdog.trouble)
    app.companions += [watchdog, Exporter(app.engine, reader.catalogue, meter, health, settings.ready_lag_s)]
    app.engine.prerequisites.append(reader.caught_up)
    interests.register(app, reader.catalogue)
    videos.register(app)
    trends.register(app)
    return app


def refuse_mismatch(settings: Settings, bootstrap: str) -> None:
    """Exit 78 unless every right is there, and every topic as declared; 70 if no Kafka answers."""
    import asyncio  # noqa: PLC0415  # the loop of the check ends before Faust makes its own

    async def check() -> list[Mismatch]:
        await require(settings, Role.WORKER)
        return await check_topics(bootstrap, settings)

    with refusing(settings, "worker"):
        problems = asyncio.run(check())
    for problem in problems:
        click.echo(f"worker: {problem}", err=True)
    if problems:
        sys.exit(EXIT_CONFIG)


def refuse_compression(settings: Settings) -> None:
    """Exit 78 if the package that compresses is missing; gzip needs none."""
    there = {"none": True, "gzip": has_gzip(), "lz4": has_lz4(), "zstd": has_zstd()}
    if not there[settings.compression]:
        click.echo(
            f"worker: STREAMS_COMPRESSION={settings.compression} needs the package cramjam: install it or set gzip",
            err=True,
        )
        sys.exit(EXIT_CONFIG)


def observed(settings: Settings) -> Health:
    """Metrics and probes of this process; nothing is served yet."""
    health = Health()
    health.not_ready(UNITS, "starting")
    announce("worker", compiled=bool(built()), health=health)
    folder = Path(settings.state_dir) / settings.worker_id
    folder.mkdir(parents=True, exist_ok=True)
    counts = ExitCounts(folder)
    counts.export()
    on_leave.append(counts.note)
    return health


def listen(settings: Settings, health: Health) -> None:
    """Serve metrics and probes if a port is set; exits 78 if that is taken."""
    if settings.metrics_port is not None:
        try:
            probes.serve(health, settings.metrics_port, settings.metrics_host)
        except OSError as error:
            where = f"{settings.metrics_host}:{settings.metrics_port}"
            click.echo(f"worker: cannot listen on {where}: {error.strerror}; set STREAMS_METRICS_PORT", err=True)
            sys.exit(EXIT_CONFIG)


@click.command()
@click.option("--accept-bad", is_flag=True, help="Go on although a whole topic turned bad: set all of it aside.")
@click.option("--accept-loss", is_flag=True, help="Go on without records that were deleted before they were folded.")
@click.option(
    "--replace", is_flag=True, help="Prepare, then end the worker of the same STREAMS_WORKER_ID here and go on for it."
)
def command(*, accept_bad: bool, accept_loss: bool, replace: bool) -> None:
    """Fold views, likes and shares into interests, videos and trends (exactly once)."""
    settings = load_settings(accept_bad=accept_bad or None, accept_loss=accept_loss or None)
    configure(settings.log_format, settings.log_level)
    get(__name__).info("starting", worker=settings.worker_id, standbys=settings.standbys)
    if not settings.broker_url:
        click.echo(
            "STREAMS_BROKER_URL is not set: host:port of the Kafka cluster (`streams broker` starts one)", err=True
        )
        sys.exit(EXIT_CONFIG)
    refuse_compression(settings)
    refuse_mismatch(settings, settings.broker_url)
    health = observed(settings)
    app = build(settings, settings.broker_url, health, replace=replace)
    if replace:
        app.on_seated = lambda: listen(settings, health)  # until then the predecessor answers on that port
    else:
        listen(settings, health)
    # Columns and record batches hold few objects that can form cycles, and many that the collector would walk.
    gc.set_threshold(*GC_THRESHOLDS)
    Worker(app, quiet=True).execute_from_commandline()
