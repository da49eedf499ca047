"""Rules are well-formed, tested both ways, known to the runbook, and built on metrics that exist."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.ops.metric_list import DECLARED

RULES = "deploy/prometheus/streams.rules.yml"
TESTS = "tests/rules/alerts.test.yml"
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def rules(root: Path) -> list[dict[str, Any]]:
    groups = yaml.safe_load((root / RULES).read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts(root: Path) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules(root) if "alert" in rule}


@pytest.mark.prometheus
@pytest.mark.parametrize("command", [["check", "rules", RULES], ["test", "rules", TESTS]])
def test_promtool_is_content(project_root: Path, command: list[str]) -> None:
    ran = subprocess.run(
        ["promtool", *command], cwd=project_root, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_fires_in_one_test_and_is_quiet_in_another(project_root: Path) -> None:
    tests = yaml.safe_load((project_root / TESTS).read_text("utf-8"))["tests"]
    seen: Counter[tuple[str, bool]] = Counter()
    for test in tests:
        for case in test["promql_expr_test"]:
            name = re.search(r'alertname="(\w+)"', case["expr"])
            assert name is not None
            seen[name[1], bool(case["exp_samples"])] += 1
    assert set(seen) == {(name, fires) for name in alerts(project_root) for fires in (True, False)}


def test_each_alert_says_how_bad_it_is_and_what_to_do(project_root: Path) -> None:
    runbook = (project_root / "docs/runbook.md").read_text("utf-8")
    anchors = {line.removeprefix("### ").strip().lower() for line in runbook.splitlines() if line.startswith("### ")}
    for name, rule in alerts(project_root).items():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (page, anchor) == ("docs/runbook.md", name.lower())
        assert anchor in anchors, f"docs/runbook.md has no section for {name}"


def test_rules_use_metrics_that_exist(project_root: Path) -> None:
    known = {metric.exposed_name for metric in DECLARED}
    known |= {m.exposed_name + end for m in DECLARED if m.kind == "histogram" for end in OF_HISTOGRAMS}
    for rule in rules(project_root):
        used = set(re.findall(r"\bstreams_\w+", rule["expr"]))
        assert used <= known, f"{rule}: {used - known}"
