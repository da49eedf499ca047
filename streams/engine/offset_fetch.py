"""The group's offsets, or why there is no answer.

Of an answer to OffsetFetch aiokafka reads only the errors of single partitions. Kafka names what concerns the whole
group (its coordinator has moved, or is still loading) beside an empty list, which then reads as: nothing was committed.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest


def heed_errors(coordinator: Any) -> None:
    """Have this coordinator of aiokafka raise the error of the group; it asks again after those that pass."""
    send: Callable[[Any], Awaitable[Any]] = coordinator._send_req

    async def checked(request: Any) -> Any:
        response = await send(request)
        if isinstance(request, OffsetFetchRequest) and response.error_code:
            error = for_code(response.error_code)
            if error is NotCoordinatorForGroupError:
                coordinator.coordinator_dead()
            raise error
        return response

    coordinator._send_req = checked
