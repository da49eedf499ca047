"""Slots by name: a hash table over bytes, and a dictionary behind the same interface where no kernel is."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np

from streams.core.compiled import compiled
from streams.core.counters.arrays import Ints


class NameIndex:
    """Slots of names."""

    def __init__(self, names: list[bytes]) -> None:
        """`names`: the owner's list by slot."""
        self._slot: dict[bytes, int] = {}
        self._names = names

    def __len__(self) -> int:
        return len(self._slot)

    def find(self, names: Sequence[bytes]) -> Ints:
        """Slots of names, -1 where there is none."""
        return np.fromiter(map(self._slot.get, names, repeat(-1)), np.int64, len(names))

    def add(self, names: Sequence[bytes], slots: Sequence[int]) -> None:
        """Give distinct names, none of which has one, these slots."""
        self._slot.update(zip(names, slots, strict=True))

    def remove(self, slots: Sequence[int]) -> None:
        """Forget slots that have names."""
        for slot in slots:
            del self._slot[self._names[slot]]


def index_of(names: list[bytes]) -> Any:
    """An empty index of names; its owner puts names into the list, by slot, before they are added."""
    kernel = compiled("counters")
    return NameIndex(names) if kernel is None else kernel.NameTable(names)
