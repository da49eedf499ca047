"""What every process says of itself in its metrics: which kind it is, what it was built from, whether it is ready."""

import asyncio

from streams import __version__
from streams.ops import logs
from streams.ops.health import Health
from streams.ops.metric_list import Role
from streams.ops.metrics import METRICS

log = logs.get(__name__)

BEAT_S = 0.5


def announce(role: Role, *, compiled: bool, health: Health | None = None) -> None:
    """Expose the metrics of this role only. Once, at the start; the metrics are those of the whole process."""
    METRICS.expose_only(role)
    METRICS.build_info.labels(version=__version__, compiled="yes" if compiled else "no").set(1)
    if not compiled:
        log.warning("kernels-missing", effect="slower, the same results", do="install a C compiler, then `make setup`")
    if health is not None:
        METRICS.ready.set_function(lambda: float(not health.problems()))


async def watch_loop() -> None:
    """Measure how late the event loop runs, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        METRICS.event_loop_lag_seconds.observe(max(loop.time() - due, 0.0))
