"""Graphs in several threads at once: right gradients over shared leaves, and every node freed. Without the GIL too."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable

import pytest
from threads import in_threads

from autograd_mini import COMPILED, Value, cosh, exp, grad, tanh, topological_order
from autograd_mini.engine.locks import compiling


def test_threads_add_up_gradients_in_shared_leaves() -> None:
    ws = [Value(0.5 + i) for i in range(10)]

    def work(k: int) -> None:
        for _ in range(100):
            sum(w * float(k) for w in ws).backward()

    in_threads(4, work)
    assert [w.grad for w in ws] == [100.0 * (0 + 1 + 2 + 3)] * 10


def test_threads_that_walk_one_graph_find_one_order() -> None:
    x = Value(0.1)
    y = x
    for _ in range(300):
        y = tanh(y) * exp(x) - y
    expected = [node.data for node in topological_order(y)]
    orders = in_threads(4, lambda _: [[node.data for node in topological_order(y)] for _ in range(20)])
    assert all(order == expected for found in orders for order in found)


@pytest.mark.parametrize("function", [tanh, lambda x: grad(tanh)(x)])
def test_threads_that_call_an_operation_first_at_the_same_time_agree(function: Callable[[Value], Value]) -> None:
    assert len({*in_threads(4, lambda _: function(Value(0.3)).data)}) == 1


def test_a_value_keeps_its_operation_while_threads_label_it_and_read_it() -> None:
    for _ in range(100):
        node = tanh(Value(0.3))
        labels = [f"node {i}" for i in range(4)]

        def work(i: int, node: Value = node, labels: list[str] = labels) -> bool:
            node.label = labels[i]
            return node.op is tanh and node.label in labels

        assert all(in_threads(4, work))
        node.label = ""
        assert (node.label, node.op, node.requires_grad) == ("", tanh, True)


def test_chains_freed_by_several_threads_at_once_are_freed() -> None:
    resource = pytest.importorskip("resource", reason="what memory was used at most is not asked of Windows here")
    length = 50_000 if COMPILED else 12_500  # of larger nodes

    def work(_: int) -> None:
        for _ in range(4):
            x = Value(1.0)
            for _ in range(length):
                x = x + 1.0
            del x

    in_threads(4, work)
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    for _ in range(4):
        in_threads(4, work)  # 64 chains: 256 MB and more if they stayed
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    assert after - before < 100e6


def test_the_first_call_of_a_function_does_not_wait_for_what_other_threads_compile() -> None:
    before, cosh.formulas[1] = cosh.formulas[1], False
    nodes: list[Value] = []
    thread = threading.Thread(target=lambda: nodes.append(cosh(Value(1.0))), daemon=True)
    with compiling:
        thread.start()
        thread.join(timeout=60)
        is_waiting = thread.is_alive()
    thread.join()
    cosh.formulas[1] = before
    assert not is_waiting
    assert nodes[0].data == math.cosh(1.0)
