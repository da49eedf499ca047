"""Fixtures of several modules here."""

import pytest

from streams.testing.audit_world import MemorySource, busy


@pytest.fixture(scope="session")
def right() -> MemorySource:
    """Logs with which nothing is wrong and nothing is excused. Copy before changing."""
    made = busy(3, tags=3, changes=False)
    return MemorySource(dict(made.logs), made.partitions)
