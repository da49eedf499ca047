"""The pure parts of `streams run`: progress, caught up, view, lock, verdict, pace."""

import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from streams.core.published import Commit
from streams.ops.supervisor import ChildSpec, Supervisor
from streams.settings import Settings
from streams.tools.produce import Pace
from streams.tools.replay.cli import Replay
from streams.tools.run import children
from streams.tools.run.caught_up import CaughtUp, Hop
from streams.tools.run.display import Lines
from streams.tools.run.inputs import REPLAY_TAKES_S, replayed, simulated
from streams.tools.run.lock import FolderInUseError, folder_lock
from streams.tools.run.progress import INPUTS, Ends, Folding, decode_commit
from streams.tools.run.session import Outcome
from streams.tools.run.verdict import exit_code, last_object, verdict
from streams.tools.run.view import Snapshot, line, panels

SHOT = Snapshot(
    phase="folding", elapsed_s=12.4, written=120_000, written_rate=4_000.0, folded=100_000, folded_rate=3_500.0,
    lag=20_000, dead_letters=3, tags=[("slow-kittens", 90.0), ("loud-trains", 30.0)], videos=[("video-000001", 12.0)],
    user="user-000007", topics=17, interests=[("tag slow-kittens", 1.5), ("sound #1", -0.5)],
    urls=(("trends", "http://127.0.0.1:8080/v1/trending/tag"),),
)  # fmt: skip


def commit(partition: int, positions: dict[str, int], behind: dict[str, int] | None = None) -> Commit:
    return Commit(
        partition=partition, flush=1, positions=positions, tables={}, folded={}, watermark_ms=0, behind=behind or {}
    )  # fmt: skip


def test_commits_are_read_as_written() -> None:
    one = commit(3, {"views": 5})
    assert decode_commit(msgspec.json.encode(one)) == one


def test_events_folded_are_those_of_this_run() -> None:
    folding = Folding()
    folding.start_at({0: 100})
    folding.take(commit(0, {"views": 120, "likes": 5, "videos": 1_000}), 1_000)
    folding.take(commit(1, {"views": 10, "accounts": 7}), 1_500)
    assert folding.events == 35
    folding.take(commit(1, {"views": 30, "shares": 2, "feedback": 1, "accounts": 7}), 2_000)
    assert folding.events == 58


def test_the_steady_rate_leaves_the_start_and_idle_ends_out() -> None:
    folding = Folding()
    folding.take(commit(0, {"videos": 10}), 9_500)
    assert folding.steady_rate() == 0.0
    folding.take(commit(0, {"views": 1_000}), 10_000)
    assert folding.steady_rate() == 2_000.0
    folding.take(commit(0, {"views": 3_000}), 11_000)
    folding.take(commit(0, {"views": 5_000}), 12_000)
    folding.take(commit(0, {"views": 5_000}), 90_000)
    assert folding.steady_rate() == 2_000.0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    folding = Folding()
    for second in range(30):
        folding.take(commit(0, {"views": second * second}), second * 1_000)
    assert folding.rate(29_000) == pytest.approx((29**2 - 19**2) / 10)
    assert folding.rate(60_000) == 0.0


def test_what_is_missing_and_behind() -> None:
    folding = Folding()
    folding.take(commit(0, {"views": 7}, {"views": 3, "likes": 1}), 0)
    ends: Ends = {("views", 0): 10, ("likes", 0): 1, ("views", 1): 4}
    assert folding.missing(ends) == 8
    assert folding.behind() == 4
    assert folding.missing({("views", 0): 7}) == 0
    assert folding.missing({("views", 0): 5}) == 0


class Scripted:
    """Topics whose hop is folded when told so; remembers what was asked."""

    def __init__(self) -> None:
        self.folded: set[str] = set()
        self.asked: list[str] = []

    async def ends(self, *topics: str) -> Ends:
        self.asked.append(topics[0])
        return {(topic, 0): 1 for topic in topics}

    async def folded_to(self, ends: Ends) -> bool:
        return {topic for topic, _ in ends} <= self.folded


async def test_caught_up_goes_through_the_hops_in_order() -> None:
    topics, caught_up = Scripted(), CaughtUp()
    topics.folded = {"trend-tallies", "video-tallies"}
    assert not await caught_up.check(topics)
    assert not await caught_up.check(topics)
    assert topics.asked == ["views"]
    topics.folded = {*INPUTS, "trend-tallies"}
    assert not await caught_up.check(topics)
    assert caught_up.hop is Hop.VIDEO
    topics.folded = {"video-tallies", "trend-tallies"}
    assert await caught_up.check(topics)
    assert topics.asked == ["views", "video-tallies", "trend-tallies"]


def test_the_line_says_it_all() -> None:
    assert line(SHOT) == (
        "    12 s folding: in 120,000 (4,000/s), folded 100,000 (3,500/s), lag 20,000, dead letters 3 "
        "top tags slow-kittens, loud-trains"
    )


