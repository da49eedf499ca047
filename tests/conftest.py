"""Fixtures for all tests: one real Kafka for the session, names of its own for each test."""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.consumer import fetcher

from streams.kernels import Kernels
from streams.settings import Settings
from streams.tools.broker import Broker

NEEDS = {"prometheus": ("prometheus", "promtool")}
"""Marker -> programs that its tests run."""
COMPILED = "compiled: is about the kernels themselves; skipped, with a line, where no kernel at all was built"
KERNELS = ("streams.core.compiled", "streams.engine.compiled", "streams.wire.compiled")
LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that is looked at below."""
    config.addinivalue_line("markers", COMPILED)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that cannot run on this machine are left out, and a line at the end says so; in CI that is an error."""
    lines = []
    for marker, programs in NEEDS.items():
        missing = [program for program in programs if shutil.which(program) is None]
        hit = [item for item in items if item.get_closest_marker(marker)] if missing else []
        if hit:
            lines.append(f"left out: {len(hit)} tests that need {' and '.join(missing)} (apt-get install {marker})")
            items[:] = [item for item in items if item not in hit]
            config.hook.pytest_deselected(items=hit)
    about_kernels = [item for item in items if item.get_closest_marker("compiled")]
    if about_kernels and not any(Kernels(package).built() for package in KERNELS):
        why = "no compiled kernel is there (install a C compiler, then `make setup`)"
        lines.append(f"skipped: {len(about_kernels)} tests of the kernels, as {why}")
        for item in about_kernels:
            item.add_marker(pytest.mark.skip(reason=why))
    if lines and os.environ.get("CI"):
        raise pytest.UsageError("; ".join(lines))
    config.stash[LEFT_OUT] = lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    for line in config.stash.get(LEFT_OUT, []):
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(autouse=True)
def process_globals() -> Iterator[None]:
    """Commands are run inside the process of the tests, and set up what is theirs in production: undone here."""
    root, clients = logging.getLogger(), logging.getLogger("aiokafka")
    kept = [(logger, logger.level, logger.propagate, logger.handlers[:]) for logger in (root, clients)]
    classes = fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult
    yield
    fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult = classes
    for logger, level, propagate, handlers in kept:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running Kafka. Tests that kill or pause it start one of their own instead."""
    with Broker(tmp_path_factory.mktemp("kafka"), state_dir=Settings().state_dir) as running:
        yield running


@pytest.fixture(scope="session")
def bootstrap(broker: Broker) -> str:
    """host:port of the running Kafka."""
    return broker.bootstrap


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Prefix of all topic names, groups and transactions of this test."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", str(request.node.name))[:32]
    return f"{name}-{uuid4().hex[:8]}."


@pytest.fixture
def project_root() -> Path:
    """The folder of pyproject.toml."""
    return Path(__file__).parents[1]
