"""From a function of Values to the graph that it computes.

The function runs once, with Values that have no data yet. Knows nothing of what becomes of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from time import perf_counter
from typing import Any

from autograd_mini.compiler.graph import Graph
from autograd_mini.engine.operations import identity
from autograd_mini.engine.value import DETACH, Value, operand_places, recording, tracing
from autograd_mini.transforms.trees import Structure, flatten, unflatten

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


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
        # In a context of its own: then not even Ctrl-C on the way out of a block leaves it open here.
        roots: list[Value] = copy_context().run(
            self._record, function, list(map(unflatten, structures, arguments)), tape
        )
        self.graph = self._simplify([x for numbers in arguments for x in numbers], tape, roots)
        self.seconds = perf_counter() - began

    def _record(self, function: Callable[..., Any], arguments: Sequence[Any], tape: list[Value]) -> list[Value]:
        """Run the function; give its results, the numbers among them as Values."""
        with tracing(tape), recording():
            roots, self.result = flatten(function(*arguments), "the function's result")
            return [root if isinstance(root, Value) else Value(root) for root in roots]

    def _simplify(self, arguments: Sequence[Value], tape: Sequence[Value], results: Sequence[Value]) -> Graph:
        """Build the graph of what was recorded."""
        value: Value
        operands: list[int]
        i: cython.Py_ssize_t
        place: cython.Py_ssize_t
        recorded: list[Value] = [*arguments, *tape]
        places: list[tuple[int, ...]] = operand_places(recorded, results)
        outside: dict[int, int] = {}
        self.captured: list[Value] = []
        for i in range(len(places)):
            if -1 in places[i]:
                for place, operand in zip(places[i], results if i == len(recorded) else recorded[i].inputs):
                    if place < 0 and id(operand) not in outside:
                        outside[id(operand)] = len(arguments) + len(outside)
                        self.captured.append(operand)
        graph: Graph = Graph(len(arguments) + len(outside))
        nodes: list[int] = list(range(len(arguments)))
        for i in range(len(arguments), len(recorded)):
            value = recorded[i]
            if value._left is None and value._fan is None:
                nodes.append(graph.constant(value._data))
                continue
            operands = []
            for place in places[i]:
                operands.append(nodes[place] if place >= 0 else outside[id(value.inputs[len(operands)])])
            # What detach and no_grad give has the data of its operand.
            same = value._operation is identity or value._operation is DETACH
            nodes.append(operands[0] if same else graph.add(value._operation, tuple(operands)))
        graph.results = [
            nodes[place] if place >= 0 else outside[id(result)] for place, result in zip(places[len(recorded)], results)
        ]
        return graph
