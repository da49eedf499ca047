"""The registry against a running pipeline: every metric is in the scrape of the process that it names, and true."""

import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.ops.metric_list import DECLARED, Role
from tests.system.pipeline import Pipeline

EVENTS = 4_000
TABLES = ("interests", "videos-table", "trends")
Scrape = dict[str, list[tuple[dict[str, str], float]]]


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def scrape(port: int) -> Scrape:
    found: Scrape = {}
    for family in text_string_to_metric_families(get(port, "/metrics")[1]):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def total(found: Scrape, name: str, **labels: str) -> float:
    """Sum over the children with these labels. KeyError if there is no such series."""
    return sum(value for having, value in found[f"streams_{name}"] if labels.items() <= having.items())


def until(holds: Callable[[], bool], what: str, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def missing(role: Role, found: Scrape) -> list[str]:
    """Metrics that this process should expose and does not. Series without children have no sample yet."""
    names = {re.sub("_(bucket|sum|count)$", "", name) for name in found} | found.keys()
    return [m.exposed_name for m in DECLARED if role in m.exposed_by and m.exposed_name not in names]


@pytest.fixture
def ports() -> dict[str, int]:
    return {role: free_port() for role in ("kafka", "broker", "worker", "second", "reader")}


@pytest.fixture
def pipeline(tmp_path: Path, ports: dict[str, int]) -> Iterator[Pipeline]:
    """Two partitions on a broker of its own, time as it is."""
    made = another(tmp_path, ports, "worker")
    try:
        made.background("broker", "--port", str(ports["kafka"]), "--metrics-port", str(ports["broker"]))
        until_ready(ports, "broker")
        made.run("topics", "apply")
        yield made
    finally:
        made.stop()


def another(folder: Path, ports: dict[str, int], worker: str) -> Pipeline:
    environ = {"TIME_MODE": "live", "PARTITIONS": "2", "ROW_BUDGET": "200", "STANDBYS": "1", "WORKER_ID": worker}
    environ |= {"METRICS_PORT": str(ports[worker]), "HTTP_PORT": str(ports["reader"])}
    own = {f"STREAMS_{name}": value for name, value in environ.items()}
    return Pipeline(f"127.0.0.1:{ports['kafka']}", "observed.", folder, **own)


def is_ready(port: int) -> bool:
    return get(port, "/readyz")[0] == 200


def until_ready(ports: dict[str, int], *roles: str) -> None:
    for role in roles:
        until(partial(is_ready, ports[role]), f"the {role} did not become ready")


def test_what_is_declared_is_measured(pipeline: Pipeline, ports: dict[str, int]) -> None:
    worker, reader = pipeline.start(), pipeline.background("serve")
    until_ready(ports, "worker", "reader")
    pipeline.run("simulate", "--events", str(EVENTS), "--garbage", "0.01", "--repeats", "0.05")
    until(lambda: settled(ports), "not everything was folded and read")
    for path in ("/v1/trending/tag", "/v1/users/nobody/interests"):
        get(ports["reader"], path)
    found = {role: scrape(ports[role]) for role in ("worker", "reader", "broker")}
    check_worker(found["worker"])
    check_reader(found["reader"])
    check_broker(found["broker"])
    second = another(pipeline.folder, ports, "second")
    try:
        leaving = second.start()
        until_ready(ports, "second")
        until(lambda: len(lags(scrape(ports["worker"]))) == 8, "the first worker shows what it does not own")
        until(lambda: follows(scrape(ports["second"])), "no standby copy reached the end of its changelog")
        check_second(found["worker"], scrape(ports["worker"]), scrape(ports["second"]))
        found["worker"] |= scrape(ports["second"])
        for process in (leaving, worker, reader):
            process.terminate()
            assert process.wait(20) == 0
    finally:
        second.stop()
    for role in ("worker", "reader", "broker"):
        assert missing(role, found[role]) == []


def lags(found: Scrape) -> list[tuple[dict[str, str], float]]:
    return found["streams_consumer_lag_records"]


def follows(found: Scrape) -> bool:
    """A standby copy that has just been assigned shows for a moment what it has still to apply."""
    return "streams_standby_lag_records" in found and total(found, "standby_lag_records") == 0


def settled(ports: dict[str, int]) -> bool:
    worker, reader = scrape(ports["worker"]), scrape(ports["reader"])
    folded = sum(total(worker, "events_total", topic=topic) for topic in ("views", "likes", "shares"))
    waiting = [total(worker, name) for name in ("consumer_lag_records", "commit_age_seconds")]
    waiting.append(total(reader, "reader_lag_records"))
    held = [total(reader, "reader_rows", table=table) for table in TABLES]
    fresh = all(0 <= total(reader, "answer_age_seconds", table=table) < 30 for table in TABLES)  # set once a second
    return folded >= EVENTS and total(worker, "sweep_seconds_count") > 0 and not any(waiting) and all(held) and fresh


def check_worker(found: Scrape) -> None:
    assert total(found, "ready") == 1
    assert total(found, "events_total", outcome="rejected") == total(found, "events_rejected_total") > 0
    assert total(found, "events_total", outcome="repeat") > 0
    assert total(found, "events_total") == total(found, "partition_events_total") >= EVENTS
    for until_what in ("folded", "committed"):
        assert total(found, "freshness_seconds_count", until=until_what) == total(found, "events_total")
        assert 0 < total(found, "freshness_seconds_sum", until=until_what) < 60 * total(found, "events_total")
    assert total(found, "consumer_lag_seconds") == total(found, "watermark_lag_seconds") == 0
    assert len(lags(found)) == 2 * 8
    assert total(found, "transaction_events_sum") == total(found, "events_total")
    assert total(found, "transaction_bytes_sum") > total(found, "row_bytes_written_total") > 0
    assert 0 < total(found, "rows_written_total", table="interests") <= total(found, "rows_written_total")
    assert total(found, "rows_swept_total") > 0
    assert total(found, "evictions_total") > 0
    assert total(found, "units_owned") == 2
    assert total(found, "rebalance_seconds_count") >= 1
    assert total(found, "fence_seconds_count") >= 1
    assert total(found, "folding_seconds_total") > 0
    assert total(found, "exits_total") == total(found, "transaction_failures_total") == 0


def check_second(before: Scrape, first: Scrape, second: Scrape) -> None:
    """A partition moved: what it had counted stays with the first worker, its state with the second."""
    for name, children in before.items():
        if name.endswith(("_total", "_count")) and name.startswith("streams_"):
            assert all(total(first, name.removeprefix("streams_"), **labels) >= value for labels, value in children), (
                name
            )
    assert total(first, "units_owned") == total(second, "units_owned") == 1
    assert total(first, "rebalance_seconds_count") > total(before, "rebalance_seconds_count")
    assert total(second, "restore_rows_total") > 0
    assert total(second, "restore_seconds_count") > 0
    assert total(second, "restore_remaining_rows") == 0


def check_reader(found: Scrape) -> None:
    assert total(found, "ready") == 1
    for table in TABLES:
        assert total(found, "readable_seconds_count", table=table) > 0
    assert total(found, "readable_seconds_count", table="interests") >= EVENTS
    assert total(found, "http_seconds_count", status="200") >= 1
    assert "streams_transaction_seconds_count" not in found


def check_broker(found: Scrape) -> None:
    assert total(found, "broker_up") == total(found, "broker_starts_total") == 1
    assert total(found, "broker_topics") >= 16
    assert total(found, "broker_partitions") >= 32
    assert total(found, "broker_under_replicated_partitions") == 0
    assert total(found, "broker_log_bytes") > 10_000
    assert total(found, "broker_resident_bytes") > 50e6


def test_a_worker_that_cannot_listen_says_where(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        pipeline = Pipeline(bootstrap, topic_prefix, tmp_path, STREAMS_METRICS_PORT=port)
        pipeline.run("topics", "apply")
        pipeline.run("worker", expect=78)
