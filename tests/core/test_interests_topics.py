"""Topic lists in columns against one list at a time."""

import random

import numpy as np
import pytest

from streams.core.interests import topics
from streams.core.interests.topics import OneList, Shares, TopicLists
from streams.core.params import NEGATIVE_KEPT, NEGATIVE_TOPICS

ROWS = 40
Share = tuple[int, int, float, float, bool]


def plain(shares: list[Share], most: int, kept: int) -> dict[int, dict[int, list[np.float32]]]:
    """Share after share with numpy's own float32 numbers."""
    rows: dict[int, dict[int, list[np.float32]]] = {row: {} for row in range(ROWS)}
    for row, topic, fast, slow, undo in shares:
        listed = rows[row]
        if topic not in listed:
            if undo:
                continue
            if len(listed) == most:
                for gone in sorted(listed, key=lambda t: (listed[t][1], t))[: most - kept]:
                    del listed[gone]
            listed[topic] = [np.float32(0), np.float32(0)]
        listed[topic][0] += np.float32(fast)
        listed[topic][1] += np.float32(slow)
    return rows


def random_shares(rng: random.Random, count: int, rows: int) -> list[Share]:
    made = []
    for _ in range(count):
        undo = rng.random() < 0.2
        weight = -1.0 if undo else rng.choice((1.0, 0.5, 0.25, rng.random()))
        row = min(int(rng.paretovariate(0.5)), rows) - 1
        made.append((row, rng.randrange(80) * 50_000_000 + 7, weight * 0.7, weight, undo))
    return made


def columns(shares: list[Share]) -> Shares:
    rows, hashes, fast, slow, undo = zip(*sorted(shares, key=lambda s: s[0]), strict=True)
    amounts = np.array(fast, np.float32), np.array(slow, np.float32)
    return Shares(np.array(rows, np.int64), np.array(hashes, np.uint32), amounts, np.array(undo))


def found(lists: TopicLists) -> dict[int, dict[int, list[np.float32]]]:
    return {
        row: {int(lists.topic[row, i]): [w[row, i] for w in lists.weights] for i in range(int(lists.size[row]))}
        for row in range(ROWS)
    }


@pytest.mark.parametrize("few_rows", [0, 3, 1000])
@pytest.mark.parametrize("rows", [2, ROWS])
def test_same_bits_as_share_after_share(monkeypatch: pytest.MonkeyPatch, few_rows: int, rows: int) -> None:
    monkeypatch.setattr(topics, "FEW_ROWS", few_rows)
    rng = random.Random(rows)
    lists = TopicLists(NEGATIVE_TOPICS, NEGATIVE_KEPT, kinds=2)
    lists.grow(ROWS)
    shares: list[Share] = []
    for _ in range(6):
        more = random_shares(rng, 300, rows)
        before = plain(shares, NEGATIVE_TOPICS, NEGATIVE_KEPT)
        shares += more
        after = plain(shares, NEGATIVE_TOPICS, NEGATIVE_KEPT)
        dropped = set(lists.add(columns(more)).tolist())
        assert found(lists) == after
        assert {row for row in before if set(before[row]) - set(after[row])} <= dropped
        assert [list(after[r]) for r in after] == [list(listed) for listed in found(lists).values()]
    assert dropped


def test_a_full_list_drops_its_smallest_before_the_new_topic_enters() -> None:
    lists = TopicLists(4, 2, kinds=1)
    lists.grow(1)
    weights = np.array([3, 1, 2, 2, 0.5], np.float32)
    rows, names = np.zeros(5, np.int64), np.array([1, 2, 4, 3, 5], np.uint32)
    assert lists.add(Shares(rows, names, (weights,), None)).tolist() == [0]
    assert lists.topic[0, :3].tolist() == [1, 4, 5]
    assert lists.weights[0][0].tolist() == [3, 2, 0.5, 0]


def test_an_undo_of_a_topic_that_is_not_listed_adds_nothing() -> None:
    lists = TopicLists(4, 2, kinds=1)
    lists.grow(1)
    rows, names = np.zeros(3, np.int64), np.array([9, 9, 9], np.uint32)
    undo = np.array([True, False, True])
    lists.add(Shares(rows, names, (np.array([-1, 1, -0.25], np.float32),), undo))
    assert (int(lists.size[0]), float(lists.weights[0][0, 0])) == (1, 0.75)


def test_negative_weights_rank_below_zero() -> None:
    lists = TopicLists(3, 1, kinds=1)
    lists.grow(1)
    one = OneList(lists, 0)
    for topic, weight in ((1, 1.0), (2, 0.5), (3, 0.1)):
        one.add(topic, (weight,), undo=False)
    one.add(2, (-2.0,), undo=True)
    one.store(lists, 0)
    added = Shares(np.zeros(1, np.int64), np.array([4], np.uint32), (np.array([0.2], np.float32),), None)
    lists.add(added)
    assert lists.topic[0, :2].tolist() == [1, 4]
