"""Memory of nodes: what is freed in any order, and taken anew, harms no other node."""

from __future__ import annotations

import sys
import tracemalloc
from contextlib import suppress
from random import Random

import pytest

from autograd_mini import COMPILED, Value, add, elu, exp, mul, operation, sum, topological_order, where


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

    build()
    counted = [None, add, mul, where, False, True]
    before = [sys.getrefcount(thing) for thing in counted]
    for _ in range(1000):
        build()
    after = [sys.getrefcount(thing) for thing in counted]
    assert all(abs(b - a) < 100 for a, b in zip(before, after)), (before, after)


def test_calls_give_back_every_reference_that_they_took():
    cube = operation("cube(x)", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    x = Value(2.0)

    def call() -> None:
        for arguments in ((x,), (1.0,), (), (x, x, x, x), ("x",)):
            for op in (exp, cube, elu, sum):
                with suppress(TypeError):
                    op(*arguments)
        elu(x=x, a=2.0)

    call()
    counted = [NotImplemented, exp, cube, elu, x]
    before = [sys.getrefcount(thing) for thing in counted]
    for _ in range(1000):
        call()
    after = [sys.getrefcount(thing) for thing in counted]
    assert all(abs(b - a) < 100 for a, b in zip(before, after)), (before, after)


@pytest.mark.skipif(not COMPILED, reason="the plain engine leaves it to Python how its nodes are freed")
def test_a_chain_is_freed_where_there_is_no_memory_for_nodes_that_wait():
    capi = pytest.importorskip("_testcapi")
    x = Value(2.0)
    chain = [x]
    for _ in range(1000):
        chain[0] = chain[0] + x
    capi.set_nomemory(0, 1)  # the next allocation fails
    chain.clear()
    capi.remove_mem_hooks()  # an error that had been left set would be raised here
    assert sys.getrefcount(x) == 2
