"""Every aiokafka internal that the wire replaces or calls: a new version that moves one fails here."""

import inspect

from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_fetcher_reads_records_through_three_classes_that_can_be_replaced() -> None:
    fetched = inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    for use in ("records = MemoryRecords(part_data[-1])", "= PartitionRecords(\n", "= FetchResult(\n"):
        assert use in fetched
    handed_out = inspect.getsource(fetcher.Fetcher.fetched_records)
    for use in ("type(res_or_error) is FetchResult", "records = res_or_error.getall(max_records)", "if not records:"):
        assert use in handed_out
    assert parameters(fetcher.FetchResult.getall) == ["self", "max_records"]
    assert parameters(fetcher.FetchResult.check_assignment) == ["self", "tp"]
    assert parameters(fetcher.FetchResult._update_position) == ["self"]


def test_what_is_kept_of_aiokafkas_partition_records() -> None:
    kind = fetcher.PartitionRecords
    assert parameters(kind.__init__) == [
        "self", "tp", "records", "aborted_transactions", "fetch_offset", "key_deserializer", "value_deserializer",
        "check_crcs", "isolation_level",
    ]  # fmt: skip
    assert "self._records_iterator = self._unpack_records()" in inspect.getsource(kind.__init__)
    assert parameters(kind._consume_aborted_up_to) == ["self", "batch_offset"]
    assert parameters(kind._contains_abort_marker) == ["self", "next_batch"]
    assert (fetcher.READ_UNCOMMITTED, fetcher.READ_COMMITTED) == (0, 1)


def test_topics_are_looked_up_as_the_client_is_told() -> None:
    assert parameters(AIOKafkaClient.set_topics) == ["self", "topics"]
    assert "return res" in inspect.getsource(AIOKafkaClient.set_topics)
    assert "self._client.set_topics([tp.topic for tp in partitions])" in inspect.getsource(AIOKafkaConsumer.assign)
