"""The pages say what is there."""

import re
from pathlib import Path

from streams.__main__ import COMMANDS
from streams.core.reasons import Reason
from streams.tools import filemap, metrics_page


def test_the_file_map_is_that_of_the_files() -> None:
    assert filemap.PAGE.read_text() == filemap.page(), "run `make docs`"


def test_the_metrics_page_is_that_of_the_registry() -> None:
    assert metrics_page.PAGE.read_text() == metrics_page.page(), "run `make docs`"


def test_the_readme_names_every_command(project_root: Path) -> None:
    readme = (project_root / "README.md").read_text()
    for name in COMMANDS:
        assert f"`{name}`" in readme or f"streams {name}" in readme or f"make {name}" in readme, name
    assert f"one of {len(Reason)} reasons" in readme


def test_decisions_are_numbered_without_a_gap(project_root: Path) -> None:
    names = sorted(path.name for path in (project_root / "docs" / "decisions").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_make_targets_named_in_the_readme_exist(project_root: Path) -> None:
    makefile = (project_root / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z]+)", (project_root / "README.md").read_text())):
        assert f"\n{target}:" in makefile, target
