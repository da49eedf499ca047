"""Handlers that fail on a view and on a video's facts: two dead letters, all rows right, and both can be retried."""

import asyncio
import json
from pathlib import Path

from streams.tools.produce import Produced, Writer
from tests.system.pipeline import Pipeline

FACTS = {
    "creator": "c-1", "sound": "s-1", "tags": ["cats"], "category": "pets", "duration_ms": 10_000, "language": "en",
    "published_ms": 0, "visibility": "public", "status": "active",
}  # fmt: skip
VIEW = {
    "user": "ada", "video": "v-plain", "watch_ms": 9_000, "duration_ms": 10_000, "surface": "feed", "region": "DE",
    "session": "s",
}  # fmt: skip


async def write(pipeline: Pipeline, at_ms: int) -> None:
    """Three views of a video, the second one with `boom` in it, and facts of two videos, the first likewise."""
    views = [("views", b"ada", {"id": name, "at_ms": at_ms, **VIEW}) for name in ("calm-1", "boom-1", "calm-2")]
    facts = [("videos", b"v-plain", FACTS | {"sound": "boom"}), ("videos", b"v-other", FACTS)]
    environ = pipeline.environ
    async with Writer(environ["STREAMS_BROKER_URL"], partitions=8, prefix=environ["STREAMS_TOPIC_PREFIX"]) as writer:
        await writer.write(
            [Produced(topic, key, json.dumps(value).encode(), at_ms) for topic, key, value in views + facts]
        )


def test_two_records_are_set_aside_and_retried(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    pipeline = Pipeline(bootstrap, topic_prefix, tmp_path)
    pipeline.run("topics", "apply")
    pipeline.run("simulate", "--events", "2000")
    try:
        buggy = pipeline.start(module="tests.system.buggy_worker")
        pipeline.await_log("ready")
        asyncio.run(write(pipeline, pipeline.audit()["watermark_ms"]))
        poisoned = pipeline.audit()
        assert buggy.poll() is None
        buggy.terminate()
        assert buggy.wait(20) == 0
        listed = pipeline.run("dead-letters", "list")
        pipeline.start()
        pipeline.run("dead-letters", "retry", "--reason", "handler-failed")
        mended = pipeline.audit()
    finally:
        pipeline.stop()
    assert (poisoned["wrong_rows"], mended["wrong_rows"]) == (0, 0)
    assert (poisoned["dead_letters"], mended["dead_letters"]) == (2, 2)
    assert "KeyError: 'boom'" in listed
