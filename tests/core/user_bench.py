"""A user stage with its catalogue and rows, and records for it."""

import json
from typing import Any

from streams.core.events import VideoFacts
from streams.core.interests import UserStage
from streams.core.ports import Output
from streams.core.rows import UserRow
from streams.core.tallies import unpack
from streams.testing.user_world import PARTITIONS, START_MS, DictRows, FakeCatalogue, FakeRecord, names_here

DAY_MS = 86_400_000
ANNA, BERT = names_here(2, 1)
FACTS = VideoFacts("c", "s", ("a", "b"), "g", 20_000, "de", 0)


class Bench:
    """A stage with its catalogue and rows."""

    def __init__(self) -> None:
        self.catalogue, self.rows = FakeCatalogue(), DictRows()
        self.flush = 0
        self.stage = self.anew()

    def anew(self) -> UserStage:
        self.stage = UserStage(1, PARTITIONS, self.rows, self.catalogue)
        return self.stage

    def view(self, number: int = 0, *, user: str = ANNA, now: int = START_MS, **fields: Any) -> FakeRecord:
        event = {"id": f"e{number}", "user": user, "video": "v", "at_ms": now, "watch_ms": 20_000, **fields}
        return FakeRecord(user.encode(), json.dumps(event).encode(), number, now)

    def like(self, number: int, op: str = "like", *, now: int = START_MS, **fields: Any) -> FakeRecord:
        event = {"id": f"e{number}", "user": ANNA, "video": "v", "at_ms": now, "op": op, **fields}
        return FakeRecord(ANNA.encode(), json.dumps(event).encode(), number, now)

    def account(self, **fields: Any) -> FakeRecord:
        return FakeRecord(ANNA.encode(), json.dumps(fields).encode())

    def collect(self) -> Output:
        self.flush += 1
        output = self.stage.collect(self.flush)
        self.rows.take(output)
        return output

    def row(self, user: str = ANNA) -> UserRow:
        return UserRow.decode(self.rows.tables["interests"][user.encode()])


def cells(output: Output) -> dict[tuple[bytes, int], list[int]]:
    found: dict[tuple[bytes, int], list[int]] = {}
    for send in output.sends:
        tally = unpack(send.value or b"")
        names = [n for n, k in zip(tally.names, tally.per_name.tolist(), strict=True) for _ in range(k)]
        found |= dict(zip(zip(names, tally.codes.tolist(), strict=True), tally.counts.tolist(), strict=True))
    return found
