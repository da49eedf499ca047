"""A tiny run of the bench: the JSON has all its parts, and the figures fit together. No timing is asserted."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import json

from bench.__main__ import main
from bench.growth_page import as_markdown
from bench.growth_point import Point
from bench.profiler import costliest
from bench.report import Result
from bench.usage import LogSizes, Sample, Usage
from streams.topics import NAMES

EVENTS = 3_000


def test_last_line_is_the_whole_result(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--events", str(EVENTS), "--partitions", "2", "--keep", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    result = json.decode(ran.stdout.splitlines()[-1], type=Result)
    job = result.whole_job
    assert (job.events, job.partitions, job.workers, job.dead_letters) == (EVENTS, 2, 1, 0)
    assert job.transactions >= 2
    assert {"interests", "videos-table", "trends", "commits", "video-tallies"} <= job.bytes_per_event.keys()
    assert not {"views", "likes", "shares", "videos"} & job.bytes_per_event.keys()
    assert job.events_per_cpu_s == pytest.approx(EVENTS / job.cpu_s, rel=0.1)
    assert set(job.bytes_per_event) - {"__consumer_offsets", "__transaction_state"} <= set(NAMES)
    steps = dict(result.ns_per_event)
    assert steps.pop("whole_job") == pytest.approx(sum(steps.values()), abs=1)
    assert min(ns for step, ns in steps.items() if step not in {"engine_and_rest", "other_views"}) > 0
    assert result.ns_per_event_warm.keys() < steps.keys()
    assert job.commit_mean_s > 0
    assert job.machine is not None
    assert min(job.machine.reference_ns, job.machine.idle_ns) > 0
    assert job.even_commits.keys() == {"interests", "videos-table", "trends"}
    assert all(1 <= even <= job.transactions for even in job.even_commits.values())
    assert (tmp_path / "worker.log").is_file()
    again = CliRunner().invoke(main, ["--keep", str(tmp_path)])
    assert again.exit_code == 1
    assert "empty folder" in again.stderr.replace("\n", " ")


def test_sizes_survive_compaction(tmp_path: Path) -> None:
    sizes, segment = LogSizes(tmp_path), tmp_path / "user-rows-3" / "0.log"
    segment.parent.mkdir()
    segment.write_bytes(b"x" * 100)
    sizes.look()
    segment.write_bytes(b"x" * 10)
    (segment.parent / "1.log").write_bytes(b"x" * 5)
    sizes.look()
    assert sizes.by_topic() == {"user-rows": 105}


def test_cpu_between_samples() -> None:
    usage = Usage(1)
    usage.samples = [Sample(10.0, 1.0, 5), Sample(12.0, 3.0, 7_000_000)]
    assert [usage.cpu_at(at) for at in (9.0, 10.5, 12.0, 13.0)] == [1.0, 1.5, 3.0, 3.0]
    assert usage.peak_mb == 7


def test_costliest_by_own_and_whole_time() -> None:
    stacks = (
        "main (app.py:1);fold (streams/core/a.py:3);sort (numpy.py:9) 30",
        "main (app.py:2);fold (streams/core/a.py:5) 10",
        "main (app.py:2);EpollSelector.select (selectors.py:5) 50",
    )
    lines = [line.strip() for line in costliest("\n".join(stacks))]
    assert lines[0] == "own time, of 40 samples"
    assert "75.0 %  sort (numpy.py)" in lines
    assert "100.0 %  fold (streams/core/a.py)" in lines


def test_each_series_has_a_table_and_a_chart() -> None:
    def point(series: str, value: float, speed: float) -> Point:
        return Point(series, value, 1, 1, 1, 0.0, 8, 1, speed, speed / 2, 512.0, 40, 0.25)

    page = as_markdown([point("users", 10_000, 61_000), point("users", 5_000_000, 50_000), point("workers", 2, 7.0)])
    assert page.count("```mermaid") == 2
    assert "| 5M | 50,000 | 25,000 | 512 | 40 | 0.250 s |" in page
    assert "x-axis [10k, 5M]" in page
    assert '"events per CPU-second" 0 --> 80000' in page
    assert "bar [61000, 50000]" in page
