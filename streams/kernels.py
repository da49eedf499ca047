"""Compiled kernels (Cython) of a package: found where a C compiler built them, and switched off for comparisons."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType


class Kernels:
    """The extension modules of one package, each with a plain version elsewhere that gives the same bytes."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._on = True
        self._load = cache(self._found)

    def _found(self, name: str) -> ModuleType | None:
        try:
            return importlib.import_module(f"{self._package}.{name}")
        except ImportError:
            return None

    def compiled(self, name: str) -> ModuleType | None:
        """The kernel of this name, or None if it was not built or is switched off."""
        return self._load(name) if self._on else None

    def switch(self, *, on: bool) -> None:
        """Use the kernels or not. Asked at each call of `compiled`, so cache no module."""
        self._on = on

    def built(self) -> list[str]:
        """Names of the kernels that were built; empty where there was no C compiler."""
        return [found.name for found in pkgutil.iter_modules(importlib.import_module(self._package).__path__)]
