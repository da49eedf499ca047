"""The chaos harness: its schedule, its figures, and one minute of it."""

import json
import random
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.testing.chaos import __main__ as chaos
from streams.testing.chaos.cluster import PARTITIONS, idle
from streams.testing.chaos.damage import damage, save
from streams.testing.chaos.evidence import EVICTIONS, Evictions, Journal, counter_sum
from streams.testing.chaos.load import make_plan, records
from streams.testing.chaos.run import FIGURES, Outcome, Wanted
from streams.testing.chaos.schedule import DISKS, SESSION_S, Fault, Step, make_schedule, pick
from streams.testing.chaos.stalls import longest_stalls_s

KILLS = {Fault.KILL, Fault.SAVE, *DISKS}
BROKER = {Fault.BROKER_KILL, Fault.BROKER_FREEZE}
SEEDS = range(51)


def of(steps: tuple[Step, ...], *faults: Fault) -> list[Step]:
    return [step for step in steps if step.fault in faults]


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_come_at_least_every_10_s(seed: int) -> None:
    steps = make_schedule(seed, 600, 2)
    times = [step.at_s for step in of(steps, *KILLS)]
    assert times[0] < 10
    assert max(after - before for before, after in pairwise(times)) < 10
    assert times[-1] > 585


@pytest.mark.parametrize("seed", SEEDS)
def test_three_runs_of_600_s_have_what_is_asked_for(seed: int) -> None:
    steps = make_schedule(seed, 600, 2)
    assert len(of(steps, *KILLS)) >= 2 * 34
    assert len(of(steps, Fault.FREEZE)) >= 3 * 5
    assert len(of(steps, Fault.BROKER_KILL)) >= 4
    assert len(of(steps, *DISKS)) >= 5 * 3
    assert {step.fault for step in steps} == set(Fault)
    assert len(of(steps, Fault.BROKER_FREEZE)) >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_broker_is_frozen_in_three_minutes_and_wakes_before_the_end(seed: int) -> None:
    frozen = of(make_schedule(seed, 180, 2), Fault.BROKER_FREEZE)
    assert frozen
    assert all(step.at_s + step.lasts_s < 180 for step in frozen)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_minute_has_every_sort_of_fault_of_workers_and_a_broker_kill(seed: int) -> None:
    there = {step.fault for step in make_schedule(seed, 60, 2)}
    assert there >= {Fault.KILL, Fault.SAVE, Fault.FREEZE, Fault.TERM, Fault.REPLACE, Fault.JOIN, Fault.BROKER_KILL}
    assert there & set(DISKS)


@pytest.mark.parametrize("seed", SEEDS)
def test_zombies_outsleep_the_session_and_the_broker_has_its_rest(seed: int) -> None:
    steps = make_schedule(seed, 600, 2)
    assert all(step.lasts_s > SESSION_S for step in of(steps, Fault.FREEZE))
    broker = of(steps, *BROKER)
    assert all(after.at_s - before.at_s >= 60 for before, after in pairwise(broker))
    assert {step.lasts_s for step in broker if step.fault is Fault.BROKER_FREEZE} == {20.0}
    third = [step.fault for step in of(steps, Fault.JOIN, Fault.LEAVE)]
    assert third == [Fault.JOIN, Fault.LEAVE] * (len(third) // 2) + [Fault.JOIN] * (len(third) % 2)


def test_the_seed_decides() -> None:
    assert make_schedule(7, 180, 2) == make_schedule(7, 180, 2) != make_schedule(8, 180, 2)
    times = [step.at_s for step in make_schedule(7, 180, 2)]
    assert times == sorted(times)
    assert [pick(draw, 3) for draw in (0.0, 0.34, 0.67, 0.999)] == [0, 1, 2, 2]


def test_the_input_holds_what_producers_do_wrong() -> None:
    plan = make_plan(3, 30, 300, 1_760_000_000_000, PARTITIONS)
    written = list(records(plan))
    times = [record.timestamp_ms for record in written]
    assert times == sorted(times)
    views = [record.value for record in written if record.topic == "views" and record.value]
    assert len(views) - len(set(views)) > 0.03 * len(views)
    likes = [record.value for record in written if record.topic == "likes" and record.value]
    assert sum(b'"op":"unlike"' in like for like in likes) > 0.2 * len(likes)
    facts = [record for record in written if record.topic == "videos"]
    assert sum(record.value is None for record in facts) >= 5
    assert sum(b'"removed"' in (record.value or b"") for record in facts) >= 5
    assert min(times) >= plan.start_ms - 120_000
    assert max(times) <= plan.end_ms + 300_000


@pytest.mark.parametrize("fault", DISKS)
def test_damage_changes_the_copy(fault: Fault, tmp_path: Path) -> None:
    copies, kept = tmp_path / "worker-1", tmp_path / "old-worker-1"
    rng = random.Random(5)
    assert damage(rng, fault, copies, kept) == ""
    for number in range(4):
        unit = copies / f"unit-{number}.db"
        unit.mkdir(parents=True)
        for name in ("CURRENT", "MANIFEST-000005", "000004.log", "000007.sst"):
            (unit / name).write_bytes(bytes(1_000))
    save(copies, kept)
    (copies / "unit-0.db" / "000004.log").write_bytes(bytes(2_000))
    before = contents(copies)
    assert damage(rng, fault, copies, kept)
    assert contents(copies) != before
    assert len(contents(kept)) == 16


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_stalls_are_the_longest_gaps_between_commits() -> None:
    commits = {0: [1_000, 2_000, 9_000], 1: [1_500, 6_000, 99_000]}
    assert longest_stalls_s(commits, 1_000, 10_000) == (4.0, 7.0)
    assert longest_stalls_s({0: []}, 1_000, 10_000) == (9.0, 9.0)


def test_a_journal_tells_ownership_of_the_present_life_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "worker.log")
    assert journal.owned() == []
    entry = '{"event": "ready", "partitions": [1, 2], "level": "info"}\n'
    journal.path.write_text(entry + "Traceback\n[1]\n" + '{"event": "commit-failed", "level": "critical"}\n')
    assert journal.owned() == [1, 2]
    assert journal.exits() == {"commit-failed": 1}
    journal.started()
    assert journal.owned() == []
    with journal.path.open("a") as log:
        log.write('{"event": "ready", "partitions": [3], "level": "info"}\n{"event": "units-open", "new": 1}\n')
    assert journal.owned() == []
    assert journal.count()["ready"] == 2


