"""The shape of the project: small files, no markers of unfinished work, every package under the import contracts."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from streams.__main__ import COMMANDS
from streams.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "streams").rglob("*.py"))
MOST_LINES = 300
UNFINISHED = re.compile(r"\b(TODO|FIXME|HACK)\b|NotImplementedError")
# Built from parts, so that this file does not hold what it looks for.
MACHINE = re.compile("|".join([r"/" + "root/", r"/" + "home/", r"/" + "work/", "index" + "-url", "trusted" + "-host"]))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_small_and_finished(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= MOST_LINES
    assert UNFINISHED.search(text) is None
    assert MACHINE.search(text) is None


def test_requirements_are_hashed_and_name_no_host() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text("utf-8")
        assert MACHINE.search(text) is None
        assert "://" not in text
        pins = re.findall(r"^\S+==\S+(?: ; .+)? \\\n    --hash=sha256:", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)) > 20


def test_faust_and_aiokafka_are_pinned_to_the_version_the_engine_overrides() -> None:
    text = (ROOT / "requirements" / "runtime.txt").read_text("utf-8")
    assert "\nfaust-streaming==0.15.3 \\\n" in text
    assert "\naiokafka==0.14.0 \\\n" in text


def test_the_contract_on_production_covers_every_package() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    covered = {name.removeprefix("streams.") for name in contracts[-1]["source_modules"]}
    there = {
        path.stem for path in (ROOT / "streams").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert covered == there - {"__init__", "tools", "testing"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there(name: str) -> None:
    assert find_spec(COMMANDS[name].module) is not None


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
