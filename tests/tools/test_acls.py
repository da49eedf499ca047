"""The rights as data: derived from the topics, printed as commands and JSON, quoted in the docs as they are."""

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.ops import acls
from streams.ops.acls import ALL, MEANING, SOURCES, TABLES, TALLIES, Acl, Role
from streams.serving import looks, state
from streams.settings import Settings
from streams.tools.acls import command
from streams.topics import NAMES
from streams.worker import build

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
MARK = "<!-- rights: tests/tools/test_acls.py compares -->\n"


def table() -> str:
    """The rights of all roles for docs/security.md."""
    lines = ["\n| who | may | on |\n|---|---|---|\n"]
    for role in Role:
        sorts: dict[tuple[str, ...], list[str]] = {}
        for acl in acls.acls(Settings(), role):
            sorts.setdefault((acl.kind, *acl.operations), []).append(f"`{acl.name}{'*' if acl.prefixed else ''}`")
        for (kind, *operations), names in sorts.items():
            lines.append(f"| {MEANING[role]} | {', '.join(operations)} | {kind} {', '.join(names)} |\n")
    return "".join(lines)


def test_the_page_lists_the_rights_as_they_are() -> None:
    _, _, below = PAGE.read_text("utf-8").partition(MARK)
    assert below.startswith(table())


def test_topics_are_sorted_by_what_they_are_declared_as() -> None:
    assert sorted(ALL) == sorted(NAMES)
    assert set(looks.SOURCES) == set(SOURCES)
    assert TALLIES == ("video-tallies", "trend-tallies")
    stages = build(Settings(), "127.0.0.1:1").engine.stages
    # Charts are published by the stage of trends, and no changelog.
    assert {table for stage in stages for table in stage.tables} == set(TABLES) - {"charts"}
    assert {topic for stage in stages for topic in stage.topics} == {*SOURCES, *TALLIES}


def test_a_reader_may_read_what_it_tails_and_write_nothing() -> None:
    found = acls.acls(Settings(), Role.READER)
    assert {acl.name for acl in found if "Read" in acl.operations} == set(state.TAILED)
    assert {acl.name for acl in found} == {*state.TAILED, *looks.SOURCES}
    assert not [acl for acl in found if {"Write", "Create"} & set(acl.operations)]


@pytest.mark.parametrize("role", Role)
def test_names_carry_prefix_and_app_id(role: Role) -> None:
    settings = Settings(topic_prefix="p.", app_id="app")
    for acl in acls.acls(settings, role):
        assert acl.name.startswith("p." if acl.kind == "topic" else "p.app")
        assert acl.prefixed == (acl == Acl("transactional-id", "p.app-", ("Write",), prefixed=True))


def test_commands_and_json_say_the_same() -> None:
    runner = CliRunner(env={"STREAMS_TOPIC_PREFIX": "p."})
    data = json.loads(runner.invoke(command, ["print", "worker", "--principal-worker", "w", "--json"]).output)
    printed = runner.invoke(command, ["print", "worker", "--principal-worker", "w", "--bootstrap-server", "b:1"]).output
    told = set()
    for line in printed.splitlines():
        if line.startswith("#"):
            continue
        words = shlex.split(line)
        assert words[:8] == [
            "kafka-acls.sh", "--bootstrap-server", "b:1", "--command-config", "admin.properties",
            "--add", "--allow-principal", "User:w",
        ]  # fmt: skip
        pairs = list(zip(words[8::2], words[9::2], strict=True))
        operations = tuple(value for option, value in pairs if option == "--operation")
        pattern = next((value for option, value in pairs if option == "--resource-pattern-type"), "literal")
        kinds = {"--topic", "--group", "--transactional-id"}
        told |= {(option[2:], value, pattern, operations) for option, value in pairs if option in kinds}
    assert told == {(one["resource_type"], one["name"], one["pattern_type"], tuple(one["operations"])) for one in data}
    assert {(one["role"], one["principal"]) for one in data} == {("worker", "User:w")}
