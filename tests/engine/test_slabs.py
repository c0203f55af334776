"""Memory of nodes: what is freed in any order, and taken anew, harms no other node."""

from __future__ import annotations

import sys
import tracemalloc
from random import Random

import pytest

from autograd_mini import Value, add, exp, mul, sum, topological_order, where


def test_nodes_freed_in_any_order_leave_the_others_as_they_are():
    rng = Random(0)
    kept: dict[int, Value] = {}
    for i in range(60_000):
        kept[i] = Value(float(i))
        if rng.random() < 0.6:
            kept.pop(rng.choice([i, rng.randrange(i + 1)]), None)
        if i % 20_000 == 19_999:  # nearly all at once: slabs that are empty, and a few that are not
            kept = {j: node for j, node in kept.items() if j % 100 == 0}
    assert [node.data for node in kept.values()] == [float(i) for i in kept]
    assert all(node.grad == 0.0 and node.is_leaf and node.label == "" for node in kept.values())


def test_graphs_in_memory_that_others_left_have_their_own_gradients():
    x = Value(2.0)
    for n in (10, 30_000, 300, 150_000, 5_000):
        total = x * 0.0
        for _ in range(n):
            total = total + x
        x.grad = 0.0
        total.backward()
        assert (total.data, x.grad, len(topological_order(total))) == (2.0 * n, float(n), n + 3)


def test_tracemalloc_sees_the_memory_of_nodes_and_that_it_is_freed():
    x = Value(2.0)
    tracemalloc.start()
    try:
        total = x * 1.0
        for _ in range(1000):
            total = total + x
        taken, _ = tracemalloc.get_traced_memory()
        del total
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken > 1000 * 64
    assert left < taken / 10


def test_nodes_give_back_every_reference_that_they_took():
    def build() -> None:
        x = Value(2.0, label="x")
        y = exp(x) * 3 + x / 2.0 - sum([x, x, x])
        y.label = "y"
        where(y > x, -y, x).backward()
        assert exp(0.0) == 1.0
        with pytest.raises(TypeError):
            exp(x, x)

    build()
    counted = [None, NotImplemented, add, mul, where, False, True]
    before = [sys.getrefcount(thing) for thing in counted]
    for _ in range(1000):
        build()
    after = [sys.getrefcount(thing) for thing in counted]
    assert all(abs(b - a) < 100 for a, b in zip(before, after)), (before, after)
