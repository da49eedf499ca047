"""Contract: Faust names aiohttp in one type and uses it nowhere else on the way to a worker."""

import subprocess
import sys

SCRIPT = """
import sys
import streams.worker
assert "faust" in sys.modules
assert "aiohttp" not in sys.modules, "a worker loads an HTTP client that it does not use"
import aiohttp
assert aiohttp.ClientSession.__module__ == "aiohttp.client"
"""


def test_a_worker_loads_no_http_client_and_others_still_can() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
