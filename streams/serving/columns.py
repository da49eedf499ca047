"""Many rows at once for whoever ranks in the reader's process: numpy columns, not an object for each interest."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.keys import partitions_of
from streams.core.reading_columns import (
    UserReadColumns,
    VideoReadColumns,
    read_user_columns,
    read_video_columns,
    without,
)
from streams.serving import routes_users, routes_videos
from streams.serving.service import Service
from streams.serving.types import AsOf


class UserStatus(IntEnum):
    """Whether a user is answered for. NOT_SERVED: private, banned or a minor; nothing of the row is shown."""

    OK = 0
    UNKNOWN = 1
    NOT_SERVED = 2


class UsersRead(NamedTuple):
    """n users, in the order asked. `as_of` once per partition asked, ascending."""

    status: NDArray[np.uint8]
    """[n] `UserStatus`."""
    partition: NDArray[np.int64]
    """[n]"""
    columns: UserReadColumns
    as_of: list[AsOf]


class VideosRead(NamedTuple):
    """n videos, in the order asked. `as_of` once per partition asked, ascending."""

    partition: NDArray[np.int64]
    """[n]"""
    columns: VideoReadColumns
    as_of: list[AsOf]


def user_columns(service: Service, ids: Sequence[str], limit: int) -> UsersRead:
    """At most `limit` interests of each user, weighed at the watermark of its partition as `routes_users` does it.

    Names of the topics are in `service.state.names`. RowVersionError if another version wrote a row or it is cut.
    """
    truth, rows = service.truth(), service.state.rows[routes_users.TABLE]
    keys = [user.encode() for user in ids]
    partition = partitions_of(keys, service.state.partitions)
    as_of = [truth.of_user(number) for number in np.unique(partition).tolist()]
    watermarks_ms = np.zeros(service.state.partitions, np.int64)
    for true in as_of:
        watermarks_ms[true.partition] = true.watermark_ms or 0
    columns = read_user_columns(list(map(rows.get, keys)), watermarks_ms[partition], limit)
    hidden = (columns.account & routes_users.NOT_SERVED) != 0
    status = np.where(hidden, UserStatus.NOT_SERVED, np.where(columns.found, UserStatus.OK, UserStatus.UNKNOWN))
    return UsersRead(status.astype(np.uint8), partition, without(columns, hidden), as_of)


def video_columns(service: Service, ids: Sequence[str]) -> VideosRead:
    """Counts and status of each video; `routes_videos.applied` decodes a row of facts.

    RowVersionError if another version wrote a row or it is cut.
    """
    truth, state = service.truth(), service.state
    keys = [name.encode() for name in ids]
    partition = partitions_of(keys, state.partitions)
    columns = read_video_columns(keys, state.regions, state.rows[routes_videos.TABLE])
    return VideosRead(partition, columns, [truth.of_video(number) for number in np.unique(partition).tolist()])
