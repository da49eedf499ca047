"""Three brokers: the files of their nodes, the order of the faults, what counts as a change of leaders. Starts none."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

from streams.testing.three_brokers.cluster import PORTS, make_brokers
from streams.testing.three_brokers.faults import FROZEN_S, LONGEST_DOWN_S, Fault, Step, steps
from streams.testing.three_brokers.leaders import OFFSETS, TRANSACTIONS, Changes, Partition, coordinating
from streams.tools.broker import Broker
from streams.tools.broker.config import Node, server_properties
from streams.tools.broker.process import JVM_FLAGS

DATA = Path("/data")
VOTERS = {1: 21_001, 2: 21_002, 3: 21_003}


def told(text: str) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in text.splitlines()]
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def test_a_node_differs_from_the_single_process_in_what_it_needs_only() -> None:
    single = told(server_properties(DATA, 22_002, 21_002))
    node = told(server_properties(DATA, 22_002, 21_002, node=Node(2, VOTERS)))
    assert {name: value for name, value in node.items() if single.get(name) != value} == {
        "node.id": "2",
        "controller.quorum.voters": "1@127.0.0.1:21001,2@127.0.0.1:21002,3@127.0.0.1:21003",
        "min.insync.replicas": "2",
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.replication.factor": "3",
        "transaction.state.log.min.isr": "2",
        "share.coordinator.state.topic.replication.factor": "3",
        "share.coordinator.state.topic.min.isr": "2",
        "leader.imbalance.check.interval.seconds": "5",
    }
    assert single.keys() <= node.keys()
    assert node["listeners"] == "PLAINTEXT://127.0.0.1:22002,CONTROLLER://127.0.0.1:21002"


def test_the_single_process_is_alone() -> None:
    single = told(server_properties(DATA, 22_001, 21_001))
    assert (single["node.id"], single["controller.quorum.voters"]) == ("1", "1@127.0.0.1:21001")
    assert {value for name, value in single.items() if name.endswith(("replication.factor", "min.isr"))} == {"1"}
    assert "min.insync.replicas" not in single
    assert Broker(DATA).jvm_flags == JVM_FLAGS


def test_the_three_know_each_other_and_share_no_port(tmp_path: Path) -> None:
    brokers = make_brokers(tmp_path, tmp_path)
    nodes = [broker.node for broker in brokers if broker.node]
    assert [node.number for node in nodes] == [1, 2, 3]
    assert all(node.controllers == nodes[0].controllers for node in nodes)
    ports = [broker.port for broker in brokers] + list(nodes[0].controllers.values())
    assert len(set(ports)) == 6
    assert set(ports) <= set(PORTS)
    assert len({broker.data_dir for broker in brokers}) == 3


@pytest.mark.parametrize("seed", range(20))
def test_in_six_faults_each_broker_is_killed_once_and_frozen_once(seed: int) -> None:
    found = list(islice(steps(seed), 60))
    assert found == list(islice(steps(seed), 60))
    for begin in range(0, 60, 6):
        six = found[begin : begin + 6]
        assert sorted((step.fault, step.place) for step in six) == sorted(
            (fault, place) for fault in (Fault.KILL, Fault.FREEZE) for place in range(3)
        )
        assert all(before.place != after.place for before, after in pairwise(six))
    assert all(_lasts(step) for step in found)


def _lasts(step: Step) -> bool:
    return step.lasts_s == FROZEN_S if step.fault is Fault.FREEZE else 0 <= step.lasts_s <= LONGEST_DOWN_S


@pytest.mark.parametrize(
    ("group", "java_hash"), [("hello", 99_162_322), ("Hello, World!", 1_498_789_909), ("streams", -1_881_890_573)]
)
def test_the_coordinator_is_found_by_javas_hash(group: str, java_hash: int) -> None:
    assert [coordinating(group, count) for count in (4, 50)] == [abs(java_hash) % 4, abs(java_hash) % 50]


def test_a_partition_without_a_leader_has_not_changed_it_yet() -> None:
    changes = Changes("streams")

    def look(*leaders: int) -> dict[str, int]:
        topics = ["views", TRANSACTIONS, *[OFFSETS] * 4]
        numbers = [0, 0, 0, 1, 2, 3]
        changes.saw(Partition(*seen, frozenset(), 1) for seen in zip(topics, numbers, leaders, strict=True))
        return changes.figures()

    place = coordinating("streams", 4)
    others = [1, 1, 1, 1]
    assert set(look(1, 1, *others).values()) == {0}
    assert set(look(-1, 1, *others).values()) == {0}
    assert set(look(1, 1, *others).values()) == {0}
    others[place] = 2
    others[place - 1] = -1
    assert look(2, 3, *others) == {
        "leader_changes": 3, "group_coordinator_changes": 1, "transaction_coordinator_changes": 1
    }  # fmt: skip
