"""`streams rebuild`: refused while workers live, says what it would do, and the tables come back right."""

from pathlib import Path

import pytest

from tests.system.pipeline import Pipeline


@pytest.fixture
def pipeline(bootstrap: str, topic_prefix: str, tmp_path: Path) -> Pipeline:
    return Pipeline(bootstrap, topic_prefix, tmp_path)


def test_tables_come_back_right(pipeline: Pipeline) -> None:
    pipeline.run("topics", "apply")
    pipeline.run("simulate", "--events", "3000", "--garbage", "0.01")
    try:
        worker = pipeline.start()
        before = pipeline.audit()
        assert "Nothing was changed" in pipeline.run("rebuild")
        pipeline.run("rebuild", "--yes", expect=78)  # a worker is alive
        worker.terminate()
        assert worker.wait(20) == 0
        assert "Done" in pipeline.run("rebuild", "--yes")
        pipeline.start()
        after = pipeline.audit()
    finally:
        pipeline.stop()
    assert (before["wrong_rows"], after["wrong_rows"]) == (0, 0)
    assert {name: after[name] for name in ("events", "dead_letters")} == {
        "events": before["events"],
        "dead_letters": 30,
    }
