"""Writes jars.lock anew: `python -m streams.tools.broker.lock`, after a change of KAFKA_VERSION."""

import hashlib
import tempfile
from pathlib import Path

from jgo.maven import Artifact, MavenContext, PythonResolver
from jgo.parse import Coordinate

from streams.tools.broker.jars import KAFKA_VERSION, LOCK

# Kafka names only the logging interface; without this, there is no log to read when it fails.
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")
KAFKA = ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)


def main() -> None:
    """Resolve both roots, fetch every jar, write coordinate and SHA-256 of each, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(folder), timeout=60)
        # One by one: resolved together, the managed versions of the logging project replace Kafka's own clients.
        lines = _resolve(context, LOGGING) | _resolve(context, KAFKA)
    LOCK.write_text("\n".join(["# Written by streams/tools/broker/lock.py", *sorted(lines.values()), ""]), "utf-8")


def _resolve(context: MavenContext, root: tuple[str, str, str]) -> dict[str, str]:
    dependency = context.create_dependency(Coordinate(*root, scope="compile"))
    roots, transitive = context.resolver.resolve([dependency])
    needed = [*roots, *(item for item in transitive if item.scope in {"compile", "runtime"})]
    return {f"{item.groupId}:{item.artifactId}": _line(item.artifact) for item in needed}


def _line(artifact: Artifact) -> str:
    digest = hashlib.sha256(Path(artifact.resolve()).read_bytes()).hexdigest()
    return f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest}"


if __name__ == "__main__":
    main()
