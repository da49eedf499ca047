"""The simulated world: deterministic, skewed as planned, and every record what it claims to be."""

from collections import Counter, defaultdict
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from streams.core.events import AccountState, Feedback, Like, Share, VideoFacts, View, is_live
from streams.core.keys import partition_of
from streams.core.reasons import Reason
from streams.tools.produce import Produced
from streams.tools.simulate.activity import BUSIEST_HOUR, QUIETEST_HOUR, SWING, hour_shares, times_at
from streams.tools.simulate.garbage import SORTS, garbage
from streams.tools.simulate.job import MIX, job_events, job_facts
from streams.tools.simulate.stream import Plan, Told, stream
from streams.tools.simulate.words import ADJECTIVES, REGIONS, SUBJECTS, numbered
from streams.tools.simulate.world import DAY_MS, TOP_SHARE, Size, exponent_for, make_world, zipf_mass
from streams.tools.simulate.write_events import event_ids

END_MS = 1_760_000_000_000
PLAN = Plan(events=120_000, seed=3, size=Size(4_000, 1_000, 6), end_ms=END_MS, run_id="run", days=2.0)
SMALL = msgspec.structs.replace(PLAN, events=3_000, size=Size(200, 100, 4))
TYPES = {"views": View, "likes": Like, "shares": Share, "feedback": Feedback}


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def written(told: Told) -> list[Produced]:
    return list(stream(PLAN, told))


@pytest.fixture(scope="module")
def views(written: list[Produced]) -> list[View]:
    return [msgspec.json.decode(record.value or b"", type=View) for record in written if record.topic == "views"]


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert list(stream(SMALL)) == list(stream(SMALL))


def test_another_seed_or_run_gives_others() -> None:
    values = {record.value for record in stream(SMALL) if record.topic in TYPES}
    other_seed = {record.value for record in stream(msgspec.structs.replace(SMALL, seed=4)) if record.topic in TYPES}
    other_run = {record.value for record in stream(msgspec.structs.replace(SMALL, run_id="b")) if record.topic in TYPES}
    assert not values & other_seed
    assert not values & other_run


def test_every_event_planned_is_written_once_and_repeats_on_top(written: list[Produced], told: Told) -> None:
    values = Counter(record.value for record in written if record.topic in TYPES)
    assert len(values) == PLAN.events
    assert values.total() == PLAN.events + told.repeats
    assert 0.008 < told.repeats / PLAN.events < 0.012


def test_arrival_never_goes_back(written: list[Produced]) -> None:
    assert all(a.timestamp_ms <= b.timestamp_ms for a, b in pairwise(written))


def test_every_value_is_an_event_of_its_key(written: list[Produced]) -> None:
    for record in written:
        if record.topic in TYPES:
            event = msgspec.json.decode(record.value or b"", type=TYPES[record.topic])
            assert event.user.encode() == record.key
            assert event.at_ms <= record.timestamp_ms
            assert END_MS - 3 * DAY_MS <= event.at_ms <= END_MS
            assert record.timestamp_ms <= END_MS + 400
        elif record.value is not None:
            kind = VideoFacts if record.topic == "videos" else AccountState
            assert msgspec.json.decode(record.value, type=kind) is not None


def test_popularity_and_valid_plays_are_as_measured(views: list[View]) -> None:
    by_video = Counter(view.video for view in views)
    top = sum(count for _, count in by_video.most_common(10))
    assert top / len(views) == pytest.approx(TOP_SHARE, abs=0.03)
    valid = sum(view.watch_ms * 2 >= (view.duration_ms or 0) - 2 for view in views)
    assert valid / len(views) == pytest.approx(0.38, abs=0.01)


