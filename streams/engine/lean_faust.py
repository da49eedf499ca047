"""Loads Faust without the HTTP client that it names in one type: nobody here uses it, and every restart would pay.

aiohttp makes two TLS contexts when it is imported, which reads all certificates of the machine.
"""

import importlib
import sys
from types import ModuleType


def load() -> None:
    """Import Faust; whoever imports aiohttp later gets the real one. No effect if either is loaded already."""
    if "faust" in sys.modules or "aiohttp" in sys.modules:
        return
    client = ModuleType("aiohttp.client")
    client.__dict__["ClientSession"] = object
    stand_ins = {"aiohttp": ModuleType("aiohttp"), "aiohttp.client": client}
    sys.modules.update(stand_ins)
    try:
        importlib.import_module("faust.types.web")
    finally:
        for name in stand_ins:
            del sys.modules[name]


load()
