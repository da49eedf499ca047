"""Every Faust and aiokafka internal that the engine overrides or reads: a new version that moves one fails here."""

import importlib.metadata
import inspect

import aiokafka
import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState, TopicPartitionState
from faust import App, Schema
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from mode import Worker


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_versions_are_the_pinned_ones() -> None:
    assert importlib.metadata.version("faust-streaming") == "0.15.3"
    assert aiokafka.__version__ == "0.14.0"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (
            driver.AIOKafkaConsumerThread._fetch_records,
            ["self", "consumer", "active_partitions", "timeout", "max_records"],
        ),
        (Consumer._wait_next_records, ["self", "timeout"]),
        (Consumer.wait_empty, ["self"]),
        (driver.Consumer._new_consumer_thread, ["self"]),
        (driver.Consumer.verify_event_path, ["self", "now", "tp"]),
        (Recovery.on_rebalance, ["self", "assigned", "revoked", "newly_assigned", "generation_id"]),
        (Recovery._wait, ["self", "coro", "timeout"]),
        (Recovery._set_recovery_ended, ["self"]),
        (PartitionAssignor._perform_assignment, ["self", "cluster", "member_metadata"]),
        (PartitionAssignor.on_assignment, ["self", "assignment"]),
        (PartitionAssignor.metadata, ["self", "topics"]),
        (PartitionAssignor.__init__, ["self", "app", "replicas"]),
        (App._new_transport, ["self"]),
        (App.on_first_start, ["self"]),
        (Worker._setup_logging, ["self"]),
        (Worker._sentinel_task, ["self"]),
        (fetcher.Fetcher._create_fetch_waiter, ["self"]),
    ],
)
def test_overridden_functions_keep_their_parameters(function: object, expected: list[str]) -> None:
    assert parameters(function) == expected


def test_recovery_tasks_that_are_replaced_exist() -> None:
    for name in ("_slurp_changelogs", "_publish_stats", "_restart_recovery"):
        assert callable(getattr(Recovery, name))
    assert isinstance(vars(TableManager)["recovery"], property)
    assert issubclass(RebalanceAgain, Exception)
    assert issubclass(ServiceStopped, Exception)


def test_schema_decoders_get_message_and_propagate() -> None:
    assert "default_propagate" in parameters(Schema.compile)


def test_the_worker_consumer_reads_isolation_and_wait_at_start() -> None:
    source = inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    assert "isolation_level=self._isolation_level" in source
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in source


def test_the_table_manager_does_at_its_start_what_ours_does_without_the_wait() -> None:
    _, _, body = inspect.getsource(TableManager.on_start).split('"""')
    assert [line.strip() for line in body.splitlines() if line.strip()] == [
        "await self.sleep(1.0)",
        "if not self.should_stop:",
        "await self._update_channels()",
        "await self.recovery.start()",
    ]


def test_the_fetcher_reads_how_much_to_fetch_at_each_request() -> None:
    assert "self._max_partition_fetch_bytes" in inspect.getsource(fetcher.Fetcher._get_actions_per_node)


async def test_positions_are_read_from_the_assignment() -> None:
    assert isinstance(vars(SubscriptionState)["subscription"], property)
    assert parameters(Assignment.state_value) == ["self", "tp"]
    state = TopicPartitionState(Assignment(set()))
    assert state._position is None
    assert state.highwater is None
    state.seek(7)
    assert state._position == 7


def test_draining_with_timeout_zero_waits_only_for_an_assignment() -> None:
    source = inspect.getsource(fetcher.Fetcher.fetched_records)
    waits = [line.strip() for line in source.split("if drained or not timeout:")[0].splitlines() if "await " in line]
    assert waits == ["await self._subscriptions.wait_for_assignment()"]
    assert "if drained or not timeout:\n                return drained" in source


def test_faust_uses_the_assignor_setting_when_replicas_are_on() -> None:
    source = inspect.getsource(driver.AIOKafkaConsumerThread._create_worker_consumer)
    assert "self.app.assignor" in source
    assert "table_standby_replicas > 0" in source
