"""Once a second, what the units hold and how far they are behind goes into the metrics registry and the probes."""

import shutil
import time
from collections.abc import Mapping
from typing import Any

import faust
from prometheus_client import Gauge

from streams.agents.catalogue import Catalogue
from streams.agents.metering import PrometheusMeter
from streams.core.trends import TrendStage
from streams.engine.engine import Engine
from streams.engine.unit import Unit
from streams.ops.health import Health
from streams.ops.metrics import METRICS, Family

EVERY_S = 1.0
UNITS, LAG = "units", "lag"
"""Parts of a worker's health: whether it folds, and whether it is within the bound."""

Values = tuple[object, ...]


class Labelled:
    """Gauges of a family of which those not set anew disappear (a partition that went to another worker)."""

    def __init__(self, family: Family[Gauge]) -> None:
        self._family = family
        self._shown: dict[Values, Gauge] = {}

    def show(self, values: Mapping[Values, float]) -> None:
        """By the values of the labels, in the order in which they were declared."""
        for gone in self._shown.keys() - values.keys():
            self._family.forget(*gone)
            del self._shown[gone]
        for key, value in values.items():
            gauge = self._shown.get(key)
            if gauge is None:
                gauge = self._shown[key] = self._family.of(*key)
            gauge.set(value)


class Exporter(faust.Service):
    """Gauges as they are; counters that others keep by the difference to the last look."""

    def __init__(
        self,
        engine: Engine,
        catalogue: Catalogue,
        meter: PrometheusMeter,
        health: Health | None = None,
        ready_lag_s: float = 30.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.engine = engine
        self.catalogue = catalogue
        self.meter = meter
        self.health = health or Health()
        self.ready_lag_s = ready_lag_s
        self._lag_records = Labelled(METRICS.consumer_lag_records)
        self._lag_seconds = Labelled(METRICS.consumer_lag_seconds)
        self._standbys = Labelled(METRICS.standby_lag_records)
        self._busy_s = 0.0
        self._restored: dict[str, int] = {}
        self._target = 0

    async def on_start(self) -> None:
        self.meter.begin(self.engine.stages)

    @faust.Service.task
    async def _export(self) -> None:
        while not self.should_stop:
            await self.sleep(EVERY_S)
            self.look()

    def look(self) -> None:
        """Export what is there now."""
        units = list(self.engine.units.values())
        self._lag(units)
        resident: dict[str, int] = dict.fromkeys((stage.name for stage in self.engine.stages), 0)
        dormant = 0
        for unit in units:
            for stage, fold in unit.folds.items():
                resident[stage] = resident.get(stage, 0) + fold.resident()
                dormant += fold.dormant() if isinstance(fold, TrendStage) else 0
        METRICS.rows_dormant.set(dormant)
        for stage, rows in resident.items():
            METRICS.rows_resident.labels(stage=stage).set(rows)
        METRICS.catalogue_videos.set(len(self.catalogue))
        METRICS.folding_seconds.inc(self.engine.busy_s - self._busy_s)
        self._busy_s = self.engine.busy_s
        for topic, share in self.meter.hot_keys.roll(time.monotonic()).items():
            METRICS.hottest_key_ratio.labels(topic=topic).set(share)
        self._restore()
        self._disk()

    def _lag(self, units: list[Unit]) -> None:
        now_s = time.time()
        records: dict[Values, float] = {}
        seconds: dict[Values, float] = {}
        watermarks: dict[str, float] = dict.fromkeys((stage.name for stage in self.engine.stages), 0.0)
        for unit in units:
            behind = self.engine.behind(unit)
            for topic, waiting in behind.items():
                key = topic, unit.number
                at_ms = unit.arrived_ms.get(topic, unit.opened_ms)
                records[key] = waiting
                seconds[key] = max(now_s - at_ms / 1000, 0.0) if waiting else 0.0
            for stage in self.engine.stages:
                if any(behind.get(topic) for topic in stage.topics):
                    lag_s = now_s - unit.folds[stage.name].watermark_ms / 1000
                    watermarks[stage.name] = max(watermarks[stage.name], lag_s)
        self._lag_records.show(records)
        self._lag_seconds.show(seconds)
        for name, lag_s in watermarks.items():
            METRICS.watermark_lag_seconds.labels(stage=name).set(lag_s)
        self._tell(max(seconds.values(), default=0.0))

    def _tell(self, lag_s: float) -> None:
        """Tell the probes: ready is restored, facts read, and within the bound."""
        gated = sorted(unit.number for unit in self.engine.units.values() if unit.gate)
        if not self.engine.accepting:
            self.health.not_ready(UNITS, "waiting for partitions, or restoring them")
        elif gated:
            self.health.not_ready(UNITS, f"reading the facts of partitions {gated}")
        else:
            self.health.ready(UNITS)
        if lag_s > self.ready_lag_s:
            self.health.not_ready(LAG, f"{lag_s:.0f} s behind, above STREAMS_READY_LAG_S")
        else:
            self.health.ready(LAG)

    def _restore(self) -> None:
        follower = self.engine.follower
        for table, rows in follower.rows.items():
            METRICS.restore_rows.labels(table=table).inc(rows - self._restored.get(table, 0))
        self._restored = dict(follower.rows)
        remaining = follower.remaining()
        self._target = max(self._target, remaining) if remaining else 0
        METRICS.restore_remaining_rows.set(remaining)
        METRICS.restore_target_rows.set(self._target)
        self._standbys.show({(n,): lag for n, lag in follower.standby_lag().items()})

    def _disk(self) -> None:
        usage = shutil.disk_usage(self.engine.options.state_dir)
        METRICS.disk_free_bytes.set(usage.free)
        METRICS.disk_size_bytes.set(usage.total)
