"""What of kustomize our manifests use: resources, components, JSON patches, images, namespace; else it refuses."""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

KNOWN = {"apiVersion", "kind", "namespace", "resources", "components", "patches", "images"}


def render(folder: Path) -> list[Manifest]:
    """All manifests of a kustomization. FileNotFoundError, KeyError or ValueError if it refers to what is not there."""
    return _build(folder, [])


def load(path: Path) -> list[Manifest]:
    """The manifests of one file."""
    return [found for found in yaml.safe_load_all(path.read_text("utf-8")) if found]


def _build(folder: Path, below: list[Manifest]) -> list[Manifest]:
    (told,) = load(folder / "kustomization.yaml")
    if unknown := told.keys() - KNOWN:
        raise ValueError(f"{folder}: not looked at: {sorted(unknown)}")
    found = list(below)
    for name in told.get("resources", []):
        place = (folder / name).resolve()
        found += _build(place, []) if place.is_dir() else load(place)
    for name in told.get("components", []):
        found = _build((folder / name).resolve(), found)
    for patch in told.get("patches", []):
        _patch(folder, found, patch)
    for image in told.get("images", []):
        _retag(found, image)
    if "namespace" in told:
        _move(found, told["namespace"])
    return found


def _patch(folder: Path, found: list[Manifest], patch: Manifest) -> None:
    target = patch["target"]
    hit = [
        manifest
        for manifest in found
        if manifest["kind"] == target["kind"] and re.fullmatch(target.get("name", ".*"), manifest["metadata"]["name"])
    ]
    if not hit:
        raise ValueError(f"{folder}: nothing to patch: {target}")
    for manifest in hit:
        for step in yaml.safe_load(patch["patch"]):
            _apply(manifest, step)


def _apply(manifest: Manifest, step: Manifest) -> None:
    """One step of a JSON patch (RFC 6902): add or replace."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].lstrip("/").split("/")]
    node: Any = manifest
    for part in way:
        node = node[int(part)] if isinstance(node, list) else node[part]
    value = copy.deepcopy(step["value"])
    if isinstance(node, list):
        if step["op"] != "add" or last != "-":
            raise ValueError(f"not looked at: {step}")
        node.append(value)
        return
    if step["op"] == "replace" and last not in node:
        raise KeyError(step["path"])
    if step["op"] not in {"add", "replace"}:
        raise ValueError(f"not looked at: {step}")
    node[last] = value


def _retag(found: list[Manifest], image: Manifest) -> None:
    for container in containers(found):
        if container["image"] == image["name"]:
            container["image"] = f"{image['newName']}:{image['newTag']}"


def _move(found: list[Manifest], namespace: str) -> None:
    for manifest in found:
        if manifest["kind"] != "Namespace":
            manifest["metadata"]["namespace"] = namespace


def pods(found: list[Manifest]) -> list[Manifest]:
    """Pod templates of all workloads."""
    return [m["spec"]["template"] for m in found if m["kind"] in {"StatefulSet", "Deployment", "Job"}]


def containers(found: list[Manifest]) -> list[Manifest]:
    """Containers of all workloads."""
    return [container for pod in pods(found) for container in pod["spec"]["containers"]]
