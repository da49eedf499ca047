"""The registry: declared once, typed, bounded, served."""

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)

from streams.ops.metric_list import AT_MOST, DECLARED, Metric, Role
from streams.ops.metrics import OTHER, Family, Metrics, Spread

PLAIN: dict[str, object] = {"counter": Counter, "gauge": Gauge, "histogram": Spread}
FAMILIES: dict[str, object] = {"counter": Family[Counter], "gauge": Family[Gauge], "histogram": Family[Spread]}
UNITS = {"seconds": "_seconds", "bytes": "_bytes", "0 to 1": "_ratio"}


def test_attributes_are_the_declared_ones_with_their_types() -> None:
    expected = {m.name: FAMILIES[m.kind] if m.labels else PLAIN[m.kind] for m in DECLARED}
    assert Metrics.__annotations__ == expected
    assert len(expected) == len(DECLARED)


@pytest.mark.parametrize("metric", DECLARED, ids=lambda m: m.name)
def test_declaration_is_complete(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", metric.name)
    assert not metric.name.endswith("_total")
    assert metric.meaning.endswith(".")
    assert metric.acted_on_by
    assert metric.exposed_by
    assert set(metric.labels) <= set(AT_MOST)
    for unit, ending in UNITS.items():
        assert (metric.unit == unit) == (metric.name.endswith(ending) or ending + "_" in metric.name), unit


@given(ages=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), max_size=20))
def test_many_equal_observations_are_as_many_single_ones(ages: list[tuple[float, int]]) -> None:
    registries = CollectorRegistry(), CollectorRegistry()
    many, single = (Spread("x", "x", registry=registry, buckets=(0.5, 1.0, 10.0)) for registry in registries)
    for age, times in ages:
        many.observe_many(age, times)
        for _ in range(times):
            single.observe(age)
    for name, labels in (("x_bucket", {"le": "1.0"}), ("x_bucket", {"le": "+Inf"}), ("x_count", {}), ("x_sum", {})):
        found = [registry.get_sample_value(name, labels) for registry in registries]
        assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("role", get_args(Role))
def test_a_process_exposes_what_it_measures_and_no_more(role: Role) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.expose_only(role)
    metrics.expose_only(role)
    exposed = {family.name for family in registry.collect()}
    assert exposed == {f"streams_{m.name}" for m in DECLARED if role in m.exposed_by}


def test_a_label_value_too_many_is_other() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for table in range(AT_MOST["stage"] + 3):
        metrics.evictions.labels(stage=f"t{table}").inc()
    metrics.evictions.labels(stage="t0").inc()
    assert registry.get_sample_value("streams_evictions_total", {"stage": OTHER}) == 3
    assert registry.get_sample_value("streams_evictions_total", {"stage": "t0"}) == 2


def test_wrong_labels_are_refused() -> None:
    metrics = Metrics(CollectorRegistry())
    for wrong in ({}, {"topic": "views"}, {"topic": "views", "user": "x"}, {"table": "x", "topic": "views"}):
        with pytest.raises(ValueError, match="declared are"):
            metrics.events.labels(**wrong)


def test_a_child_can_be_forgotten() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.consumer_lag_records.labels(topic="views", partition=3).set(7)
    assert b'topic="views"' in generate_latest(registry)
    metrics.consumer_lag_records.forget("views", 3)
    assert b'topic="views"' not in generate_latest(registry)