def test_the_panels_show_figures_charts_a_user_and_urls() -> None:
    console = Console(file=io.StringIO(), width=140, force_terminal=False)
    console.print(panels(SHOT))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    figures = ("folding", "100,000", "3,500/s", "20,000", "dead letters")
    charts = ("slow-kittens", "video-000001", "interests of user-000007 (17)", "sound #1")
    for text in (*figures, *charts, "http://127.0.0.1:8080/v1/trending/tag", "Ctrl-C"):
        assert text in shown


def test_the_panels_before_anything_is_there() -> None:
    console = Console(file=io.StringIO(), width=140)
    console.print(panels(Snapshot("starting", 0.0, 0, 0.0, 0, 0.0, 0, 0)))
    assert "nothing yet" in console.file.getvalue()  # type: ignore[attr-defined]


def test_lines_come_every_two_seconds_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        for folded in (1, 2, 3):
            lines.show(shot_of(folded))
        assert capsys.readouterr().out.count("\n") == 1
    assert "folded 3 " in capsys.readouterr().out


def shot_of(folded: int) -> Snapshot:
    return Snapshot("folding", 0.0, 0, 0.0, folded, 0.0, 0, 0)


def test_one_run_at_a_time_in_a_folder(tmp_path: Path) -> None:
    held = f"""
import sys
from pathlib import Path
from streams.tools.run.lock import folder_lock
with folder_lock(Path({str(tmp_path)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin
    assert other.stdout
    try:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(FolderInUseError, match=rf"in use by another run \(process {other.pid}\)"),
            folder_lock(tmp_path),
        ):
            pass
    finally:
        other.kill()
        other.wait()
        other.stdin.close()
        other.stdout.close()
    with folder_lock(tmp_path):
        pass


def test_the_verdict_is_the_audits_and_the_runs() -> None:
    found = last_object(
        'checking ...\n{"rows_checked": 10, "wrong_rows": 0, "rows_excused": {"evicted": 1}, "events": 210}\n\n'
    )
    made = verdict(Outcome(True, None, 200, 3, 4.04, 50.4), found)
    assert made == {
        "events": 210, "rows_checked": 10, "wrong_rows": 0, "rows_excused": {"evicted": 1}, "dead_letters": 3,
        "seconds": 4.0, "events_per_s": 50,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "found", "expected"),
    [(0, {"wrong_rows": 0}, 0), (1, {"wrong_rows": 4}, 1), (2, {}, 2), (0, {}, 1), (0, {"wrong_rows": 1}, 1)],
)
def test_only_a_clean_audit_is_success(code: int, found: dict[str, int], expected: int) -> None:
    assert exit_code(code, found) == expected


def test_no_object_printed_is_none_found() -> None:
    assert last_object("oh no\n") == {}


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_pace_by_time() -> None:
    clock = Clock()
    pace = Pace(speed=10.0, clock=clock)
    clock.now_s += 5
    assert pace.wait_s(0, 1_000_000) == 0.0
    assert pace.wait_s(1, 1_020_000) == pytest.approx(2.0)
    clock.now_s += 3
    assert pace.wait_s(1, 1_020_000) < 0


def test_pace_by_rate_and_none() -> None:
    clock = Clock()
    pace = Pace(rate=50.0, clock=clock)
    assert pace.wait_s(100, 0) == pytest.approx(2.0)
    assert not Pace(clock=clock).limited
    assert Pace(clock=clock).wait_s(10**9, 10**12) == 0.0


def test_inputs_know_their_speed_and_users() -> None:
    replay = Replay.load(limit=500)
    assert replayed(replay, None).speed == pytest.approx(replay.span_s / REPLAY_TAKES_S)
    assert replayed(replay, 0.0).speed == 0.0
    assert replayed(replay, None).users[0] in {f"user-{row.user}" for row in replay.impressions}
    given = simulated(1_000, 1, 4, None)
    events = [record for record in given.records("a") if record.topic not in {"videos", "accounts"}]
    assert len(events) >= 1_000
    assert {record.key for record in events} & {user.encode() for user in given.users}


async def test_a_child_that_gives_up_is_a_failure(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        assert children.failure(supervisor) is None
        argv = [sys.executable, "-c", "import sys; print('bad setting'); sys.exit(78)"]
        child = await supervisor.start(ChildSpec(name="worker", argv=argv, log=tmp_path / "worker.log"))
        await child.wait()
        assert "the worker ended: bad setting" in (children.failure(supervisor) or "")
        assert children.restarts(supervisor) == 0


def test_children_share_cluster_mode_and_folder(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, time_mode="history")
    env = children.environment(settings, "127.0.0.1:9", 4321)
    assert env["STREAMS_BROKER_URL"] == "127.0.0.1:9"
    assert env["STREAMS_TIME_MODE"] == "history"
    assert env["STREAMS_STATE_DIR"] == str(tmp_path)
    assert env["STREAMS_HTTP_PORT"] == "4321"
    worker, serve = children.specs(env, tmp_path)
    assert (worker.argv[-1], serve.argv[-1]) == ("worker", "serve")
    assert worker.stop_s + serve.stop_s + children.BROKER_STOP_S < 10
