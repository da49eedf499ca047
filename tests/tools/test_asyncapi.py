"""The AsyncAPI document is what the code says, valid by the specification, and points to schemas that are there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from streams.settings import Settings
from streams.tools import asyncapi
from streams.tools.schema_samples import GOOD
from streams.topics import NAMES

OFFICIAL = Draft7Validator(json.loads((Path(__file__).parent / "schemas" / "asyncapi-3.0.0.json").read_text()))


@pytest.fixture
def document(project_root: Path) -> Any:
    return json.loads((project_root / "schemas" / "asyncapi.json").read_text())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_no_drift(project_root: Path) -> None:
    written = (project_root / "schemas" / "asyncapi.json").read_text()
    assert written == asyncapi.text(Settings.model_construct()), "run `make docs`"


def test_the_official_schema_accepts_it(document: Any) -> None:
    assert [error.message for error in OFFICIAL.iter_errors(document)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "4.0.0"),
        (("operations", "receive-views", "action"), "publish"),
        (("channels", "views", "bindings", "kafka", "partitions"), 0),
        (("channels", "views", "unknown"), 1),
        (("components", "messages", "view", "bindings", "kafka", "bindingVersion"), "9"),
    ],
    ids=str,
)
def test_the_official_schema_refuses_mistakes(document: Any, path: tuple[str, ...], value: object) -> None:
    node = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert not OFFICIAL.is_valid(document)


def test_all_public_topics_are_in_it(document: Any) -> None:
    assert {channel["address"] for channel in document["channels"].values()} == set(NAMES) - asyncapi.PRIVATE
    received = {name.removeprefix("receive-") for name in document["operations"] if name.startswith("receive-")}
    assert received == {sample.topic for sample in GOOD.values()}


def test_references_lead_somewhere(document: Any, project_root: Path) -> None:
    found = set(references(document))
    assert len(found) > 30
    for reference in found:
        if reference.startswith("#/"):
            node = document
            for step in reference[2:].split("/"):
                node = node[step]
        else:
            assert (project_root / "schemas" / reference).is_file(), reference


def test_a_prefix_shows_in_the_addresses() -> None:
    made = asyncapi.document(Settings(topic_prefix="eu.", partitions=64, replication=3))
    assert made["channels"]["views"]["address"] == "eu.views"
    assert made["channels"]["views"]["bindings"]["kafka"]["partitions"] == 64
    assert OFFICIAL.is_valid(made)