def test_idle_workers_and_orphans_are_found() -> None:
    whole = list(range(PARTITIONS))
    assert idle({"a": whole[:4], "b": whole[4:]}) is None
    assert idle({"a": whole, "b": []}) is not None
    assert idle({"a": whole[1:]}) is not None
    assert idle({"a": whole, "b": [3]}) is not None


def test_evictions_are_summed_over_lives() -> None:
    text = f'{EVICTIONS}table="interests"}} 3.0\n{EVICTIONS}table="trends"}} 4.0\nstreams_sweeps_total 9.0\n'
    assert counter_sum(text, EVICTIONS) == 7
    evictions = Evictions()
    for life, count in ((1, 5.0), (1, 7.0), (2, 2.0), (1, 6.0)):
        evictions.saw("worker-1", life, count)
    assert evictions.total == 9


def test_a_failure_tells_the_seed_and_keeps_the_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(wanted: Wanted, folder: Path, say: object) -> Outcome:
        del wanted, say
        (folder / "audit.log").touch()
        return Outcome({"kill9": 3}, ["7 wrong rows"])

    monkeypatch.setattr(chaos, "run", failing)
    done = CliRunner().invoke(chaos.command, ["--seed", "42", "--seconds", "30"])
    assert done.exit_code == 1
    told = re.search(r"FAILED \(seed 42, evidence in (.+)\): 7 wrong rows", done.output)
    assert told is not None
    kept = Path(told[1])
    assert {path.name for path in kept.iterdir()} == {"audit.log", "clients.log"}
    shutil.rmtree(kept)
    result = json.loads(done.output.splitlines()[-1])
    assert result.keys() == {*FIGURES, "failures"}
    assert (result["kill9"], result["wrong_rows"]) == (3, None)


def test_a_minute_of_chaos_changes_no_number(project_root: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "streams.testing.chaos", "--seconds", "60", "--seed", "7", "--rate", "1000"]
    done = subprocess.run(
        [*argv, "--folder", str(tmp_path)], cwd=project_root, capture_output=True, text=True, timeout=400, check=False
    )
    told = f"{done.stdout}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, told
    result = json.loads(done.stdout.splitlines()[-1])
    assert result.keys() >= set(FIGURES)
    assert result["wrong_rows"] == 0
    assert result["rows_checked"] > 5_000, told
    assert result["events"] > 20_000, told
    assert min(result[name] for name in ("kill9", "disks", "broker_kills", "evictions", "repeats_dropped")) > 0, told
    assert result["zombies"] + result["sigterm"] + result["replaced"] > 0, told
