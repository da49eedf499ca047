"""The formulas of capacity: what grows with what, and that constants come back out of runs made by them."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bench import capacity
from bench.__main__ import main
from bench.capacity import constants
from bench.capacity_fit import compare, fit, flow_of, left_out
from bench.capacity_model import Constants, Load, bytes_written, cpu_s, memory_mb, need, worker_mb
from bench.report import Part, WholeJob
from bench.speed import Machine

LOAD = Load(events_per_s=50_000, users=1_000_000, videos=500_000, partitions=64)
USUAL = constants().reference_ns


def job(
    *, events: int = 600_000, partitions: int = 8, users: int = 100_000, videos: int = 50_000, hot_share: float = 0.0,
    workers: int = 1, even: float = 3.0, transactions: int = 120, slower: float = 1.0, known: Constants | None = None,
) -> WholeJob:  # fmt: skip
    """A run that took exactly what the formulas say."""
    known, part = known or constants(), Part(1, 1, 1, 1.0, events / 40_000)
    bare = WholeJob(
        events=events, events_per_s=1, events_per_cpu_s=1, cpu_s=1.0, wall_s=1.0, partitions=partitions, facts=videos,
        users=users, videos=videos, hot_share=hot_share, workers=workers, rss_mb=1.0, bytes_per_event={},
        transactions=transactions, dead_letters=0, commit_mean_s=0.1, startup_cpu_s=1.0, broker_cpu_s=1.0,
        after_first_commit=part, even_commits={"interests": even, "videos-table": even * 0.9, "trends": even * 1.2},
        machine=Machine(known.reference_ns * slower, known.idle_ns * slower),
    )  # fmt: skip
    flow = flow_of(bare)
    return msgspec.structs.replace(
        bare,
        cpu_s=cpu_s(known, "worker", flow) * slower,
        broker_cpu_s=cpu_s(known, "broker", flow) * slower,
        rss_mb=memory_mb(known, flow),
        bytes_per_event={topic: size / events for topic, size in bytes_written(known, flow).items()},
    )


def runs(known: Constants, slower: float = 1.0) -> dict[str, WholeJob]:
    """Runs that tell all constants apart."""
    return {
        "usual": job(known=known, slower=slower),
        "long": job(events=2_000_000, even=8, transactions=200, known=known),
        "few users": job(users=10_000, even=2.5, transactions=100, known=known),
        "many users": job(users=1_000_000, even=3.5, transactions=140, known=known),
        "few videos": job(videos=10_000, even=2.0, transactions=90, known=known),
        "many videos": job(videos=1_000_000, even=4.0, transactions=240, known=known),
        "hot": job(hot_share=0.5, even=2.4, transactions=90, known=known),
        "partitions": job(partitions=64, even=2.6, transactions=1_260, known=known),
        "workers": job(workers=2, even=4.2, transactions=190, known=known),
    }


def everywhere(known: Constants) -> Constants:
    """With a cost for everything, so that each has to come back."""
    return msgspec.structs.replace(
        known,
        cpu={
            "worker": {"start": 1e6, "event": 4.0, "row": 5.0, "fact": 30.0, "written_partition": 150.0},
            "broker": {"start": 6e6, "event": 3.0, "row": 2.0, "fact": 5.0, "written_partition": 250.0},
        },
        bytes_per={
            topic: {what: size if what == "pane" else 40.0 + len(what) for what, size in of.items()}
            for topic, of in known.bytes_per.items()
        },
    )  # fmt: skip


RUNS = runs(constants())


def write(path: Path, run: WholeJob) -> Path:
    path.write_bytes(msgspec.json.encode({"whole_job": run}))
    return path


@pytest.mark.parametrize("slower", [1.0, 2.0])
def test_constants_come_back_from_runs(slower: float) -> None:
    known = everywhere(constants())
    made = runs(known, slower)
    found = fit(list(made.values()), constants())
    at_its_speed = found.reference_ns / known.reference_ns
    for role, costs in known.cpu.items():
        wanted = {what: cost * at_its_speed for what, cost in costs.items()}
        assert found.cpu[role] == pytest.approx(wanted, rel=0.01)
    for topic, sizes in known.bytes_per.items():
        assert found.bytes_per[topic] == pytest.approx(sizes, rel=0.01)
    for name in ("worker_mb", *(f"worker_bytes_per_{what}" for what in ("user", "fact", "counter_row", "cell"))):
        assert getattr(found, name) == pytest.approx(getattr(known, name), rel=0.01)
    assert all(one.off == pytest.approx(0, abs=0.002) for run in made.values() for one in compare(found, run))


def test_each_run_is_foretold_by_the_others() -> None:
    found = left_out(RUNS, constants())
    # Without the long run nothing tells what a start costs.
    assert found.keys() == RUNS.keys() - {"long"}
    assert all(abs(one.off) < 0.01 for compared in found.values() for one in compared)


def test_a_machine_half_as_fast_is_no_deviation() -> None:
    slow = job(slower=2.0)
    assert slow.cpu_s == pytest.approx(2 * RUNS["usual"].cpu_s)
    assert all(abs(one.off) < 0.001 for one in compare(constants(), slow))
    blamed = msgspec.structs.replace(slow, machine=RUNS["usual"].machine)
    assert {one.figure for one in compare(constants(), blamed) if one.off < -0.4} == {"worker_cpu_s", "broker_cpu_s"}


def test_runs_that_do_not_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="not enough runs that differ, for the worker's CPU"):
        fit([RUNS["usual"]] * 9, constants())


def test_fewer_different_rows_are_fewer_bytes() -> None:
    usual = sum(RUNS["usual"].bytes_per_event.values())
    for name in ("few users", "few videos", "hot"):
        assert sum(RUNS[name].bytes_per_event.values()) < 0.9 * usual


def test_more_event_time_needs_more_memory_than_its_users() -> None:
    # All 100,000 users are met early; what grows is rows of counters and their minutes.
    assert RUNS["long"].rss_mb > 1.3 * RUNS["usual"].rss_mb


def test_markers_grow_with_the_square_of_the_partitions() -> None:
    few, many = (need(constants(), msgspec.structs.replace(LOAD, partitions=p, events_per_s=1e6)) for p in (64, 256))
    assert 12 < many.written_partitions_per_s / few.written_partitions_per_s < 16
    assert any("partitions are written" in line for line in many.limits)


def test_more_of_everything_needs_more() -> None:
    small, large = need(constants(), LOAD), need(constants(), msgspec.structs.replace(LOAD, users=100_000_000))
    assert large.table_gb > small.table_gb
    assert large.reader_mb > small.reader_mb
    assert large.restore_partition_s > small.restore_partition_s
    assert need(constants(), msgspec.structs.replace(LOAD, events_per_s=5e5)).disk_gb > small.disk_gb
    assert need(constants(), msgspec.structs.replace(LOAD, hot_share=0.5)).worker_cores < small.worker_cores


def test_a_slower_machine_needs_more_cores_and_the_same_disk() -> None:
    usual, slow = need(constants(), LOAD), need(constants(), LOAD, 2.0)
    assert slow.worker_cores == pytest.approx(2 * usual.worker_cores)
    assert slow.broker_cores == pytest.approx(2 * usual.broker_cores)
    assert slow.restore_worker_s > usual.restore_partition_s
    assert slow.disk_gb == usual.disk_gb


def test_rows_in_memory_are_bounded_by_the_budget() -> None:
    small = msgspec.structs.replace(LOAD, row_budget=500_000)
    # The rest is the process and the facts of all videos.
    bare = constants().worker_mb + LOAD.videos * constants().worker_bytes_per_fact / 1e6
    rows = [worker_mb(constants(), load, 2) - bare for load in (small, LOAD)]
    assert rows[1] == pytest.approx(4 * rows[0], rel=0.01)


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.2, 0), (1.5, 1), (0.6, 1)])
def test_check_says_whether_a_run_fits(tmp_path: Path, factor: float, code: int) -> None:
    run = msgspec.structs.replace(RUNS["usual"], cpu_s=RUNS["usual"].cpu_s * factor)
    assert CliRunner().invoke(main, ["capacity", "--check", str(write(tmp_path / "job.json", run))]).exit_code == code


def test_many_runs_are_checked_at_once(tmp_path: Path) -> None:
    off = msgspec.structs.replace(RUNS["hot"], rss_mb=RUNS["hot"].rss_mb * 2)
    files = [write(tmp_path / "a.json", RUNS["usual"]), write(tmp_path / "b.json", off)]
    ran = CliRunner().invoke(main, ["capacity", "--check", *map(str, files)])
    found = json.loads(ran.stdout.splitlines()[-1])
    assert ran.exit_code == 1
    assert (found["within"], found["of"], found["tolerance"]) == (7, 8, 0.3)
    assert [one["figure"] for one in found["runs"][str(files[1])] if abs(one["off"]) > 0.3] == ["rss_mb"]
    assert "7 of 8 within 30%" in ran.stderr


def test_what_was_fitted_can_be_put_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "constants.json"
    mine.write_bytes(capacity.CONSTANTS.read_bytes())
    monkeypatch.setattr(capacity, "CONSTANTS", mine)
    files = [write(tmp_path / f"{name.replace(' ', '-')}.json", run) for name, run in RUNS.items()]
    ran = CliRunner().invoke(main, ["capacity", "--fit", "--save", *map(str, files)])
    assert ran.exit_code == 0, ran.output
    assert "36 of 36 within 30%" in ran.stderr
    assert constants(mine) == msgspec.json.decode(ran.stdout, type=Constants)
    assert constants(mine).worker_mb == pytest.approx(constants().worker_mb, rel=0.01)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"machine": None}, "no whole_job.machine (made by an earlier version): run"),
        ({"even_commits": {"trends": 2.0}}, "no whole_job.even_commits of interests, videos-table (made"),
        ({"row_budget": 9}, "whole_job.row_budget is 9: the formulas are of rows that stay in memory; take a run"),
    ],
)
def test_runs_that_the_formulas_are_not_of_are_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    file = write(tmp_path / "old.json", msgspec.structs.replace(RUNS["usual"], **change))
    ran = CliRunner().invoke(main, ["capacity", "--check", str(file)])
    assert ran.exit_code == 2
    assert f"old.json: {says}" in " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--check"], "without RESULTS"), (["--check", "--fit", "job.json"], "one of them"),
        (["job.json"], "--check"), (["--check", "empty.json"], "not a result"), (["--save"], "--fit"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_a_remedy(tmp_path: Path, arguments: list[str], says: str) -> None:
    write(tmp_path / "job.json", RUNS["usual"])
    (tmp_path / "empty.json").write_text("")
    ran = CliRunner().invoke(main, ["capacity", *(str(tmp_path / a) if "." in a else a for a in arguments)])
    assert ran.exit_code == 2
    assert says in ran.output


def test_planning_says_for_which_machine() -> None:
    twice = str(2 * constants().idle_ns)
    usual, slow = (
        CliRunner().invoke(main, ["capacity", "--reference-ns", ns]) for ns in (str(constants().idle_ns), twice)
    )
    cores = [json.loads(ran.stdout.splitlines()[-1])["worker_cores"] for ran in (usual, slow)]
    assert cores[1] == pytest.approx(2 * cores[0])
    assert "2.00 times that of the constants" in " ".join(slow.stderr.split())


def test_every_constant_names_its_command() -> None:
    known = constants()
    named = {name.strip() for names in known.measured_by for name in names.split(",")}
    assert named == set(msgspec.structs.asdict(known)) - {"measured_by"}
