"""Videos: their facts as applied, and what they were counted for."""

from typing import Literal

import msgspec

from streams.core.reading import VideoRead, facts_of, read_videos
from streams.core.rows import Counts
from streams.serving import params, problems
from streams.serving.service import Route, Service, Values
from streams.serving.state import ReaderState
from streams.serving.types import Counted, Facts, Ids, Video, VideoAnswer, VideoResult, VideosAnswer

TABLE = "videos-table"
Read = VideoRead[Counted]


class Applied(msgspec.Struct, array_like=True):
    """The beginning of a `streams.core.rows.FactsRow`, its facts as answers show them."""

    offset: int
    live: bool
    facts: Facts | None


_decode = msgspec.msgpack.Decoder(Applied).decode


def get_video(service: Service, values: Values) -> VideoAnswer:
    """One video. ProblemError if it is unknown."""
    name = values["id"]
    as_of = service.truth().of_video(service.partition_of(name))
    read = find(service.state, [name.encode()])[0]
    if read is None:
        raise problems.unknown("id", name, "neither facts nor interactions of this video were folded", as_of)
    facts, totals, regions = read
    return VideoAnswer(name, as_of.partition, *applied(facts), totals, regions, as_of=as_of)


def get_many(service: Service, values: Values) -> VideosAnswer:
    """Many videos, in the order asked: rows are read in one pass, and how true they are is told once a partition."""
    truth, ids = service.truth(), values["ids"]
    keys = [name.encode() for name in ids]
    partitions = service.partitions_of(keys)
    results = [_result(*one) for one in zip(ids, partitions, find(service.state, keys), strict=True)]
    return VideosAnswer(results=results, as_of=[truth.of_video(p) for p in sorted(set(partitions))])


def _result(name: str, partition: int, read: Read | None) -> VideoResult:
    if read is None:
        return VideoResult(name, "unknown")
    facts, totals, regions = read
    return VideoResult(name, "ok", Video(name, partition, *applied(facts), totals, regions))


def find(state: ReaderState, names: list[bytes]) -> list[Read | None]:
    """The rows of each video put together; None: it has none."""
    return read_videos(names, state.regions, state.rows[TABLE], Counted)


def applied(row: bytes | None) -> tuple[Literal["live", "not-live", "removed", "unknown"], Facts | None]:
    """Status and facts of a row of facts. RowVersionError if it cannot be read."""
    if row is None:
        return "unknown", None
    begin = facts_of(row, _decode)
    if begin.facts is None:
        return "removed", None
    return "live" if begin.live else "not-live", begin.facts


def counted(counts: Counts) -> Counted:
    """Views, likes, shares as an answer shows them."""
    views, likes, shares = counts
    return Counted(views, likes, shares)


ROUTES = (
    Route(
        "GET", "/v1/videos/{id}", "One video: facts and counts by region", get_video, VideoAnswer,
        params=(params.VIDEO,), problems=(400, 404),
    ),
    Route(
        "POST", "/v1/videos", "Many videos", get_many, VideosAnswer, body=Ids, problems=(400,),
    ),
)  # fmt: skip
