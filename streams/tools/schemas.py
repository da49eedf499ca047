"""`streams schemas write|check`: JSON Schemas of all records and rows, and golden samples, kept equal to the code."""

import json
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from streams.core import events, published, rows
from streams.core.reasons import Reason
from streams.tools.schema_samples import BAD, GOOD, Sample

FOLDER = Path("schemas")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]

_PRINTABLE = r"^[^\u0000-\u001f\u007f]*$"
_NAME: Json = {"minLength": 1, "maxLength": 64, "pattern": _PRINTABLE}
_LABEL: Json = {"minLength": 1, "maxLength": 16, "pattern": _PRINTABLE}
_REGION: Json = {**_LABEL, "not": {"const": "*"}}
_TIME: Json = {"minimum": 0, "exclusiveMaximum": 1 << 43}
_WATCH: Json = {"minimum": 0, "maximum": (1 << 31) - 1}
_DURATION: Json = {"minimum": 1, "maximum": (1 << 31) - 1}
_EVENT: dict[str, Json] = {"id": _NAME, "user": _NAME, "video": _NAME, "at_ms": _TIME, "region": _REGION}

EVENTS: dict[str, tuple[type[msgspec.Struct], dict[str, Json]]] = {
    "view": (
        events.View,
        {**_EVENT, "watch_ms": _WATCH, "duration_ms": _DURATION, "surface": _LABEL, "session": _NAME},
    ),
    "like": (events.Like, {**_EVENT, "op": {"enum": ["like", "unlike"]}}),
    "share": (events.Share, {**_EVENT, "op": {"enum": ["share", "unshare"]}, "channel": _LABEL}),
    "feedback": (events.Feedback, {**_EVENT, "kind": _LABEL}),
    "video": (
        events.VideoFacts,
        {
            "creator": _NAME, "sound": _NAME, "category": _NAME, "language": _LABEL, "duration_ms": _DURATION,
            "published_ms": _TIME, "tags": {"maxItems": 16, "uniqueItems": True, "items": {"type": "string", **_NAME}},
            "visibility": {"enum": list(events.VISIBILITIES)}, "status": {"enum": list(events.VIDEO_STATUSES)},
        },
    ),
    "account": (
        events.AccountState,
        {
            "region": _REGION, "trust": {"minimum": 0, "maximum": 1},
            "age_band": {"enum": list(events.AGE_BANDS)}, "status": {"enum": list(events.ACCOUNT_STATUSES)},
        },
    ),
}  # fmt: skip
"""What producers write -> type and limits by field (the checks of arrival; see also core/reasons.py)."""
ROWS: dict[str, type] = {
    "interests": rows.UserRow,
    "pairs": rows.PairRow,
    "parked": rows.ParkedRow,
    "videos-table-facts": rows.FactsRow,
    "counters": rows.CounterRow,
    "chart": published.Chart,
    "commit": published.Commit,
}
"""What readers find, decoded -> type. `counters` are the rows of trends and of a video's region."""


def schema_of(name: str, kind: type, limits: dict[str, Json]) -> Json:
    """JSON Schema of one type with the limits of its fields."""
    (found,), components = msgspec.json.schema_components([kind])
    top = components.pop(str(found["$ref"]).rsplit("/", 1)[-1])
    for field, limit in limits.items():
        if field in top["properties"]:
            _limit(top["properties"][field], limit)
    schema = {"$schema": DIALECT, "$id": f"{name}.v1.json", **top}
    text = json.dumps({**schema, "$defs": components} if components else schema)
    return dict(json.loads(text.replace("#/components/schemas/", "#/$defs/").replace(": {}", ": {}")))


def _limit(schema: Json, limit: Json) -> None:
    """Put limits on a field; on the branch that is not null if it may be null."""
    for branch in schema.get("anyOf", [schema]):
        if branch.get("type") != "null":
            branch.update(limit)


def files() -> dict[str, str]:
    """Everything under `schemas/` that is generated: path -> text."""
    made = {f"{name}.v1.json": schema_of(name, kind, limits) for name, (kind, limits) in EVENTS.items()}
    made |= {f"rows/{name}.v1.json": schema_of(name, kind, {}) for name, kind in ROWS.items()}
    made |= {f"samples/good/{name}.json": _sample(sample) for name, sample in GOOD.items()}
    made |= {f"samples/bad/{reason.value}.json": _sample(sample) for reason, sample in BAD.items()}
    return {path: json.dumps(content, indent=2, ensure_ascii=True) + "\n" for path, content in made.items()}


def _sample(sample: Sample) -> Json:
    found: Json = {"topic": sample.topic, "key": sample.key, "value": sample.value}
    return found if sample.partition is None else {**found, "partition": sample.partition}


def drift(folder: Path) -> list[str]:
    """One line for each file that is not what the code says."""
    expected = files()
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.json")} - {"asyncapi.json", "openapi.json"}
    lines = [f"{path}: no longer generated, delete it" for path in sorted(found - expected.keys())]
    for path, text in sorted(expected.items()):
        place = folder / path
        if not place.exists():
            lines.append(f"{path}: missing")
        elif place.read_text("utf-8") != text:
            lines.append(f"{path}: not what the code says")
    return lines


@click.group(name="schemas")
def command() -> None:
    """Write the JSON Schemas of all records and rows with golden samples, or check them for drift."""


@command.command()
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def write(folder: Path) -> None:
    """Write all files from the types in the code."""
    for path, text in files().items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    click.echo(f"{len(files())} files in {folder}; {len(BAD)} of {len(Reason)} reasons have a sample")


@command.command()
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def check(folder: Path) -> None:
    """Exit 1 if a file is not what the code says."""
    if lines := drift(folder):
        for line in [*lines, "run `streams schemas write` and commit the result"]:
            click.echo(line, err=True)
        sys.exit(1)
    click.echo("schemas are what the code says")
