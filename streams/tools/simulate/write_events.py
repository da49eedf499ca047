"""Columns of activity as JSON records, by pre-formatted strings: made for speed."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streams.core.keys import event_hash
from streams.tools.produce import Produced
from streams.tools.simulate.activity import Activity, Did
from streams.tools.simulate.words import CHANNELS, FEEDBACK, SURFACES
from streams.tools.simulate.world import Ints, World

TOPIC_OF = {
    Did.VIEW: "views", Did.LIKE: "likes", Did.UNLIKE: "likes", Did.SHARE: "shares", Did.UNSHARE: "shares",
    Did.FEEDBACK: "feedback",
}  # fmt: skip
OP_OF = {Did.LIKE: "like", Did.UNLIKE: "unlike", Did.SHARE: "share", Did.UNSHARE: "unshare"}

SPLITMIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def event_ids(run_id: str, first: int, count: int) -> NDArray[np.uint64]:
    """Ids of the events `first`... of a run: a bijection of their number, so none occurs twice in a run."""
    with np.errstate(over="ignore"):
        numbers = np.arange(first, first + count, dtype=np.uint64) * np.uint64(SPLITMIX[0])
        mixed = numbers + np.uint64(event_hash(run_id))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(SPLITMIX[1])
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(SPLITMIX[2])
    return mixed ^ (mixed >> np.uint64(31))


def write_events(
    world: World, activity: Activity, arrival_ms: Ints, ids: NDArray[np.uint64], block: int
) -> Iterator[Produced]:
    """One record for each event, in the order of the columns. `block` tells sessions of several blocks apart."""
    regions = [*(f',"region":"{name}"' for name in world.regions), ""]
    columns = zip(
        activity.did.tolist(), activity.user.tolist(), activity.video.tolist(), activity.at_ms.tolist(),
        activity.watch_ms.tolist(), activity.region.tolist(), activity.surface.tolist(), activity.choice.tolist(),
        activity.session.tolist(), ids.tolist(), arrival_ms.tolist(), strict=True,
    )  # fmt: skip
    users, videos = world.users, world.videos
    duration_ms = world.duration_ms.tolist()
    for did, user, video, at_ms, watch_ms, region, surface, choice, session, number, arrival in columns:
        name = users[user]
        head = f'{{"id":"{number:016x}","user":"{name}","video":"{videos[video]}","at_ms":{at_ms}{regions[region]}'
        if did == Did.VIEW:
            rest = (
                f',"watch_ms":{watch_ms},"duration_ms":{duration_ms[video]},"surface":"{SURFACES[surface]}",'
                f'"session":"{block:x}-{session:x}"}}'
            )
        elif did == Did.FEEDBACK:
            rest = f',"kind":"{FEEDBACK[choice]}"}}'
        elif did in (Did.SHARE, Did.UNSHARE):
            rest = f',"channel":"{CHANNELS[choice % len(CHANNELS)]}","op":"{_OPS[did]}"}}'
        else:
            rest = f',"op":"{_OPS[did]}"}}'
        yield Produced(_TOPICS[did], name.encode(), (head + rest).encode(), arrival)


_TOPICS = [TOPIC_OF[did] for did in Did]
_OPS = [OP_OF.get(did, "") for did in Did]
