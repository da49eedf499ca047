"""The Kubernetes manifests fit Kubernetes' and the operators' schemas, one another, and the settings."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator

from deploy import generate
from streams import __version__
from streams.settings import PREFIX, Settings, variable
from streams.tools.broker.jars import KAFKA_VERSION
from streams.topics import NAMES
from tests.deploy import kustomize
from tests.deploy.kustomize import Manifest

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
TARGETS = ("base", "overlays/production", "overlays/small")
VERSIONS = ("1.31", "1.34")
"""Oldest and newest Kubernetes the manifests are checked against."""
CUSTOM = {path.stem: Draft202012Validator(json.loads(path.read_text())) for path in
          (Path(__file__).parent / "schemas").glob("[A-Z]*.json")}  # fmt: skip


@pytest.fixture(params=TARGETS)
def rendered(request: pytest.FixtureRequest) -> list[Manifest]:
    return kustomize.render(KUBERNETES / request.param)


def of_kind(found: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in found if manifest["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
def test_core_kinds_fit_kubernetes(rendered: list[Manifest], version: str) -> None:
    core = [manifest for manifest in rendered if manifest["kind"] not in CUSTOM]
    assert len(core) >= 16
    for manifest in core:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_custom_resources_fit_their_operators(rendered: list[Manifest]) -> None:
    for manifest in rendered:
        if manifest["kind"] in CUSTOM:
            errors = [error.message for error in CUSTOM[manifest["kind"]].iter_errors(manifest)]
            assert errors == [], manifest["metadata"]["name"]


def test_every_schema_of_a_custom_resource_names_its_source_and_is_used() -> None:
    used = {manifest["kind"] for manifest in kustomize.render(KUBERNETES / "overlays" / "production")}
    assert used >= CUSTOM.keys()
    for kind, validator in CUSTOM.items():
        assert "CustomResourceDefinition" in validator.schema["$comment"], kind


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("KafkaTopic", ("spec", "partitions"), 0),
        ("KafkaTopic", ("spec", "config", "retention"), 5),
        ("KafkaTopic", ("metadata", "labels"), {}),
        ("KafkaUser", ("spec", "authentication", "type"), "plain"),
        ("KafkaNodePool", ("spec", "roles"), ["leader"]),
        ("Kafka", ("spec", "kafka", "config", "log.dirs"), "/data"),
        ("PodMonitor", ("spec", "podMetricsEndpoints"), []),
        ("ServiceMonitor", ("spec", "endpoint"), []),
        ("PrometheusRule", ("spec", "groups"), [{"name": "a", "rules": [{"alert": "B"}]}]),
    ],
)
def test_the_schemas_refuse_mistakes(kind: str, path: tuple[str, ...], value: object) -> None:
    found = kustomize.render(KUBERNETES / "overlays" / "production")
    manifest = next(manifest for manifest in found if manifest["kind"] == kind)
    node: Any = manifest
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert not CUSTOM[kind].is_valid(manifest)


def test_nothing_is_generated_by_hand() -> None:
    assert generate.drift() == [], "run `make docs`"


def test_names_are_unique(rendered: list[Manifest]) -> None:
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered]
    assert len(names) == len(set(names))


def test_pods_run_as_restricted_and_read_only(rendered: list[Manifest]) -> None:
    for pod in kustomize.pods(rendered):
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == 10001
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["enableServiceLinks"] is False
    for container in kustomize.containers(rendered):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert "memory" in container["resources"]["limits"]
        assert container["image"] == f"interaction-streams:{__version__}"


def test_selectors_find_pods_and_ports(rendered: list[Manifest]) -> None:
    labels = [pod["metadata"]["labels"] for pod in kustomize.pods(rendered)]
    for manifest in rendered:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        wanted = selector.get("matchLabels", selector)
        if wanted:
            assert any(wanted.items() <= own.items() for own in labels), manifest["metadata"]["name"]
    named = {port["name"] for container in kustomize.containers(rendered) for port in container.get("ports", [])}
    for service in of_kind(rendered, "Service").values():
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
    for container in kustomize.containers(rendered):
        own = {port["name"] for port in container.get("ports", [])}
        probes = [container[name]["httpGet"]["port"] for name in container if name.endswith("Probe")]
        assert set(probes) <= own
        assert len(probes) in {0, 3}


def told(container: Manifest, settings: Manifest) -> dict[str, Any]:
    """Variables of a container; None for a value that is only known in the cluster."""
    given: dict[str, Any] = dict(settings["data"])
    return given | {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def test_every_variable_is_a_setting_with_a_valid_value(rendered: list[Manifest]) -> None:
    known = {variable(field) for field in Settings.model_fields}
    settings = of_kind(rendered, "ConfigMap")["streams-settings"]
    for container in kustomize.containers(rendered):
        given = told(container, settings)
        assert given.keys() <= known
        Settings(**{name.removeprefix(PREFIX).lower(): value for name, value in given.items() if value is not None})


def test_workers_have_stable_names_and_their_own_volumes(rendered: list[Manifest]) -> None:
    workers = of_kind(rendered, "StatefulSet")["streams-worker"]["spec"]
    (container,) = workers["template"]["spec"]["containers"]
    named = {entry["name"]: entry for entry in container["env"]}
    assert named["STREAMS_WORKER_ID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts[workers["volumeClaimTemplates"][0]["metadata"]["name"]] == "/state"
    assert workers["template"]["spec"]["terminationGracePeriodSeconds"] >= 30
    settings = of_kind(rendered, "ConfigMap")["streams-settings"]["data"]
    assert workers["replicas"] <= int(settings["STREAMS_PARTITIONS"])


@pytest.mark.parametrize("overlay", ["production", "small"])
def test_kafka_has_the_declared_topics_three_times(overlay: str) -> None:
    found = kustomize.render(KUBERNETES / "overlays" / overlay)
    settings = of_kind(found, "ConfigMap")["streams-settings"]["data"]
    topics = of_kind(found, "KafkaTopic")
    assert topics.keys() == set(NAMES)
    for topic in topics.values():
        assert topic["spec"]["partitions"] == int(settings["STREAMS_PARTITIONS"])
        assert topic["spec"]["replicas"] == 3
        assert topic["spec"]["config"]["min.insync.replicas"] == 2
    (kafka,) = of_kind(found, "Kafka").values()
    assert kafka["spec"]["kafka"]["version"] == KAFKA_VERSION
    assert kafka["spec"]["kafka"]["config"]["min.insync.replicas"] == 2
    brokers = of_kind(found, "KafkaNodePool")["broker"]["spec"]["replicas"]
    assert brokers == 3
    host, port = settings["STREAMS_BROKER_URL"].split(":")
    assert host == f"{kafka['metadata']['name']}-kafka-bootstrap"
    assert int(port) in {listener["port"] for listener in kafka["spec"]["kafka"]["listeners"]}


@pytest.mark.parametrize("overlay", ["production", "small"])
def test_workloads_log_in_as_their_users_at_the_secured_listener(overlay: str) -> None:
    found = kustomize.render(KUBERNETES / "overlays" / overlay)
    (kafka,) = of_kind(found, "Kafka").values()
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    users, told_all = of_kind(found, "KafkaUser"), of_kind(found, "ConfigMap")["streams-settings"]
    workloads = [manifest for manifest in found if manifest["kind"] in {"StatefulSet", "Deployment", "Job"}]
    assert len(workloads) == 3
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        given = told(pod["containers"][0], told_all)
        user = given["STREAMS_SASL_USERNAME"]
        assert user == workload["metadata"]["name"]
        assert users[user]["spec"]["authentication"]["type"] == listener["authentication"]["type"]
        assert given["STREAMS_SASL_MECHANISM"].lower() == listener["authentication"]["type"]
        assert (given["STREAMS_SECURITY_PROTOCOL"], listener["tls"]) == ("SASL_SSL", True)
        mounted = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        (volume,) = [volume for volume in pod["volumes"] if "projected" in volume]
        items = {
            f"{mounted[volume['name']]}/{item['path']}": (source["secret"]["name"], item["key"])
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }
        assert items == {
            given["STREAMS_SASL_PASSWORD_FILE"]: (user, "password"),
            given["STREAMS_SSL_CA_FILE"]: (f"{kafka['metadata']['name']}-cluster-ca-cert", "ca.crt"),
        }


def test_users_have_rights_on_declared_things_only() -> None:
    users = of_kind(kustomize.render(KUBERNETES / "overlays" / "production"), "KafkaUser")
    for user in users.values():
        for acl in user["spec"]["authorization"]["acls"]:
            assert acl["resource"]["type"] != "topic" or acl["resource"]["name"] in NAMES
            assert not {"All", "Create", "Delete", "Alter", "AlterConfigs"} & set(acl["operations"])
    reader = users["streams-reader"]["spec"]["authorization"]["acls"]
    assert not any("Write" in acl["operations"] for acl in reader)


@pytest.mark.parametrize(
    "broken",
    [
        {"resources": ["nothing.yaml"]},
        {"patches": [{"target": {"kind": "Job"}, "patch": "[]"}]},
        {"helmCharts": []},
    ],
    ids=str,
)
def test_references_to_nothing_are_found(broken: Manifest, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(json.dumps({"resources": [], **broken}))
    with pytest.raises((FileNotFoundError, ValueError)):
        kustomize.render(tmp_path)
