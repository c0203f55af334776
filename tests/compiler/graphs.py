"""Graphs for the tests of passes, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_mini.compiler.graph import Graph
from autograd_mini.engine.operations import TABLE


def graph_of(arguments: int, *nodes: Any, results: Sequence[int]) -> Graph:
    """Make a graph of arguments, then of nodes: each a constant, or an operation's name and the operands' numbers."""
    graph = Graph(arguments)
    for node in nodes:
        if isinstance(node, float):
            graph.constants[len(graph.operations)] = node
        name, *operands = node if isinstance(node, tuple) else (None,)
        graph.operations.append(TABLE[name] if name else None)
        graph.operands.append(operands)
    graph.results = list(results)
    return graph
