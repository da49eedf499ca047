"""The recorded interactions: read, converted, shifted."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from streams.core.events import Feedback, Like, Share, VideoFacts, View
from streams.tools.produce import Produced
from streams.tools.replay.cli import Replay
from streams.tools.replay.convert import DELAY_MS, PICTURES_MS, REGIONS, events_of, facts_of, records, region_of
from streams.tools.replay.reader import SAMPLE, Impression, ReplayError, Video, read_impressions, read_videos
from streams.tools.replay.sample import choose, make

END_MS = 1_760_000_000_000
SEEN = Impression(7, 9, 1_000_000, 4_000, 12_000, 1, False, False, False, False, False)
VIDEO = Video(9, "3", "4", ("39", "8"), 12_000, "2022-04-11")


@pytest.fixture(scope="module")
def sample() -> Replay:
    return Replay.load()


@pytest.fixture(scope="module")
def written(sample: Replay) -> list[Produced]:
    return list(records(sample.impressions, sample.videos, run_id="run", end_ms=END_MS))


def test_the_sample_is_whole_and_small(sample: Replay) -> None:
    assert len(sample.impressions) == 40_013
    assert len(sample.videos) == 4_568
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 2_000_000
    assert {impression.video for impression in sample.impressions} == {video.video for video in sample.videos}
    assert "Attribution-ShareAlike 4.0" in (SAMPLE / "LICENSE").read_text("utf-8")
    assert "KuaiRand" in (SAMPLE / "README.md").read_text("utf-8")


def test_no_impression_twice_and_all_in_order(sample: Replay) -> None:
    assert len({row[:3] for row in sample.impressions}) == len(sample.impressions)
    times = [row.time_ms for row in sample.impressions]
    assert times == sorted(times)


def test_facts_first_then_events_that_end_at_the_end(written: list[Produced]) -> None:
    topics = [record.topic for record in written]
    assert set(topics[:4_568]) == {"videos"}
    assert "videos" not in topics[4_568:]
    assert written[-1].timestamp_ms == END_MS + DELAY_MS
    stamps = [record.timestamp_ms for record in written]
    assert stamps == sorted(stamps)


def test_what_happened_is_what_is_written(sample: Replay, written: list[Produced]) -> None:
    found = Counter(record.topic for record in written)
    rows = sample.impressions
    assert found["views"] == sum(row.play_ms > 0 for row in rows)
    assert found["likes"] == sum(row.liked for row in rows) > 0
    assert found["shares"] == sum(row.forwarded for row in rows) > 0
    assert found["feedback"] == sum(row.commented + row.followed + row.hated for row in rows) > 0


def test_values_are_events_of_their_key(written: list[Produced]) -> None:
    types = {"views": View, "likes": Like, "shares": Share, "feedback": Feedback}
    ids = set()
    for record in written[4_568:]:
        assert record.value is not None
        event = msgspec.json.decode(record.value, type=types[record.topic])
        assert event.user.encode() == record.key
        assert event.at_ms == record.timestamp_ms - DELAY_MS
        assert len(event.id) == 16
        ids.add(event.id)
    assert len(ids) == len(written) - 4_568


def test_the_run_id_decides_the_ids(sample: Replay) -> None:
    first, again, other = (
        [record.value for record in records(sample.impressions[:50], (), run_id=run, end_ms=END_MS)] for run in "aab"
    )
    assert first == again
    assert not set(first) & set(other)


def test_all_that_one_impression_says() -> None:
    all_marks = SEEN._replace(liked=True, forwarded=True, commented=True, followed=True, hated=True)
    made = list(events_of(all_marks, "run:0", 500))
    topics = [record.topic for record in made]
    assert topics == ["views", "likes", "shares", "feedback", "feedback", "feedback"]
    view = msgspec.json.decode(made[0].value or b"", type=View)
    assert (view.watch_ms, view.duration_ms, view.surface, view.at_ms) == (4_000, 12_000, "tab-1", 1_000_500)
    assert view.region == region_of(7)
    assert msgspec.json.decode(made[2].value or b"", type=Share).channel == "repost"
    kinds = [msgspec.json.decode(record.value or b"", type=Feedback).kind for record in made[3:]]
    assert kinds == ["comment", "follow", "not_interested"]


def test_not_played_is_no_view_and_a_length_of_zero_is_left_out() -> None:
    assert list(events_of(SEEN._replace(play_ms=0), "run:0", 0)) == []
    liked = list(events_of(SEEN._replace(play_ms=0, liked=True), "run:0", 0))
    assert [record.topic for record in liked] == ["likes"]
    view = next(events_of(SEEN._replace(duration_ms=0), "run:0", 0))
    assert msgspec.json.decode(view.value or b"", type=View).duration_ms is None


def test_facts_of_a_video() -> None:
    facts = facts_of(VIDEO, 1_000, END_MS)
    assert facts == VideoFacts(
        creator="creator-3", sound="sound-4", tags=("tag-39", "tag-8"), category="category-39", duration_ms=12_000,
        language="zh", published_ms=1_649_635_200_000 + 1_000,
    )  # fmt: skip
    bare = facts_of(VIDEO._replace(tags=(), duration_ms=0), 0, END_MS)
    assert (bare.tags, bare.category, bare.duration_ms) == ((), "unknown", PICTURES_MS)


def test_regions_are_spread() -> None:
    spread = Counter(region_of(user) for user in range(5_000))
    assert set(spread) == set(REGIONS)
    assert min(spread.values()) > 350


def test_nothing_to_replay_writes_nothing() -> None:
    assert list(records([], [VIDEO], run_id="run", end_ms=END_MS)) == []


def test_original_csv_and_doubles(tmp_path: Path) -> None:
    columns = (
        "user_id,video_id,date,time_ms,is_like,is_follow,is_comment,is_forward,is_hate,play_time_ms,duration_ms,tab"
    )
    rows = ["2,9,20220425,2000,0,0,0,0,1,5,9000,4", "1,9,20220425,1000,1,0,0,0,0,0,9000,1"]
    (tmp_path / "data").mkdir()
    log = tmp_path / "data" / "log_standard.csv"
    log.write_text("\n".join([columns, *rows, rows[0]]), "utf-8")
    (tmp_path / "data" / "video_features_basic_pure.csv").write_text(
        'video_id,author_id,upload_dt,video_duration,music_id,tag\n9,3,2022-04-11,12000.0,4.0,"39,8"\n', "utf-8"
    )
    found = read_impressions(tmp_path)
    assert [(row.user, row.time_ms, row.liked, row.hated) for row in found] == [
        (1, 1000, True, False),
        (2, 2000, False, True),
    ]
    assert read_impressions(log) == found
    assert read_videos(tmp_path) == read_videos(log) == [VIDEO]


def test_what_is_not_kuairand_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="no KuaiRand log here"):
        read_impressions(tmp_path)
    with pytest.raises(ReplayError, match="no such file or folder"):
        read_impressions(tmp_path / "none")
    log = tmp_path / "log_x.csv"
    log.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(ReplayError, match="not a KuaiRand log"):
        read_impressions(log)
    with pytest.raises(ReplayError, match="no video features"):
        read_videos(log)


def test_the_sample_takes_whole_users() -> None:
    rows = [SEEN._replace(user=user, time_ms=turn) for turn in range(5) for user in range(20)]
    chosen = choose(rows, 32)
    assert Counter(row.user for row in chosen).most_common(1)[0][1] == 5
    assert len(chosen) == 35
    assert [row.time_ms for row in chosen] == sorted(row.time_ms for row in chosen)


def test_the_sample_of_the_sample_is_the_sample(tmp_path: Path) -> None:
    assert make(SAMPLE, tmp_path) == (40_013, 4_568)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (SAMPLE / path.name).read_bytes()
