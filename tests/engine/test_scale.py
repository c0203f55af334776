"""Depth, size and threads: no recursion, no leak, no lost update."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import sys
import tracemalloc

import pytest
from processes import run
from threads import in_threads

import autograd_mini
from autograd_mini import COMPILED, Value, dot, grad, topological_order

TEN_MILLION = 10_000_000
MILLION = 1_000_000


def chain(x: Value, length: int) -> Value:
    node = x
    for _ in range(length):
        node = -node
    return node


def test_a_chain_of_ten_million_nodes_is_built_differentiated_and_freed() -> None:
    x = Value(3.0)
    root = chain(x, TEN_MILLION)
    root.backward()
    assert (root.data, x.grad) == (3.0, 1.0)
    del root
    assert x.data == 3.0


def test_a_fan_of_a_million_is_built_differentiated_and_freed() -> None:
    xs = [Value(1.0) for _ in range(MILLION)]
    for root in (autograd_mini.sum(xs), dot(xs, xs)):
        assert root.data == MILLION
        root.backward()
    del root
    assert {x.grad for x in xs} == {3.0}


def test_one_leaf_used_a_million_times_accumulates_every_use() -> None:
    x = Value(1.0)
    root = autograd_mini.sum([x] * MILLION)
    root.backward()
    assert x.grad == MILLION
    total = sum(x * 2.0 for _ in range(100_000))
    x.grad = 0.0
    total.backward()
    assert x.grad == 200_000.0


def test_deep_graphs_are_copied_pickled_and_transformed() -> None:
    depth = 100_000  # more frames than any stack has room for
    x = Value(3.0, "x")
    root = chain(x, depth)
    assert len(topological_order(root)) == depth + 1
    twin = copy.deepcopy(root)
    again = pickle.loads(pickle.dumps(root))
    for other in (twin, again):
        leaf = topological_order(other)[0]
        other.backward()
        assert (leaf.label, leaf.grad) == ("x", 1.0)
    assert grad(grad(lambda v: chain(v, depth) * v))(3.0) == 2.0
    assert x.grad == 0.0


def test_memory_returns_without_the_garbage_collector() -> None:
    weights = [Value(0.1 * i) for i in range(30)]  # longer than the tuples of which CPython keeps spare ones

    def step() -> None:
        loss = autograd_mini.sum([(dot(weights, [float(j)] * 30).tanh() - w) ** 2 for j, w in enumerate(weights)])
        loss.backward()
        for w in weights:
            w.data -= 1e-6 * w.grad
            w.grad = 0.0

    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        for _ in range(50):  # until the interpreter's own stores of spare objects are full
            step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            step()
        growth = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert growth < 10_000  # one leaked step would be over 40 kB, two hundred over 8 MB


@pytest.mark.skipif(not COMPILED, reason="the size of a node of the compiled engine")
def test_a_binary_node_takes_at_most_110_bytes() -> None:
    x = Value(1.0)
    assert sys.getsizeof(x * x) <= 110


def test_threads_over_shared_parameters_sum_the_gradients_that_one_thread_sums() -> None:
    def work(parameters: list[Value], rounds: int) -> None:
        for i in range(rounds):
            loss = sum((p * float(i % 7) + 1.0).relu() for p in parameters)
            loss.backward()

    alone = [Value(float(i)) for i in range(10)]
    for _ in range(4):
        work(alone, 200)
    shared = [Value(float(i)) for i in range(10)]
    in_threads(4, lambda i: work(shared, 200))
    assert [p.grad for p in shared] == [p.grad for p in alone]  # sums of small integers are exact


def test_threads_that_share_a_graph_get_whole_backward_passes() -> None:
    x = Value(2.0)
    middle = chain(x, 1001)
    roots = [middle * float(i) for i in range(1, 5)]
    in_threads(4, lambda i: [roots[i].backward() for _ in range(50)])
    assert x.grad == -50.0 * (1 + 2 + 3 + 4)


FORK = """
from autograd_mini import Value
from processes import at_work, check_in_children

root = Value(1.0)
for _ in range(10_000):
    root = -root

def is_right():
    x = Value(3.0)
    (x * x).backward()
    return x.grad == 6.0

with at_work(root.backward):
    check_in_children(20, is_right)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform can't fork")
def test_a_forked_child_can_run_backward_while_a_thread_of_the_parent_does() -> None:
    run(FORK)
