"""Runs a module's tests twice: with the compiled kernels, and with the versions that stand in for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams.core.compiled import switch


@contextmanager
def version(*, kernels: bool) -> Iterator[None]:
    """Inside, the kernels (where they are built) are used or not."""
    switch(on=kernels)
    try:
        yield
    finally:
        switch(on=True)


@pytest.fixture(scope="module", params=[True, False], ids=["kernels", "plain"], autouse=True)
def each_version(request: pytest.FixtureRequest) -> Iterator[None]:
    """For every module that imports it."""
    with version(kernels=request.param):
        yield
