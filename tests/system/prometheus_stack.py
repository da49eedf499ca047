"""A real Prometheus over a running pipeline: rules as deployed, with all durations shortened."""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "streams.rules.yml"
SHORT_S = {"1m": 8, "2m": 8, "5m": 12, "10m": 15, "15m": 15, "30m": 20, "1h": 30, "6h": 30}
FOR_S = 2


def shortened(text: str) -> str:
    """The rules (or a query) with short windows; alerts wait `FOR_S` at most."""
    text = re.sub(r"\[(\d+[mh])(?=[\]:])", lambda found: f"[{SHORT_S[found[1]]}s", text)
    text = text.replace(":30s]", ":1s]")
    return re.sub(r"for: ([1-9]\d*m)", f"for: {FOR_S}s", text)


class Prometheus:
    """Entered, it scrapes the targets (job -> [host:port]) every second."""

    def __init__(self, folder: Path, targets: Mapping[str, list[str]], port: int) -> None:
        self.folder, self.port = folder, port
        folder.mkdir()
        (folder / "streams.rules.yml").write_text(shortened(RULES.read_text("utf-8")), "utf-8")
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["*.rules.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": found}]} for job, found in targets.items()
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")

    def __enter__(self) -> Self:
        binary = shutil.which("prometheus")
        assert binary is not None
        with (self.folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    binary, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Samples of an instant query."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urlencode({'query': expression})}"
        with urlopen(url, timeout=10) as answer:
            found = json.load(answer)
        assert found["status"] == "success", f"{expression}: {found}"
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {sample["metric"]["alertname"] for sample in self.query('ALERTS{alertstate="firing"}')}


def await_true(what: Callable[[], bool], within_s: float, why: Callable[[], object]) -> None:
    """Wait until it holds; AssertionError with the reason if it does not in time."""
    deadline_s = time.monotonic() + within_s
    while not _holds(what):
        assert time.monotonic() < deadline_s, str(why())
        time.sleep(0.3)


def _holds(what: Callable[[], bool]) -> bool:
    try:
        return what()
    except OSError:  # not up yet
        return False
