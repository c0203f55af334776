"""From a function of Values to the graph that it computes.

The function runs once, with Values that have no data yet. Knows nothing of what becomes of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from autograd_mini.compiler.graph import Graph
from autograd_mini.structure import Structure, flatten, unflatten
from autograd_mini.value import Value, recording, tracing


class Trace:
    """What one run of a function has recorded.

    Parameters
    ----------
    function : callable
    structures : sequence of Structure
        How the numbers of each argument are nested.

    Attributes
    ----------
    graph : Graph
        The first arguments are the numbers of `structures`, the others those of `captured`.
    captured : list of Value
        Values from outside that the function uses, whose data is read in each call.
    result : Structure
        How the function's results are nested.
    seconds : float
        How long this took.
    """

    def __init__(self, function: Callable[..., Any], structures: Sequence[Structure]) -> None:
        began = perf_counter()
        arguments = [[Value(float("nan")) for _ in range(structure.size)] for structure in structures]
        tape: list[Value] = []
        with tracing(tape), recording():
            result = function(*map(unflatten, structures, arguments))
            roots, self.result = flatten(result, "the function's result")
        self.captured: list[Value] = []
        self.graph = self._simplify([x for numbers in arguments for x in numbers], tape, roots)
        self.seconds = perf_counter() - began

    def _simplify(self, arguments: Sequence[Value], tape: Sequence[Value], roots: Sequence[Any]) -> Graph:
        graph = Graph(len(arguments))
        places: dict[Value, int] = {value: i for i, value in enumerate(arguments)}
        for value in tape:
            operation = value.op
            if operation is None:
                places[value] = graph.constant(value.data)
                continue
            try:
                operands = tuple([places[operand] for operand in value.inputs])
            except KeyError:
                for operand in value.inputs:
                    if operand not in places:
                        places[operand] = self._capture(graph, operand)
                operands = tuple([places[operand] for operand in value.inputs])
            # What detach and no_grad give has the data of its operand.
            places[value] = graph.add(operation, operands) if value.requires_grad else operands[0]
        for root in roots:
            if not isinstance(root, Value):
                graph.results.append(graph.constant(root))
            else:
                if root not in places:
                    places[root] = self._capture(graph, root)
                graph.results.append(places[root])
        return graph

    def _capture(self, graph: Graph, value: Value) -> int:
        self.captured.append(value)
        return graph.argument()
