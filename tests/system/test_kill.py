"""kill -9 at random moments under load, with fewer rows in memory than are in use: the recount finds nothing wrong."""

import random
import time
from pathlib import Path

from tests.system.pipeline import Pipeline

KILLS = 10
EVENTS = 40_000


def test_ten_kills_change_no_number(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    pipeline = Pipeline(bootstrap, topic_prefix, tmp_path, STREAMS_ROW_BUDGET="500", STREAMS_FLUSH_MS="100")
    pipeline.run("topics", "apply")
    rng = random.Random(11)
    arguments = ("--events", str(EVENTS), "--rate", "800", "--repeats", "0.05", "--garbage", "0.01")
    producer = pipeline.background("simulate", *arguments)
    try:
        for number in range(KILLS):
            worker = pipeline.start()
            pipeline.await_log("ready", number + 1)
            time.sleep(rng.uniform(0.1, 3))
            worker.kill()
            worker.wait()
        pipeline.start()
        assert producer.wait(120) == 0
        found = pipeline.audit()
        evicted = sum(line["evicted"] for line in pipeline.logged("swept"))
    finally:
        pipeline.stop()
    assert found["wrong_rows"] == 0
    assert found["events"] > EVENTS
    assert found["dead_letters"] > 0
    assert evicted > 0