def test_hours_swing(views: list[View]) -> None:
    shares = hour_shares()
    assert shares[BUSIEST_HOUR] / shares[QUIETEST_HOUR] == pytest.approx(SWING)
    assert shares.sum() == pytest.approx(1.0)
    by_hour = Counter(view.at_ms // 3_600_000 % 24 for view in views)
    assert 5.5 < by_hour[BUSIEST_HOUR] / by_hour[QUIETEST_HOUR] < 12


def test_times_follow_the_hours_between_their_ends() -> None:
    found = times_at(np.linspace(0.0, 1.0, 50), END_MS - DAY_MS, END_MS)
    assert (found[0], found[-1]) == (END_MS - DAY_MS, END_MS)
    assert (np.diff(found) > 0).all()
    by_hour = Counter((times_at(np.linspace(0.0, 1.0, 100_001), 0, DAY_MS) // 3_600_000 % 24).tolist())
    assert by_hour[BUSIEST_HOUR] / by_hour[QUIETEST_HOUR] == pytest.approx(SWING, rel=0.01)


def test_users_come_back_in_sessions(views: list[View]) -> None:
    by_session = defaultdict(set)
    for view in views:
        by_session[view.session].add(view.user)
    assert all(len(users) == 1 for users in by_session.values())
    assert 4 < len(views) / len(by_session) < 10


def test_undo_follows_what_it_takes_back(written: list[Produced]) -> None:
    liked = set()
    unlikes = 0
    for record in written:
        if record.topic == "likes":
            like = msgspec.json.decode(record.value or b"", type=Like)
            if like.op == "like":
                liked.add((like.user, like.video))
            else:
                unlikes += 1
    assert unlikes > 300
    undone = [msgspec.json.decode(r.value or b"", type=Like) for r in written if r.topic == "likes"]
    assert all((like.user, like.video) in liked for like in undone if like.op == "unlike")


def test_facts_change_and_some_come_late(written: list[Produced]) -> None:
    by_video: dict[bytes | None, list[Produced]] = defaultdict(list)
    for record in written:
        if record.topic == "videos":
            by_video[record.key].append(record)
    assert len(by_video) == 1_000
    firsts = [records[0].timestamp_ms for records in by_video.values()]
    late = sum(first >= PLAN.start_ms for first in firsts)
    assert 5 < late < 60
    later = [record.value for records in by_video.values() for record in records[1:]]
    facts = [None if value is None else msgspec.json.decode(value, type=VideoFacts) for value in later]
    assert None in facts
    assert any(not is_live(found) for found in facts if found)
    assert any(is_live(found) for found in facts)


def test_accounts_of_all_states(written: list[Produced]) -> None:
    values = [record.value for record in written if record.topic == "accounts"]
    states = [msgspec.json.decode(value, type=AccountState) for value in values if value is not None]
    assert {state.age_band for state in states} == {"adult", "teen", "child"}
    assert {state.status for state in states} == {"active", "banned"}
    assert any(state.private for state in states)
    assert None in values


def test_some_records_come_very_late_only_with_shuffle(written: list[Produced]) -> None:
    def too_late(records: list[Produced]) -> int:
        delays = [
            record.timestamp_ms - msgspec.json.decode(record.value or b"", type=View).at_ms
            for record in records
            if record.topic == "views"
        ]
        return sum(delay > DAY_MS for delay in delays)

    assert too_late(written) > 5
    assert too_late(list(stream(msgspec.structs.replace(SMALL, shuffle=0.0, repeats=0.0)))) == 0


def test_churn_changes_what_is_popular() -> None:
    def top_of_halves(churn: bool) -> int:
        plan = msgspec.structs.replace(PLAN, events=20_000, size=Size(500, 1_000), churn=churn, repeats=0.0)
        views = [msgspec.json.decode(r.value or b"", type=View) for r in stream(plan) if r.topic == "views"]
        half = len(views) // 2
        tops = [{video for video, _ in Counter(view.video for view in part).most_common(5)}
                for part in (views[:half], views[half:])]  # fmt: skip
        return len(tops[0] & tops[1])

    assert top_of_halves(churn=False) >= 3
    assert top_of_halves(churn=True) <= 2


def test_garbage_of_every_sort_that_producers_can_make() -> None:
    made = garbage(np.random.default_rng(1), 10_000)
    reasons = Counter(bad.reason for bad in made)
    assert set(reasons) == set(Reason) - {Reason.BAD_TALLY, Reason.HANDLER_FAILED}
    assert len(reasons) == len(SORTS) == 29
    assert min(reasons.values()) >= 10_000 // 29
    assert len({bad.topic for bad in made}) == 6


def test_garbage_lies_where_it_says() -> None:
    for bad in garbage(np.random.default_rng(2), 600, partitions=5):
        if bad.reason is Reason.NO_KEY:
            assert bad.key is None
            assert bad.partition in range(5)
            assert bad.topic not in {"videos", "accounts"}
        elif bad.reason is Reason.WRONG_PARTITION:
            assert bad.partition != partition_of(bad.key or b"", 5)
        else:
            assert bad.partition is None
        if bad.reason is Reason.TOO_LARGE:
            assert len(bad.value or b"") > 16 * 1024


def test_garbage_without_a_wrong_partition_to_lie_in() -> None:
    reasons = {bad.reason for bad in garbage(np.random.default_rng(2), 100, partitions=1)}
    assert Reason.WRONG_PARTITION not in reasons
    assert len(reasons) == 28


def test_garbage_is_mixed_in_and_told() -> None:
    told = Told()
    made = list(stream(msgspec.structs.replace(SMALL, garbage=0.02), told))
    assert told.bad.total() == 60
    strangers = [record for record in made if (record.key or b"")[:6] not in {b"user-0", b"video-"}]
    assert len(strangers) == 60
    assert [record.timestamp_ms for record in made] == sorted(record.timestamp_ms for record in made)


def test_ids_never_repeat_in_a_run() -> None:
    first, second = event_ids("run", 0, 50_000), event_ids("run", 50_000, 50_000)
    assert len({*first.tolist(), *second.tolist()}) == 100_000
    assert event_ids("other", 0, 10).tolist() != first[:10].tolist()
    assert event_ids("run", 100, 10).tolist() == first[100:110].tolist()


@pytest.mark.parametrize("count", [200, 1_000, 20_000])
def test_the_exponent_gives_the_top_its_share(count: int) -> None:
    assert zipf_mass(count, exponent_for(count, 0.44))[: count // 100].sum() == pytest.approx(0.44, abs=1e-6)


def test_names_are_told_apart() -> None:
    count = 3 * len(ADJECTIVES) * len(SUBJECTS)
    assert len({numbered(number, ADJECTIVES, SUBJECTS) for number in range(count)}) == count


def test_a_world_is_small_enough_to_check() -> None:
    world = make_world(Size(50, 40, 3), 1, END_MS)
    assert world.mass.sum() == pytest.approx(1.0)
    assert len(world.facts) == len(world.videos) == 40
    assert sorted(world.by_category.tolist()) == list(range(40))
    assert {facts.language for facts in world.facts} <= {"de", "en"}


def test_the_bench_job() -> None:
    events = list(job_events(20_000, END_MS))
    mix = Counter(record.topic for record in events)
    for topic, share in zip(("views", "likes", "shares"), MIX, strict=True):
        assert mix[topic] / len(events) == pytest.approx(share, abs=0.01)
    view = msgspec.json.decode(events[-1].value or b"", type=TYPES[events[-1].topic])
    assert view.at_ms == END_MS
    assert view.user.encode() == events[-1].key
    assert view.region in REGIONS
    facts = list(job_facts(END_MS))
    assert len(facts) == 50_000
    assert 1 <= len(msgspec.json.decode(facts[0].value or b"", type=VideoFacts).tags) <= 3
    assert facts == list(job_facts(END_MS))
