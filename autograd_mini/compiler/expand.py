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
from autograd_mini.compiler.graph import MARKERS, Graph, Loop, Node, evenly
from autograd_mini.compiler.sums import CHAINS
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import TABLE, detach, identity

# Of so many operands, an operation of the table is as quick as it can be within an expression.
FEW = 4


def expand(graph: Graph) -> Graph:
    """Write a simplified graph anew, some operations as their lowerings say; a graph without them is given back."""
    some = {operation for operation in set(graph.operations) if _is_written_out(operation, range(FEW + 1))}
    bodies = {node: expand(loop.body) for node, loop in graph.details.items() if isinstance(loop, Loop)}
    rows = zip(graph.operations, graph.operands) if some else ()
    has_any = any(operation in some and _is_written_out(operation, row) for operation, row in rows)
    if not has_any and all(body is graph.details[node].body for node, body in bodies.items()):
        return graph
    nodes = _Nodes(Builder(graph.arguments))
    builder, written = nodes.builder, nodes.builder.graph
    written.sizes |= {node: size for node, size in graph.sizes.items() if node < graph.arguments}
    places = [*range(graph.arguments), *[-1] * (len(graph.operations) - graph.arguments)]
    for node in graph.live():
        operation = graph.operations[node]
        taken = [places[operand] for operand in graph.operands[node]]
        if operation in MARKERS:
            details = graph.details[node]
            details = replace(details, body=bodies[node]) if node in bodies else details
            places[node] = builder.mark(operation, evenly(taken), details, graph.sizes.get(node))
        elif operation is not None and operation in some and _is_written_out(operation, taken):
            places[node] = run_lowering(operation, [nodes.number(operand) for operand in taken]).value
        elif operation is not None:
            places[node] = builder.add(operation, tuple(taken))
        elif node in graph.constants:
            places[node] = builder.constant(graph.constants[node])
    written.results = [places[node] for node in graph.results]
    return written


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

    def number(self, node: Node) -> _Number:
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
