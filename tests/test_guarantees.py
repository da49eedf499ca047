"""docs/guarantees.md says what is there: its tests exist, its fail-points are those of the code."""

import re
from pathlib import Path

import pytest

from streams.engine.failpoints import POINTS
from tests.engine.unprotected import LACKING

NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


@pytest.fixture
def page(project_root: Path) -> str:
    return (project_root / "docs" / "guarantees.md").read_text()


def test_every_test_named_exists(page: str, project_root: Path) -> None:
    named = set(NAMED.findall(page))
    assert len(named) > 40
    for file, test in sorted(named):
        assert re.search(rf"^(async )?def {test}\(", (project_root / file).read_text(), re.MULTILINE), f"{file}::{test}"


def test_every_promise_names_a_test(page: str) -> None:
    promises = page.split("## Promises")[1].split("\n## ", maxsplit=1)[0].strip().splitlines()[2:]
    assert len(promises) > 15
    for promise in promises:
        assert NAMED.search(promise), promise[:80]


def test_the_fail_points_are_those_of_the_code(page: str, project_root: Path) -> None:
    table = page.split("## Fail-points")[1].split("\n## ", maxsplit=1)[0]
    assert tuple(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == POINTS
    engine = "".join(path.read_text() for path in sorted((project_root / "streams" / "engine").glob("*.py")))
    assert set(re.findall(r'\bhit\("([a-z-]+)"\)', engine)) == set(POINTS)


def test_every_switch_is_in_the_table(page: str) -> None:
    table = page.split("## What the absence")[1].split("\n## ", maxsplit=1)[0].replace("`", "")
    for protection in (*LACKING, "position rule", "chain by position", "repeats rule", "pairs"):
        assert f"| {protection} |" in table, protection
