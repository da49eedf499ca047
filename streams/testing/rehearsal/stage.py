"""Read services and Prometheus beside the chaos harness's broker and workers."""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp

from streams.ops.supervisor import Child, ChildSpec, Supervisor
from streams.settings import variable
from streams.testing.chaos.cluster import BACKOFF, STOP_S, Cluster
from streams.tools.broker.probe import free_port

SCRAPE_S = 1
JOBS = ("streams-worker", "streams-reader")
"""Job names as in deploy/prometheus/prometheus.yml: the rules know them."""


class Stage:
    """Read services and, where it is installed, Prometheus. Use with `async with`, inside that of the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.supervisor = Supervisor()
        self.urls: dict[str, str] = {}
        self.prometheus: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(child.stop() for child in self.supervisor.children.values()))

    async def start_reader(self, name: str) -> Child:
        """Start a read service on a port of its own, which it keeps."""
        port = free_port()
        self.urls[name] = f"http://127.0.0.1:{port}"
        env = self.cluster.environment() | {variable("http_port"): str(port), variable("log_format"): "json"}
        return await self._start(name, [sys.executable, "-m", "streams", "serve"], env)

    async def start_prometheus(self, rules: Sequence[Path]) -> bool:
        """Start Prometheus on all targets there are; False if it is not installed."""
        program = shutil.which("prometheus")
        if program is None:
            return False
        port = free_port()
        config = self.cluster.folder / "prometheus.yml"
        # JSON is YAML.
        config.write_text(json.dumps(self.scraping(rules)), "utf-8")
        data = self.cluster.folder / "prometheus"
        argv = [
            program, f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=warn",
            f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        await self._start("prometheus", argv, {})
        self.prometheus = f"http://127.0.0.1:{port}"
        return True

    def scraping(self, rules: Sequence[Path]) -> dict[str, Any]:
        """Prometheus' configuration: each process is a target under its own name."""
        workers = {name: f"127.0.0.1:{port}" for name, port in self.cluster.ports.items()}
        readers = {name: url.removeprefix("http://") for name, url in self.urls.items()}
        jobs = [
            {"job_name": job, "static_configs": _static(at)} for job, at in zip(JOBS, (workers, readers), strict=True)
        ]
        times = {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s", "evaluation_interval": "1s"}
        return {"global": times, "rule_files": [str(path.absolute()) for path in rules], "scrape_configs": jobs}

    async def _start(self, name: str, argv: list[str], env: dict[str, str]) -> Child:
        log = self.cluster.folder / f"{name}.log"
        return await self.supervisor.start(
            ChildSpec(name=name, argv=argv, log=log, env=env, stop_s=STOP_S, backoff=BACKOFF)
        )


def _static(targets: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"targets": [at], "labels": {"pod": name}} for name, at in targets.items()]


async def query(session: aiohttp.ClientSession, url: str, expression: str) -> list[dict[str, Any]]:
    """Instant query of a Prometheus -> the series of its answer."""
    async with session.get(f"{url}/api/v1/query", params={"query": expression}) as answer:
        answer.raise_for_status()
        found: list[dict[str, Any]] = (await answer.json())["data"]["result"]
    return found


async def scraped(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """What Prometheus saw: targets that are up now, scrapes of all, and alerts that fired at any time."""
    up = await query(session, url, "up")
    scrapes = await query(session, url, "sum(count_over_time(up[1h]))")
    fired = await query(session, url, 'count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[1h]))')
    return {
        "targets_up": sum(series["value"][1] == "1" for series in up), "targets": len(up),
        "scrapes": int(scrapes[0]["value"][1]) if scrapes else 0,
        "alerts_fired": sorted(series["metric"]["alertname"] for series in fired),
    }  # fmt: skip
