"""The runbook names every alert and every exit, and nothing that does not exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bench.__main__ import main as bench
from streams.__main__ import main as streams
from streams.ops.metric_list import DECLARED
from streams.settings import Settings, variable

PAGES = ("docs/runbook.md", "docs/capacity.md")
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def text_of(root: Path, page: str = "docs/runbook.md") -> str:
    return (root / page).read_text("utf-8")


def sections(text: str) -> dict[str, str]:
    """Heading -> what stands below it, of the third level."""
    parts = re.split(r"^### (.+)$", re.sub(r"^## .*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def exits(root: Path) -> dict[str, set[int]]:
    """Event -> exit codes with which a process may leave so, from the calls of `leave` in the code."""
    codes = {"RESTART": 70, "STOP": 78}
    found: dict[str, set[int]] = {}
    for path in sorted((root / "streams").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "leave":
                code, event = node.args[0], node.args[1]
                assert isinstance(code, ast.Attribute), f"{path}: the exit code is no literal"
                assert isinstance(event, ast.Constant), f"{path}: the event is no literal"
                found.setdefault(str(event.value), set()).add(codes[code.attr])
    return found


def quoted(text: str) -> Iterator[str]:
    """Everything set as code: spans, and lines of blocks."""
    yield from re.findall(r"`([^`\n]+)`", text)
    yield from (line.strip() for line in re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE))


def commands(text: str, name: str) -> Iterator[list[str]]:
    """Words behind `name` (`streams`, `bench`) of each command that is quoted."""
    start = re.compile(rf"^(?:[A-Z_]+=\S+ )*(?:\S*python -m )?{name} (?=[a-z-])")
    for code in quoted(text):
        found = start.match(code)
        if found:
            yield shlex.split(code[found.end() :].split(" #")[0], posix=True)


def refusal(group: click.Command, words: list[str]) -> str | None:
    """Why click would not take these words; None if it would. Placeholders in capitals are taken."""
    context, command = click.Context(group), group
    while isinstance(command, click.Group):
        name = words[0] if words else ""
        below = command.get_command(context, name)
        if below is None:
            return None if not words else f"no command {name}"
        command, words = below, words[1:]
    known = {option for p in command.params for option in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
    return f"no option {unknown}" if unknown else _values(command, words)


def _values(command: click.Command, words: list[str]) -> str | None:
    given = [
        __file__ if word.endswith(".json") else "1" if word in {"FILE", "ID"} else word for word in words if word != "…"
    ]
    try:
        command.make_context(command.name, given, resilient_parsing=False)
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        return error.format_message()
    return None


def test_each_exit_has_a_section_with_its_code(project_root: Path) -> None:
    found, there = exits(project_root), sections(text_of(project_root))
    assert len(found) > 15
    for event, codes in found.items():
        assert event in there, f"docs/runbook.md has no section for the exit {event}"
        told = {int(code) for code in re.findall(r"\b(70|78)\b", there[event])}
        assert codes <= told, f"{event}: the code leaves with {codes}, the runbook says {told}"


def test_no_section_is_about_an_exit_that_is_gone(project_root: Path) -> None:
    named = {name for name in sections(text_of(project_root)) if re.fullmatch(r"[a-z]+(-[a-z]+)+", name)}
    logged = set(re.findall(r'log\.exception\("([a-z-]+)"', (project_root / "streams/serving/main.py").read_text()))
    assert named == set(exits(project_root)) | logged


def test_the_table_of_exits_has_the_same_names(project_root: Path) -> None:
    table = set(re.findall(r"^\| `([a-z-]+)` \|", text_of(project_root, "docs/operations.md"), re.MULTILINE))
    assert table == set(exits(project_root))


def test_each_alert_says_who_suffers_what_to_do_and_when_to_call(project_root: Path) -> None:
    alerts = {name: text for name, text in sections(text_of(project_root)).items() if name.startswith("Streams")}
    assert alerts
    for name, text in alerts.items():
        assert "**Users:**" in text, name
        assert "**Escalate:**" in text, name
        assert "ook as" in text or "Look and act" in text or all(f"{n}. " in text for n in (1, 2, 3)), name


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist_with_these_options(project_root: Path, page: str) -> None:
    text, count = text_of(project_root, page), 0
    for name, group in (("streams", streams), ("bench", bench)):
        for words in commands(text, name):
            assert refusal(group, words) is None, f"{page}: `{name} {' '.join(words)}`: {refusal(group, words)}"
            count += 1
    assert count > 5
    makefile = (project_root / "Makefile").read_text("utf-8")
    for code in quoted(text):
        if code.startswith("make "):
            assert f"\n{code.split()[1]}:" in makefile, f"{page}: {code}"


@pytest.mark.parametrize("page", PAGES)
def test_metrics_settings_and_links_exist(project_root: Path, page: str) -> None:
    text = text_of(project_root, page)
    known = {metric.exposed_name for metric in DECLARED}
    known |= {m.exposed_name + end for m in DECLARED if m.kind == "histogram" for end in OF_HISTOGRAMS}
    known |= {metric.exposed_name.removesuffix("_total") for metric in DECLARED}
    assert set(re.findall(r"\bstreams_[a-z_]+", text)) <= known
    recorded = set(re.findall(r"record: (\S+)", (project_root / "deploy/prometheus/streams.rules.yml").read_text()))
    assert set(re.findall(r"\bstreams:[a-z_0-9:]+", text)) <= recorded
    names = {variable(field) for field in Settings.model_fields} | {"STREAMS_SASL_"}
    assert set(re.findall(r"\bSTREAMS_[A-Z_]*[A-Z]\b|\bSTREAMS_[A-Z]+_(?=\*)", text)) <= names
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        path = (project_root / page).parent / file if file else project_root / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), f"{page}: {target}"


def anchors(text: str) -> set[str]:
    """Of headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert refusal(streams, ["nonsense"]) == "no command nonsense"
    assert refusal(streams, ["worker", "--nonsense"]) is not None
    assert refusal(streams, ["dead-letters", "retry", "--reason", "nonsense"]) is not None
    assert refusal(streams, ["worker", "--accept-bad"]) is None
    assert list(commands("`streams worker --accept-bad`, `python -m bench job --events 5`", "bench")) == [
        ["job", "--events", "5"]
    ]
