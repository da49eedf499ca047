"""Commands end with one line and an exit code when Kafka is not there, or goes away in the middle."""

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, RequestTimedOutError

from streams.ops.kafka_client import EXIT_RESTART, refusing
from streams.settings import Settings
from streams.tools.broker.probe import free_port


@pytest.mark.parametrize("gone", [KafkaConnectionError, NodeNotReadyError, RequestTimedOutError])
def test_a_broker_that_goes_away_ends_a_command_with_one_line(
    gone: type[KafkaError], capsys: pytest.CaptureFixture[str]
) -> None:
    bootstrap = f"127.0.0.1:{free_port()}"
    with pytest.raises(SystemExit) as ended, refusing(Settings(), "worker", bootstrap):
        raise gone
    assert ended.value.code == EXIT_RESTART
    told = capsys.readouterr().err
    assert told.startswith(f"worker: No Kafka answers at {bootstrap}")
    assert told.count("\n") == 1


def test_other_errors_are_not_taken_for_an_absent_broker() -> None:
    with pytest.raises(ValueError, match="a bug"), refusing(Settings()):
        raise ValueError("a bug")
