"""The last word of a run: the audit's findings and the run's figures as one JSON object."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from streams.ops.tether import tethered
from streams.tools.run.session import Outcome

WAIT_S = 60
"""The audit's patience with workers that are about to commit what came last."""


async def audit(environ: Mapping[str, str], stop: asyncio.Event) -> tuple[int, dict[str, Any]]:
    """Run `streams audit` -> (its exit code, the object it printed last; empty if it printed none).

    Ended, with a negative code, when `stop` is set meanwhile.
    """
    command = tethered([sys.executable, "-m", "streams", "audit", "--json", "--wait", str(WAIT_S)])
    process = await asyncio.create_subprocess_exec(*command, env=dict(environ), stdout=asyncio.subprocess.PIPE)
    reading = asyncio.create_task(process.communicate())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not reading.done():
        process.kill()
    out, _ = await reading
    return process.returncode or 0, last_object(out.decode())


def last_object(text: str) -> dict[str, Any]:
    """The JSON object on the last line that is one; empty if there is none."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    return {}


def verdict(outcome: Outcome, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the run prints last. `events` and `dead_letters` are all the topics hold, those of earlier runs too;
    `seconds` is the time from the first record written to the last one folded in this run.
    """
    return {
        "events": found.get("events", outcome.events),
        "rows_checked": found.get("rows_checked"),
        "wrong_rows": found.get("wrong_rows"),
        "rows_excused": found.get("rows_excused"),
        "dead_letters": found.get("dead_letters", outcome.dead_letters),
        "seconds": round(outcome.seconds, 1),
        "events_per_s": round(outcome.events_per_s),
    }


def exit_code(audit_code: int, found: Mapping[str, Any]) -> int:
    """0 only if the audit checked rows and found none wrong."""
    return 0 if audit_code == 0 and found.get("wrong_rows") == 0 else audit_code or 1
