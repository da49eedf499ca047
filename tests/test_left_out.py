"""Tests of the kernels are skipped, in so many words, where no kernel was built; in CI that is an error."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.kernels import Kernels
from tests import conftest


class Item:
    """As much of a collected test as is looked at."""

    def __init__(self, *marks: str) -> None:
        self.marks, self.added = marks, list[pytest.MarkDecorator]()

    def get_closest_marker(self, name: str) -> bool:
        return name in self.marks

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.added.append(marker)


def collected(*items: Item) -> list[str]:
    """The lines at the end of a run of these."""
    config: Any = SimpleNamespace(stash=pytest.Stash(), hook=SimpleNamespace(pytest_deselected=lambda items: items))
    chosen: Any = list(items)
    conftest.pytest_collection_modifyitems(config, chosen)
    lines: list[str] = config.stash[conftest.LEFT_OUT]
    return lines


@pytest.fixture
def _no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernels, "built", lambda _self: [])


@pytest.mark.usefixtures("_no_kernels")
def test_without_kernels_their_tests_are_skipped_and_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    about_kernels, other = Item("compiled"), Item()
    (line,) = collected(about_kernels, other)
    assert line.startswith("skipped: 1 tests of the kernels")
    assert other.added == []
    (skip,) = about_kernels.added
    assert "install a C compiler" in skip.kwargs["reason"]


@pytest.mark.usefixtures("_no_kernels")
def test_in_ci_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.UsageError, match="1 tests of the kernels"):
        collected(Item("compiled"))
    assert collected(Item()) == []


def test_with_some_kernels_nothing_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lacks beside them is to be seen to fail."""
    monkeypatch.setattr(Kernels, "built", lambda self: ["facts"] if "core" in self._package else [])
    about_kernels = Item("compiled")
    assert collected(about_kernels) == []
    assert about_kernels.added == []
