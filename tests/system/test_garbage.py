"""Bad input of every sort: set aside with its reason, and a topic that turned bad stops the worker, losing nothing."""

import asyncio
import collections
from pathlib import Path

import numpy as np

from streams.tools.produce import Produced, Writer
from streams.tools.simulate.garbage import garbage
from tests.system.pipeline import Pipeline

BAD = 800


def write(pipeline: Pipeline, records: list[Produced]) -> None:
    async def deliver() -> None:
        environ = pipeline.environ
        bootstrap, prefix = environ["STREAMS_BROKER_URL"], environ["STREAMS_TOPIC_PREFIX"]
        async with Writer(bootstrap, partitions=8, prefix=prefix) as writer:
            await writer.write(records)

    asyncio.run(deliver())


def test_spread_garbage_is_set_aside_and_a_bunch_stops_the_worker(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    pipeline = Pipeline(bootstrap, topic_prefix, tmp_path, STREAMS_BAD_WINDOW="40", STREAMS_BAD_LIMIT="35")
    pipeline.run("topics", "apply")
    pipeline.run("simulate", "--events", "10000", "--garbage", str(BAD / 10000))
    try:
        worker = pipeline.start()
        pipeline.await_log("ready")
        spread = pipeline.audit()
        assert spread["wrong_rows"] == 0
        assert spread["dead_letters"] == BAD
        assert worker.poll() is None

        at_ms = spread["watermark_ms"]
        bunch = garbage(np.random.default_rng(4), 4 * BAD, at_ms=at_ms)
        write(pipeline, [Produced(b.topic, b.key, b.value, at_ms, b.partition) for b in bunch])
        assert worker.wait(30) == 78
        assert pipeline.logged("topic-gone-bad")[0]["do"].startswith("mend the producer")

        pipeline.start("--accept-bad")
        after = pipeline.audit()
    finally:
        pipeline.stop()
    assert after["wrong_rows"] == 0
    assert after["dead_letters"] == BAD + len(bunch)


def test_reasons_are_the_expected_ones() -> None:
    found = collections.Counter(bad.reason for bad in garbage(np.random.default_rng(1), 600))
    assert len(found) >= 20
