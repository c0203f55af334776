"""Lowerings written out in a graph: those of operations of any number of operands, and of users' operations.

So the passes see the operations within, and code grows with the number of different patterns: neither with the number
of operands, nor with the number of users' operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autograd_mini.compiler.backends.lowering import Number, Target, run_lowering
from autograd_mini.compiler.builder import Builder
from autograd_mini.compiler.graph import MARKERS, Graph, Loop
from autograd_mini.compiler.sums import CHAINS
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE, detach, identity

# Of so many operands, an operation of the table is as quick as it can be within an expression.
FEW = 4


def expand(graph: Graph) -> Graph:
    """Write a simplified graph anew, some operations as their lowerings say; a graph without them is given back."""
    some = {operation for operation in set(graph.operations) if _is_written_out(operation, range(FEW + 1))}
    loops: dict[int, Loop] = {}  # whose bodies are written anew
    for node, loop in graph.details.items():
        if isinstance(loop, Loop) and (body := expand(loop.body)) is not loop.body:
            loops[node] = replace(loop, body=body)
    written_out = [node for node, operation in enumerate(graph.operations) if operation in some] if some else []
    written_out = [node for node in written_out if _is_written_out(graph.operations[node], graph.operands[node])]
    if not written_out and not loops:
        return graph
    first = min([*written_out[:1], *loops])
    nodes = _Nodes(Builder(graph.arguments))
    builder = nodes.builder
    builder.begin(graph, first)
    places: list[Any] = [*range(first)]
    for node in written_out:
        builder.extend(graph, node, places, loops)
        operation: Any = graph.operations[node]
        taken = [nodes.number(places[operand]) for operand in graph.operands[node]]
        places.append(run_lowering(operation, taken).value)
    builder.extend(graph, len(graph.operations), places, loops)
    builder.graph.results = [places[node] for node in graph.results]
    return builder.graph


def _is_written_out(operation: Operation | None, operands: Sequence[Any]) -> bool:
    """Say whether an operation is a user's, or of many operands, with a function as its lowering."""
    if operation is None or operation in MARKERS or isinstance(operation.lowering, str) or operation in CHAINS:
        return False
    return (operation.is_variadic and len(operands) > FEW) or TABLE.get(operation.name) is not operation


class _Nodes(Target):
    """Computes numbers as nodes of a graph."""

    def __init__(self, builder: Builder) -> None:
        super().__init__()
        self.builder = builder

    def number(self, node: int) -> _Number:
        return _Number(self, node)

    def constant(self, x: float) -> _Number:
        return self.number(self.builder.constant(x))

    def compute(self, operation: Operation, operands: Sequence[Number]) -> Number:
        if operation is identity or operation is detach:
            return operands[0]
        if _is_written_out(operation, operands):
            return run_lowering(operation, operands)
        return self.number(self.builder.add(operation, tuple([operand.value for operand in operands])))

    def call(self, name: str, operation: Operation, operands: Sequence[Number]) -> Number:
        return self.compute(operation, operands)

    def compare(self, operation: Operation, x: Number, y: Number) -> Number:
        return self.compute(operation, (x, y))


class _Number(Number):
    """The number of a node."""

    __slots__ = ()

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Number:
        return self.target.compute(operation, [self._alike(operand, operation) for operand in operands])
