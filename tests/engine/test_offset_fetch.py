"""An error of the whole group is no answer: it must not read as a group that never committed anything."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
)
from aiokafka.protocol.commit import OffsetFetchResponse_v3

from streams.engine.offset_fetch import heed_errors

PLACE = TopicPartition("views", 3)


class Coordinator:
    """As much of aiokafka's as the question for offsets needs; answers from a list."""

    group_id = "streams"
    _retry_backoff_ms = 1
    _do_fetch_commit_offsets = GroupCoordinator._do_fetch_commit_offsets

    def __init__(self, *answers: OffsetFetchResponse_v3) -> None:
        self.answers = list(answers)
        self.lost = 0

    async def _send_req(self, _: Any) -> OffsetFetchResponse_v3:
        return self.answers.pop(0)

    async def ensure_coordinator_known(self) -> None: ...

    def coordinator_dead(self) -> None:
        self.lost += 1


def refused(code: int) -> OffsetFetchResponse_v3:
    return OffsetFetchResponse_v3(0, [], code)


def told(offset: int) -> OffsetFetchResponse_v3:
    return OffsetFetchResponse_v3(0, [("views", [(3, offset, "", 0)])], 0)


async def test_aiokafka_takes_an_error_for_an_empty_group() -> None:
    # If this fails, aiokafka has mended it: streams/engine/offset_fetch.py can go.
    assert await Coordinator(refused(16))._do_fetch_commit_offsets([PLACE]) == {}


@pytest.mark.parametrize(
    ("error", "lost"),
    [(NotCoordinatorForGroupError, 1), (GroupLoadInProgressError, 0), (GroupAuthorizationFailedError, 0)],
)
async def test_an_error_of_the_group_is_raised(error: type[KafkaError], lost: int) -> None:
    coordinator = Coordinator(refused(error.errno))
    heed_errors(coordinator)
    with pytest.raises(error):
        await coordinator._do_fetch_commit_offsets([PLACE])
    assert coordinator.lost == lost


async def test_it_is_asked_again_until_there_is_an_answer() -> None:
    coordinator = Coordinator(refused(16), refused(14), told(7))
    heed_errors(coordinator)
    found = await GroupCoordinator.fetch_committed_offsets(coordinator, [PLACE])
    assert {place: offset.offset for place, offset in found.items()} == {PLACE: 7}


async def test_no_offset_is_still_no_offset() -> None:
    coordinator = Coordinator(told(-1))
    heed_errors(coordinator)
    assert await coordinator._do_fetch_commit_offsets([PLACE]) == {}
