"""Users: what they are interested in."""

from streams.core.reading import UserRead, Wanted, read_users
from streams.core.rows import HIDDEN, UserFlag
from streams.serving import params, problems
from streams.serving.service import Route, Service, Values
from streams.serving.types import Ids, Interest, UserAnswer, UserCounts, UserInterests, UserResult, UsersAnswer

TABLE = "interests"
Read = UserRead[UserCounts, Interest]
NOT_SERVED = int(HIDDEN)
FLAGS = [[(f.name or "").lower().replace("_", "-") for f in UserFlag if flags & f] for flags in range(256)]
"""Names of the flags that are set, by the byte of a row."""


def get_interests(service: Service, values: Values) -> UserAnswer:
    """One user. ProblemError if unknown or not served."""
    user = values["id"]
    as_of = service.truth().of_user(service.partition_of(user))
    read = find(service, [user.encode()], [as_of.watermark_ms or 0], values["limit"])[0]
    if read is None:
        raise problems.unknown("id", user, "no interaction of this user was folded", as_of)
    account, flags, at_ms, last_ms, counts, interests = read
    if account & NOT_SERVED:
        raise problems.not_served(user, as_of)
    return UserAnswer(user, as_of.partition, at_ms, last_ms, interests, counts, FLAGS[flags], as_of=as_of)


def get_many(service: Service, values: Values) -> UsersAnswer:
    """Many users, in the order asked: rows are read in one pass, and how true they are is told once a partition."""
    truth, ids = service.truth(), values["ids"]
    keys = [user.encode() for user in ids]
    partitions = service.partitions_of(keys)
    as_of = {partition: truth.of_user(partition) for partition in sorted(set(partitions))}
    watermarks = {partition: true.watermark_ms or 0 for partition, true in as_of.items()}
    found = find(service, keys, [watermarks[partition] for partition in partitions], values["limit"])
    results = [_result(*one) for one in zip(ids, partitions, found, strict=True)]
    return UsersAnswer(results=results, as_of=list(as_of.values()))


def _result(user: str, partition: int, read: Read | None) -> UserResult:
    if read is None:
        return UserResult(user, "unknown")
    account, flags, at_ms, last_ms, counts, interests = read
    if account & NOT_SERVED:
        return UserResult(user, "not-served")
    return UserResult(user, "ok", UserInterests(user, partition, at_ms, last_ms, interests, counts, FLAGS[flags]))


def find(service: Service, keys: list[bytes], watermarks_ms: list[int], limit: int) -> list[Read | None]:
    """The users' rows, each as weighed at its watermark, or at its newest event if that is later; None: no row."""
    state = service.state
    values = list(map(state.rows[TABLE].get, keys))
    return read_users(values, watermarks_ms, Wanted(limit, state.names, Interest, UserCounts))


ROUTES = (
    Route(
        "GET", "/v1/users/{id}/interests", "Interests of one user", get_interests, UserAnswer,
        params=(params.USER, params.LIMIT), problems=(400, 403, 404),
    ),
    Route(
        "POST", "/v1/users/interests", "Interests of many users", get_many, UsersAnswer,
        params=(params.LIMIT,), body=Ids, problems=(400,),
    ),
)  # fmt: skip
