"""The formulas of capacity: what grows with what, and that constants come back out of runs made by them."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bench.__main__ import main
from bench.capacity import constants
from bench.capacity_fit import compare, fit, met
from bench.capacity_model import Constants, Load, cpu_s, memory_mb, need, written_partitions
from bench.report import Part, WholeJob

LOAD = Load(events_per_s=50_000, users=1_000_000, videos=500_000, partitions=64)


def job(*, partitions: int, users: int, videos: int, transactions: int, known: Constants | None = None) -> WholeJob:
    """A run that took exactly what the formulas say."""
    known, part = known or constants(), Part(1, 1, 1, 1.0, 1.0)
    bare = WholeJob(
        events=400_000, events_per_s=1, events_per_cpu_s=1, cpu_s=1.0, wall_s=1.0, partitions=partitions, facts=videos,
        users=users, videos=videos, rss_mb=1.0, bytes_per_event={}, transactions=transactions,
        dead_letters=0, commit_mean_s=0.1, startup_cpu_s=1.0, broker_cpu_s=1.0, after_first_commit=part,
    )  # fmt: skip
    return msgspec.structs.replace(
        bare,
        cpu_s=cpu_s(known, "worker", bare.events, partitions, transactions, videos),
        broker_cpu_s=cpu_s(known, "broker", bare.events, partitions, transactions, videos),
        rss_mb=memory_mb(known, *met(bare)),
        bytes_per_event={
            topic: known.bytes_per_event[topic] + known.bytes_per_fact.get(topic, 0.0) * videos / bare.events
            for topic in known.bytes_per_event
        },
    )


def runs(known: Constants) -> tuple[WholeJob, ...]:
    """Runs that tell all constants apart."""
    return (
        job(partitions=8, users=100_000, videos=50_000, transactions=80, known=known),
        job(partitions=64, users=100_000, videos=50_000, transactions=640, known=known),
        job(partitions=8, users=1_000_000, videos=50_000, transactions=90, known=known),
        job(partitions=8, users=100_000, videos=500_000, transactions=100, known=known),
    )


RUNS = runs(constants())


def test_constants_come_back_from_runs() -> None:
    known = msgspec.structs.replace(
        constants(), us_per_fact={"worker": 12.0, "broker": 2.0}, bytes_per_event={"trends": 90.0, "pairs": 7.0},
        bytes_per_fact={"trends": 20.0, "pairs": 0.0},
    )  # fmt: skip
    made = runs(known)
    found = fit(made, constants())
    assert found.ns_per_event == pytest.approx(known.ns_per_event, rel=0.01)
    assert found.us_per_fact == pytest.approx(known.us_per_fact, rel=0.01)
    assert found.bytes_per_event == pytest.approx(known.bytes_per_event, rel=0.01)
    assert found.bytes_per_fact == pytest.approx(known.bytes_per_fact, rel=0.01, abs=0.01)
    assert found.us_per_written_partition == pytest.approx(known.us_per_written_partition, rel=0.01)
    assert found.worker_mb == pytest.approx(known.worker_mb, rel=0.01)
    assert found.worker_bytes_per_user == pytest.approx(known.worker_bytes_per_user, rel=0.01)
    assert found.worker_bytes_per_video == pytest.approx(known.worker_bytes_per_video, rel=0.01)
    assert all(one.off == pytest.approx(0, abs=0.001) for one in compare(found, made[1]))


def test_runs_that_do_not_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="not enough runs"):
        fit([RUNS[0], RUNS[0], RUNS[0]], constants())


def test_the_run_with_the_most_facts_cannot_come_first() -> None:
    with pytest.raises(ValueError, match="most facts"):
        fit(RUNS[::-1], constants())


def test_each_commit_writes_to_as_many_destinations_as_it_reaches() -> None:
    assert written_partitions(8, 1e6) == pytest.approx(8 + 16)
    assert written_partitions(256, 1) == pytest.approx(8 + 2)
    assert written_partitions(256, 1e6) == pytest.approx(8 + 512)


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


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.2, 0), (1.5, 1), (0.6, 1)])
def test_check_says_whether_a_run_fits(tmp_path: Path, factor: float, code: int) -> None:
    run = msgspec.structs.replace(RUNS[0], cpu_s=RUNS[0].cpu_s * factor)
    file = tmp_path / "job.json"
    file.write_bytes(msgspec.json.encode({"whole_job": run}))
    assert CliRunner().invoke(main, ["capacity", "--check", str(file)]).exit_code == code


def test_every_constant_names_its_command() -> None:
    known = constants()
    named = {name.strip() for names in known.measured_by for name in names.split(",")}
    assert named == set(msgspec.structs.asdict(known)) - {"measured_by"}
