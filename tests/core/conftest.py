"""Fixtures of several modules here."""

import pytest

from tests.core.user_bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
