"""A measurement of growth that was broken off goes on where it was."""

from pathlib import Path

import click
import msgspec
import pytest
from rich.console import Console

from bench import growth
from bench.growth import plans
from bench.growth_kept import kept_job
from bench.report import ConsumeLimit, Part, Result, WholeJob
from bench.run import Plan
from bench.speed import Machine
from streams.tools.simulate.job import Shape

PLAN = Plan(600, 8, Path("run"), Path("cache"), shape=Shape(users=10))


def result(**changes: object) -> Result:
    job = WholeJob(
        events=600, events_per_s=1, events_per_cpu_s=1, cpu_s=1.0, wall_s=1.0, partitions=8, facts=50_000, users=10,
        rss_mb=1.0, bytes_per_event={}, transactions=3, dead_letters=0, commit_mean_s=0.1, startup_cpu_s=1.0,
        broker_cpu_s=1.0, after_first_commit=Part(1, 1, 1, 1.0, 1.0), machine=Machine(1.0, 1.0),
        even_commits={"interests": 1.0, "videos-table": 1.0, "trends": 1.0},
    )  # fmt: skip
    return Result(msgspec.structs.replace(job, **changes), {}, {}, ConsumeLimit(0, 0, 0, 0))


def keep(path: Path, **changes: object) -> Path:
    path.write_bytes(msgspec.json.encode(result(**changes)))
    return path


def test_a_run_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Plan] = []

    def run(plan: Plan, _: Console) -> Result:
        made.append(plan)
        plan.folder.mkdir()
        return result()

    monkeypatch.setattr(growth, "run", run)
    plan, kept = PLAN._replace(folder=tmp_path / "run"), tmp_path / "users-10.json"
    jobs = [growth.run_once(plan, kept, Console()) for _ in range(2)]
    assert made == [plan]
    assert jobs == [result().whole_job] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["users-10.json"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"events": 700}, "events is 700, not 600"), ({"hot_share": 0.5}, "hot_share"), ({"machine": None}, "machine")],
)
def test_what_another_measurement_left_is_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(click.UsageError, match=says) as raised:
        kept_job(PLAN, keep(tmp_path / "users-10.json", **changes))
    assert "another folder" in str(raised.value)


def test_one_thing_is_changed_at_a_time() -> None:
    usual = Plan(600_000, 8, Path("run"), Path("cache"), steps=False)
    for _, _, plan in plans(600_000, Path("run"), Path("cache")):
        changed = [name for name in Plan._fields if getattr(plan, name) != getattr(usual, name)]
        assert len(changed) <= 1
