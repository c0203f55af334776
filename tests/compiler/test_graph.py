"""The graph as a table: its rows, what is live, and how it is written down."""

from __future__ import annotations

import math
import pickle
from typing import Any

from autograd_mini import Value, add, exp, mul, sin, topological_order
from autograd_mini.compiler.graph import Graph


def example() -> Graph:
    """Make the graph of [exp(x0) * 3 + x1, x0, 2.5], and of a sine that nobody wants."""
    graph = Graph(2)
    power = graph.append(exp, (0,))
    graph.append(sin, (power,))
    product = graph.append(mul, (power, graph.constant(3.0)))
    total = graph.append(add, (product, 1))
    graph.results = [total, 0, graph.constant(2.5)]
    return graph


def test_a_graph_is_written_down_one_operation_a_line_without_what_no_result_needs() -> None:
    lines = ["v1 = exp(x0)", "v2 = mul(v1, 3.0)", "v3 = add(v2, x1)", "return v3, x0, 2.5"]
    assert str(example()).splitlines() == lines
    assert str(Graph(3)) == "return "


def test_a_constant_has_one_row_and_zeros_of_different_sign_have_two() -> None:
    graph = Graph(0)
    zero, negative, infinite, unknown = (graph.constant(x) for x in (0.0, -0.0, math.inf, math.nan))
    assert [graph.constant(x) for x in (0.0, -0.0, math.inf, math.nan)] == [zero, negative, infinite, unknown]
    assert len({zero, negative, infinite, unknown}) == len(graph.operations) == 4
    assert (graph.is_constant(zero, 0.0), graph.is_constant(zero, -0.0)) == (True, False)
    assert (graph.is_constant(negative, -0.0), graph.is_constant(unknown, 0.0)) == (True, False)


def test_what_a_row_is_computed_from_is_listed_depth_first_as_the_engine_lists_it() -> None:
    graph = example()
    assert graph.ordered([6]) == [0, 2, 4, 5, 1, 6]
    assert graph.ordered([3]) == [0, 2, 3]
    assert graph.ordered([1]) == [1]
    x, y = Value(2.0, label="x"), Value(3.0, label="y")
    order = topological_order(exp(x) * 3.0 + y)
    assert [node.label or (node.op.name if node.op else "3") for node in order] == ["x", "exp", "3", "mul", "y", "add"]


def test_a_graph_travels_as_a_pickle() -> None:
    graph: Any = example()
    other = pickle.loads(pickle.dumps(graph))
    assert str(other) == str(graph)
    assert other.constant(3.0) == graph.constant(3.0), "it knows its constants"
