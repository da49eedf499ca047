"""The file map of docs/architecture.md, made from the first line of every module: `python -m streams.tools.filemap`."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
HEADING = "## File map"
PACKAGES = {
    "core": "Arrival, weighing, counting: pure",
    "engine": "Faust with batches and transactions: no domain",
    "wire": "Kafka's record batches: nothing of ours",
    "agents": "The three agents",
    "serving": "Reading",
    "ops": "Operating",
    "tools": "Commands",
    "testing": "Test kit, shipped",
}


def first_line(path: Path) -> str:
    """First line of a module's docstring; ValueError if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text()))
    if not text:
        raise ValueError(f"{path}: a module begins with what it is")
    return text.splitlines()[0]


def table(folder: Path, paths: list[Path]) -> str:
    """Markdown table of modules, named relative to `folder`."""
    rows = [f"| `{path.relative_to(folder)}` | {first_line(path)} |" for path in paths]
    return "\n".join(["| file | what it is |", "|---|---|", *rows])


def file_map() -> str:
    """Every module of `streams/`, package by package in the order of the flow."""
    streams = ROOT / "streams"
    parts = [HEADING, table(streams, [p for p in sorted(streams.glob("*.py")) if p.name != "__init__.py"])]
    for package, meaning in PACKAGES.items():
        folder = streams / package
        paths = [p for p in sorted(folder.rglob("*.py")) if p.name not in {"__init__.py", "__main__.py"}]
        parts += [f"### `streams/{package}/`: {meaning}", table(folder, paths)]
    return "\n\n".join(parts) + "\n"


def page() -> str:
    """The page with the map made anew."""
    return PAGE.read_text().split(HEADING)[0] + file_map()


if __name__ == "__main__":
    PAGE.write_text(page())
