"""Every reason for which a worker leaves is counted from 0 on, so that a first exit is a rise."""

import ast
from pathlib import Path

from prometheus_client import REGISTRY

from streams.engine import exits
from streams.ops.exit_counts import CAUSES, REASONS, ExitCounts


def reasons_in(source: str) -> set[str]:
    """Second arguments of all calls of `leave`, by whatever name its module was imported."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "leave":
            event = node.args[1]
            assert isinstance(event, ast.Constant), f"no literal: {ast.unparse(node)}"
            found.add(str(event.value))
    return found


def test_each_reason_in_the_code_is_listed_and_no_other(project_root: Path) -> None:
    sources = [path.read_text("utf-8") for path in (project_root / "streams").rglob("*.py")]
    assert set(REASONS) == set().union(*map(reasons_in, sources))
    assert list(REASONS) == sorted(set(REASONS))


def test_calls_are_found_whatever_they_look_like() -> None:
    source = "leave(\n    ExitCode.STOP, 'one', do=1,\n)\nexits.leave(code, 'two')\nself._leave(3)"
    assert reasons_in(source) == {"one", "two"}


def test_causes_are_those_of_failed_commits() -> None:
    assert set(CAUSES) == {exits.FENCED, exits.TIMEOUT, exits.FAILED}


def test_all_reasons_are_exported_before_any_exit(tmp_path: Path) -> None:
    ExitCounts(tmp_path).export()
    for reason in REASONS:
        assert REGISTRY.get_sample_value("streams_exits_total", {"reason": reason}) is not None
