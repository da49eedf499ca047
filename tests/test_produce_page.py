"""The programs of docs/produce.md do what the page says, against a real Kafka."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.core.arrival import Where, arrive
from streams.core.events import View
from streams.core.keys import partition_of
from streams.core.ports import Rejected
from streams.core.reasons import Reason
from streams.ops.topic_admin import apply_topics
from streams.settings import Settings
from streams.tools.audit.log import Entry, KafkaSource

PARTITIONS = 8
PROGRAMS = ("first_view.py", "first_view_confluent.py")
MURMUR2 = '    "partitioner": "murmur2_random",\n'


class Found(NamedTuple):
    """A record of topic `views`, and where it lay."""

    partition: int
    entry: Entry


def program(page: Path, name: str) -> str:
    """The code block of the page whose first line is this name."""
    (found,) = re.findall(rf"```python\n(# {name}\n.*?)```", page.read_text("utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture
async def settings(bootstrap: str, topic_prefix: str) -> Settings:
    """A cluster with the declared topics."""
    made = Settings(broker_url=bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS)
    await apply_topics(bootstrap, made)
    return made


async def run(settings: Settings, code: str, folder: Path) -> tuple[str, Found]:
    """Run a program as a reader of the page would -> what it said, and the one record it wrote."""
    (folder / "program.py").write_text(code)
    assert settings.broker_url
    own = {"STREAMS_BROKER_URL": settings.broker_url, "STREAMS_TOPIC_PREFIX": settings.topic_prefix}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "program.py"], cwd=folder, env={**os.environ, **own},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    async with KafkaSource(settings.broker_url, partitions=PARTITIONS, prefix=settings.topic_prefix) as source:
        found = [Found(number, entry) for number in range(PARTITIONS) for entry in await source.read("views", number)]
    (only,) = found
    return done.stdout, only


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_first_view_arrives(name: str, settings: Settings, project_root: Path, tmp_path: Path) -> None:
    page = project_root / "docs" / "produce.md"
    said, (partition, entry) = await run(settings, program(page, name), tmp_path)
    event = arrive(Where("views", partition, PARTITIONS), entry)
    assert isinstance(event, View)
    assert event.user == "u-ada"
    assert said == f"{settings.topic_prefix}views, partition {partition}, offset 0\n"
    assert f"`u-ada` is in partition {partition} of {PARTITIONS}." in page.read_text("utf-8")


async def test_the_partitioner_that_the_page_warns_of_is_refused(
    settings: Settings, project_root: Path, tmp_path: Path
) -> None:
    code = program(project_root / "docs" / "produce.md", PROGRAMS[1])
    assert MURMUR2 in code
    _, (partition, entry) = await run(settings, code.replace(MURMUR2, ""), tmp_path)
    found = arrive(Where("views", partition, PARTITIONS), entry)
    assert isinstance(found, Rejected)
    assert found.reason == Reason.WRONG_PARTITION
    assert f"`{found.reason}`" in (project_root / "docs" / "produce.md").read_text("utf-8")


def test_values_in_java_and_go_are_views(project_root: Path) -> None:
    page = (project_root / "docs" / "produce.md").read_text("utf-8")
    (java,) = re.findall(r'"(\{\\"id\\".*?\})"', page)
    value = java.replace("\\", "") % ("first-1", "u-ada", 1_700_000_000_000)
    go = re.findall(r'"(\w+)": ', page.split("```go")[1].split("```")[0])
    assert json.loads(value).keys() == set(go)
    partition = partition_of(b"u-ada", PARTITIONS)
    entry = Entry(b"u-ada", value.encode(), 0, 1_700_000_000_500)
    assert isinstance(arrive(Where("views", partition, PARTITIONS), entry), View)
