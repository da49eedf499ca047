"""What the live view asks the read service."""

from collections.abc import Sequence
from typing import Any

import aiohttp

TOP = 8
TIMEOUT = aiohttp.ClientTimeout(total=2.0)
Ranking = list[tuple[str, float]]
"""(name, score), greatest first."""


class Reads:
    """The newest answers of the read service; what it cannot answer now stays as it was."""

    def __init__(self, url: str, users: Sequence[str]) -> None:
        """`users`: whose interests to show: the first of them that is served."""
        self.url = url
        self.tags: Ranking = []
        self.videos: Ranking = []
        self.user = ""
        self.interests: Ranking = []
        self.topics = 0
        self.ready = False
        self._users = list(users)

    async def refresh(self, session: aiohttp.ClientSession) -> None:
        """Ask for the charts and for the user."""
        self.ready = await _get(session, f"{self.url}/readyz") is not None
        if not self.ready:
            return
        self.tags = await self._trending(session, "tag") or self.tags
        self.videos = await self._trending(session, "video") or self.videos
        for user in [self.user] if self.user else self._users:
            found = await _get(session, f"{self.url}/v1/users/{user}/interests")
            if found is not None:
                interests = found["interests"]
                self.user, self.topics = user, len(interests)
                self.interests = [(_topic(entry), float(entry["score"])) for entry in interests[:TOP]]
                return

    async def _trending(self, session: aiohttp.ClientSession, kind: str) -> Ranking:
        found = await _get(session, f"{self.url}/v1/trending/{kind}?scope=*&window=24h&limit={TOP}")
        return [] if found is None else [(entry["id"], float(entry["score"])) for entry in found["entries"]]


def _topic(entry: dict[str, Any]) -> str:
    kind, name = entry["kind"], entry["name"]
    if not name:
        return f"#{entry['hash']:08x}"
    return str(name) if name.startswith(kind) else f"{kind} {name}"


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any] | None:
    """The JSON object behind a URL; None if there is none (now)."""
    try:
        async with session.get(url, timeout=TIMEOUT) as answer:
            if answer.status != 200:
                return None
            found: dict[str, Any] = await answer.json(content_type=None)
            return found
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
