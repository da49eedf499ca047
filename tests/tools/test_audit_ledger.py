"""The book-keeping of the pipeline, tallies and commits: every kind of tampering is found."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from streams.core import tallies
from streams.core.published import Commit
from streams.testing.audit_world import MemorySource
from tests.tools.tampering import audited, replaced, shown


@pytest.mark.parametrize("topic", ["video-tallies", "trend-tallies"])
def test_an_altered_tally_is_found(right: MemorySource, topic: str) -> None:
    source = right.copy()
    log = source.logs[topic, 0]
    at, tally = next((i, t) for i, t in enumerate(tallies.unpack(e.value or b"") for e in log) if t.names)
    counts = tally.counts.copy()
    counts[0] += np.array([1, 0, 0])
    (value,) = tallies.pack(tally._replace(counts=counts))
    replaced(source, topic, 0, at, value=value)
    audit = audited(source)
    assert audit.verdict.wrong[topic] >= 1
    assert set(audit.verdict.wrong) == {topic}, shown(audit)


def test_a_lost_tally_is_found(right: MemorySource) -> None:
    source = right.copy()
    log = source.logs["video-tallies", 0]
    del log[-1]
    assert audited(source).verdict.wrong["commits"] == 1


def with_commit(source: MemorySource, at: int, change: Callable[[Commit], None]) -> MemorySource:
    log = source.logs["commits", 0]
    commit = msgspec.json.decode(log[at].value or b"", type=Commit)
    change(commit)
    replaced(source, "commits", 0, at, value=msgspec.json.encode(commit))
    return source


def lower_position(commit: Commit) -> None:
    commit.positions["views"] -= 1


def lower_flush(commit: Commit) -> None:
    commit.flush -= 1


def lower_table(commit: Commit) -> None:
    commit.tables["interests"] = 0


def lower_folded(commit: Commit) -> None:
    commit.folded["video-tallies"]["0"] -= 1


def other_partition(commit: Commit) -> None:
    commit.partition = 1


def lower_watermark(commit: Commit) -> None:
    commit.watermark_ms = 1


COMMIT_CHANGES = [lower_position, lower_flush, lower_table, lower_folded, other_partition, lower_watermark]


@pytest.mark.parametrize("change", COMMIT_CHANGES, ids=lambda change: change.__name__)
def test_an_altered_commit_is_found(right: MemorySource, change: Callable[[Commit], None]) -> None:
    audit = audited(with_commit(right.copy(), -1, change))
    assert audit.verdict.wrong["commits"] >= 1, shown(audit)


def test_a_position_moved_between_two_commits_is_found(right: MemorySource) -> None:
    def higher(commit: Commit) -> None:
        commit.positions["views"] += 1

    log = right.logs["commits", 0]
    views = [msgspec.json.decode(entry.value or b"", type=Commit).positions["views"] for entry in log]
    at = next(i for i in range(1, len(views) - 1) if views[i] + 3 < views[i + 1])
    assert audited(with_commit(right.copy(), at, higher)).verdict.wrong["video-tallies"] >= 1


def test_a_missing_commit_is_found(right: MemorySource) -> None:
    source = right.copy()
    del source.logs["commits", 0][3]
    assert audited(source).verdict.wrong["commits"] >= 1
