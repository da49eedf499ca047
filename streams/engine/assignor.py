"""Assigns partition numbers: whoever owns number p owns partition p of every topic. Sticky, with standbys."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types import TP


class Ownership(msgspec.Struct):
    """What a member says of itself when it joins, and what it is told."""

    owned: list[int] = []
    standby: list[int] = []


def place(numbers: int, members: Mapping[str, Ownership], standbys: int) -> dict[str, Ownership]:
    """Spread numbers evenly: as few moves as possible, and a move goes to a standby where there is one."""
    if not members:
        return {}
    names = sorted(members)
    limit = {name: numbers // len(names) for name in names}
    for name in sorted(names, key=lambda n: (-len(members[n].owned), n))[: numbers % len(names)]:
        limit[name] += 1
    plan = {name: Ownership([], []) for name in names}
    free = set(range(numbers))
    for name in names:
        for number in sorted(members[name].owned):
            if number in free and len(plan[name].owned) < limit[name]:
                plan[name].owned.append(number)
                free.discard(number)
    for number in sorted(free):
        open_names = [name for name in names if len(plan[name].owned) < limit[name]]
        best = min(open_names, key=lambda n: (number not in members[n].standby, len(plan[n].owned), n))
        plan[best].owned.append(number)
    for number in range(numbers):
        _place_standbys(number, members, plan, min(standbys, len(names) - 1))
    return plan


def _place_standbys(number: int, members: Mapping[str, Ownership], plan: dict[str, Ownership], standbys: int) -> None:
    others = [name for name in plan if number not in plan[name].owned]
    knows = {name: number in members[name].standby or number in members[name].owned for name in others}
    others.sort(key=lambda n: (not knows[n], len(plan[n].standby), n))
    for name in others[:standbys]:
        plan[name].standby.append(number)


class UnitAssignor(PartitionAssignor):
    """Faust's `PartitionAssignor` setting. The name differs from Faust's, so the two never mix in one group."""

    app: Any

    def __init__(self, app: Any, replicas: int = 0) -> None:
        super().__init__(app, replicas)
        self.ownership = Ownership()

    @property
    def name(self) -> str:
        return "streams-units"

    @property
    def version(self) -> int:
        return 1

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), msgspec.json.encode(self.ownership))

    def on_assignment(self, assignment: Any) -> None:
        self.ownership = msgspec.json.decode(assignment.user_data, type=Ownership)
        self._active_tps = {TP(topic, p) for topic, parts in assignment.assignment for p in parts}
        self._standby_tps = set()

    def _perform_assignment(self, cluster: Any, member_metadata: Any) -> dict[str, ConsumerProtocolMemberAssignment]:
        members = {name: msgspec.json.decode(m.user_data, type=Ownership) for name, m in member_metadata.items()}
        topics = sorted({topic for m in member_metadata.values() for topic in m.subscription})
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        numbers = max(counts.values(), default=0)
        plan = place(numbers, members, self.app.engine.options.standbys)
        return {
            name: ConsumerProtocolMemberAssignment(
                self.version,
                [(topic, [p for p in owned.owned if p < counts[topic]]) for topic in topics],
                msgspec.json.encode(owned),
            )
            for name, owned in plan.items()
        }
