"""What a run comes to: the audit of all rows, and what the topics tell of the time between commits."""

import json
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError

from streams.core.rows import UserRow
from streams.testing.chaos.cluster import PARTITIONS, Cluster
from streams.testing.chaos.stalls import longest_stalls_s
from streams.tools.audit.log import KafkaSource

DRAIN_S = 120.0


async def judge(cluster: Cluster, say: Callable[[str], None]) -> tuple[dict[str, Any], list[str]]:
    """Wait until all is folded and recount it -> (figures, what is wrong)."""
    log = cluster.folder / "audit.log"
    code, line = await cluster.audit(DRAIN_S, log)
    say(f"audit: {line}")
    try:
        found = json.loads(line)
    except ValueError:
        return {}, [f"the audit ended with {code} and without a result: see {log}"]
    if "not_provable" in found:
        return {}, [f"not drained: {found['not_provable']}"]
    excused = found["rows_excused"]
    figures = {
        "events": found["events"], "rows_checked": found["rows_checked"], "wrong_rows": found["wrong_rows"],
        "rows_excused": sum(excused.values()) if isinstance(excused, dict) else excused,
    }  # fmt: skip
    if code or found["wrong_rows"]:
        return figures, [f"{found['wrong_rows']} wrong rows {found['wrong_by_table']}: see {log}"]
    return figures, []


async def measure(cluster: Cluster, begin_ms: int, end_ms: int) -> dict[str, Any]:
    """What the topics tell: repeats dropped (by all users' rows) and the longest times without a commit."""
    repeats, commits_ms = 0, {}
    try:
        async with KafkaSource(cluster.broker.bootstrap, partitions=PARTITIONS) as source:
            for partition in range(PARTITIONS):
                rows = {entry.key: entry.value for entry in await source.read("interests", partition)}
                images = [value for key, value in rows.items() if value and key and not key.startswith(b"\0")]
                repeats += sum(UserRow.decode(image).repeats for image in images)
                commits_ms[partition] = [entry.timestamp for entry in await source.read("commits", partition)]
    except KafkaError as error:
        return {"not_measured": repr(error)}
    longest_s, of_one_s = longest_stalls_s(commits_ms, begin_ms, end_ms)
    return {
        "repeats_dropped": repeats, "longest_stall_s": round(longest_s, 1),
        "longest_partition_stall_s": round(of_one_s, 1),
    }  # fmt: skip
