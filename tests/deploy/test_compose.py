"""The compose file fits its specification, our settings and the files it mounts."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator

from streams.__main__ import COMMANDS
from streams.settings import PREFIX, Settings, variable
from streams.tools.broker.jars import KAFKA_VERSION

DEPLOY = Path(__file__).parents[2] / "deploy"
OFFICIAL = Draft201909Validator(json.loads((Path(__file__).parent / "schemas" / "compose-spec.json").read_text()))


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_it_fits_the_compose_specification(compose: Any) -> None:
    assert [error.message for error in OFFICIAL.iter_errors(compose)] == []


def test_the_specification_refuses_mistakes(compose: Any) -> None:
    compose["services"]["reader"]["replicas"] = 2
    assert not OFFICIAL.is_valid(compose)


def ours(compose: Any) -> dict[str, Any]:
    return {name: service for name, service in compose["services"].items() if "build" in service}


def test_our_services_are_told_settings_only(compose: Any) -> None:
    known = {variable(field) for field in Settings.model_fields}
    found = ours(compose)
    assert found.keys() == {"topics", "worker-1", "worker-2", "reader"}
    for name, service in found.items():
        given = service["environment"]
        assert given.keys() <= known, name
        settings = Settings(**{key.removeprefix(PREFIX).lower(): value for key, value in given.items()})
        assert settings.worker_id == name or not name.startswith("worker")
        assert service["command"][0] in COMMANDS
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_all_have_limits_health_checks_and_a_root_they_cannot_write(compose: Any) -> None:
    for name, service in compose["services"].items():
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service.get("read_only", name == "kafka"), name
        assert "healthcheck" in service or "build" in service, name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_mounts_and_dependencies_are_there(compose: Any) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= compose["services"].keys()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_dir() if source.startswith(".") else source in compose["volumes"], source


def test_versions_are_pinned_and_kafka_is_that_of_the_tests(compose: Any) -> None:
    images = {name: service["image"] for name, service in compose["services"].items() if "build" not in service}
    assert images["kafka"] == f"apache/kafka:{KAFKA_VERSION}"
    for image in images.values():
        assert image.partition(":")[2] not in {"", "latest"}


def test_prometheus_scrapes_services_that_are_there(compose: Any) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    found = {name: port for job in jobs.values() for dns in job.get("dns_sd_configs", [])
             for name, port in ((name, dns["port"]) for name in dns["names"])}  # fmt: skip
    assert found == {"worker-1": 9100, "worker-2": 9100, "reader": 8080}


def test_grafana_finds_prometheus_and_the_dashboards(compose: Any) -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"].split("//")[1].split(":")[0] in compose["services"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "streams.yml").read_text())["providers"]
    assert f"./grafana:{provider['options']['path']}:ro" in compose["services"]["grafana"]["volumes"]
