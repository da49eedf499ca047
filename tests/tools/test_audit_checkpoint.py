"""The oracle checkpoint: with it the log before it may go, and the audit is as sharp as from the beginning."""

from pathlib import Path

import msgspec
import pytest

from streams.core.rows import UserRow
from streams.testing.audit_world import MemorySource, Pipeline, busy, facts_of, live
from streams.tools.audit.checkpoint import Checkpoint, load
from streams.tools.audit.log import NotProvableError
from tests.tools.tampering import ALTERED, alter_row, audited, set_views, shown

KEPT = ("views", "likes", "shares", "feedback", "accounts", "commits", "video-tallies", "trend-tallies")


def trimmed(made: Pipeline, base: Checkpoint) -> MemorySource:
    """Without the records before the checkpoint."""
    source = MemorySource(dict(made.logs), made.partitions).copy()
    for topic in KEPT:
        for number in range(made.partitions):
            first = base.next_commits[number] if topic == "commits" else base.position(topic, number)
            source.logs[topic, number] = [e for e in source.logs.get((topic, number), []) if e.offset >= first]
            source.starts[topic, number] = first
    return source


def saved(made: Pipeline, path: Path) -> Path:
    audited(MemorySource(dict(made.logs), made.partitions)).checkpoint().save(path)
    return path


def lived_on(made: Pipeline) -> None:
    live(made, {f"w{number}": facts_of(made.rng) for number in range(3)}, range(1_000, 1_300))


@pytest.mark.parametrize("seed", range(6))
def test_from_a_checkpoint_on_everything_is_right(seed: int, tmp_path: Path) -> None:
    made = busy(seed)
    path = saved(made, tmp_path / "one")
    lived_on(made)
    source = trimmed(made, load(path, made.partitions))
    with pytest.raises(NotProvableError, match="--from FILE"):
        audited(source)
    audit = audited(source, load(path, made.partitions))
    assert shown(audit) == []
    whole = audited(MemorySource(dict(made.logs), made.partitions))
    assert (audit.events, audit.watermark_ms) == (whole.events, whole.watermark_ms)
    later = tmp_path / "two"
    audit.checkpoint().save(later)
    lived_on(made)
    assert shown(audited(trimmed(made, load(later, made.partitions)), load(later, made.partitions))) == []


@pytest.mark.parametrize(("table", "decode", "change"), ALTERED, ids=lambda x: getattr(x, "__name__", x))
def test_an_altered_row_is_found(table: str, decode: object, change: object, tmp_path: Path) -> None:
    made = busy(3, tags=3, changes=False)
    path = saved(made, tmp_path / "one")
    known = {video: msgspec.to_builtins(facts) for video, facts in load(path, 2).facts.last.items()}
    live(made, known, range(1_000, 1_100), tags=3, changes=False)
    source = trimmed(made, load(path, made.partitions))
    alter_row(source, table, decode, change)  # type: ignore[arg-type]
    audit = audited(source, load(path, made.partitions))
    assert audit.verdict.wrong == {table: 1}, shown(audit)


def test_there_is_no_checkpoint_of_something_wrong(tmp_path: Path) -> None:
    made = busy(3)
    source = MemorySource(dict(made.logs), made.partitions).copy()
    alter_row(source, "interests", UserRow.decode, set_views)
    with pytest.raises(NotProvableError, match="without a wrong row"):
        audited(source).checkpoint()
    path = saved(made, tmp_path / "one")
    with pytest.raises(NotProvableError, match="3 partitions"):
        load(path, 3)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(NotProvableError, match="no checkpoint"):
        load(path, made.partitions)
