"""Grafana dashboards made from the panels below; `deploy.generate` writes them to deploy/grafana/*.json."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parent / "grafana"
PANELS = Path(__file__).parent / "dashboards.yml"
WIDTH, HEIGHT, ROW = 8, 8, 24
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
SCHEMA = 39


class Panel(NamedTuple):
    """One graph: what it shows, unit of Grafana, and the queries with their legends."""

    title: str
    help: str
    unit: str
    queries: dict[str, str]
    zero: bool = False
    """Without data in a healthy pipeline, and why is said in `help`."""


def panels() -> dict[str, list[Panel]]:
    """Panels of each dashboard by its name, as declared in dashboards.yml."""
    data = yaml.safe_load(PANELS.read_text("utf-8"))
    return {name: [Panel(**panel) for panel in found] for name, found in data.items()}


def files() -> dict[Path, str]:
    """The dashboards: path -> text."""
    return {
        FOLDER / f"{name}.json": json.dumps(_dashboard(name, found), indent=2, sort_keys=True) + "\n"
        for name, found in panels().items()
    }


def _dashboard(name: str, found: list[Panel]) -> dict[str, Any]:
    return {
        "uid": f"streams-{name}",
        "title": f"Interaction Streams: {name.replace('-', ' ')}",
        "tags": ["interaction-streams"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": []},
        "templating": {"list": []},
        "panels": [_panel(number, panel) for number, panel in enumerate(found)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, ROW // WIDTH)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": DATASOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }
