"""The image: Dockerfile, what goes into its build, its health check; and that all YAML is tidy."""

import fnmatch
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from deploy import healthcheck
from streams.settings import Settings, variable

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
YAML_RULES = """
extends: default
rules:
  document-start: disable
  line-length: {max: 120}
  # Generated rules are as wide as their expressions.
  comments: {min-spaces-from-content: 1}
  indentation: {spaces: 2, indent-sequences: true}
  brackets: {max-spaces-inside: 0}
"""
GENERATED = ("topics.yaml", "users.yaml", "rules.yaml")


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert program, "hadolint is not in the environment: run `make setup`"
    return subprocess.run([program, "--no-color", str(path)], capture_output=True, text=True, timeout=60, check=False)


def test_the_dockerfile_is_clean() -> None:
    found = hadolint(DOCKERFILE)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_linter_finds_faults(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN apt-get install gcc\n")
    assert hadolint(tmp_path / "Dockerfile").returncode != 0


def test_the_image_is_pinned_and_runs_as_nobody_special() -> None:
    text = DOCKERFILE.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert set(bases) == {bases[0]}
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0])
    assert re.findall(r"^USER (.+)", text, re.MULTILINE) == ["10001:10001"]
    assert "--require-hashes -r requirements/runtime.txt" in text
    assert re.search(r"^HEALTHCHECK", text, re.MULTILINE)
    told = set(re.findall(r"\b(STREAMS_\w+)=", text))
    assert told <= {variable(field) for field in Settings.model_fields}
    assert told >= {"STREAMS_STATE_DIR", "STREAMS_HTTP_HOST", "STREAMS_METRICS_PORT"}


def test_what_the_dockerfile_copies_is_in_its_build() -> None:
    wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE.read_text(), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(source, pattern) for pattern in wanted), source


def yaml_files() -> list[Path]:
    return sorted(path for ending in ("yaml", "yml") for path in (ROOT / "deploy").rglob(f"*.{ending}"))


@pytest.mark.parametrize("path", yaml_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_is_tidy(path: Path) -> None:
    rules = YamlLintConfig(YAML_RULES)
    wide = path.name in GENERATED or path.name.endswith(".rules.yml")
    found = [problem for problem in linter.run(path.read_text(), rules) if not (wide and problem.rule == "line-length")]
    assert [f"{problem.line}: {problem.desc}" for problem in found] == []


class _Alive(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Stuck(_Alive):
    status = 503


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[type[_Alive], int]]:
    servers = {kind: ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (_Alive, _Stuck)}
    for server in servers.values():
        Thread(target=server.serve_forever, daemon=True).start()
    for name, _ in healthcheck.PORTS:
        # Nothing can listen there.
        monkeypatch.setenv(name, "1")
    yield {kind: server.server_port for kind, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


def test_a_container_is_healthy_while_its_process_says_so(
    ports: dict[type[_Alive], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not healthcheck.healthy()
    for name, _ in healthcheck.PORTS:
        monkeypatch.setenv(name, str(ports[_Alive]))
        assert healthcheck.healthy()
        monkeypatch.setenv(name, str(ports[_Stuck]))
        assert not healthcheck.healthy()
        monkeypatch.setenv(name, "1")
