"""A graph in its simplest form, while it is made: what IEEE 754 lets stand the same becomes the same.

An operation on constants is computed, an operation that is there already is used again, and one that changes nothing is
left out. Knows the table of operations, and nothing of tracing or of code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from autograd_mini.compiler.graph import DATA, ELEMENT, SLICE, STACK, Graph, Loop, Node, Operands
from autograd_mini.engine import operations
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import add, div, mul, neg, sub, where

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


_INFINITE = math.inf


@cython.cclass
class Builder:
    """A graph to which operations are added in their simplest form."""

    def __init__(self, arguments: int) -> None:
        self.graph: Graph = Graph(arguments)
        # The nodes by their operation, then by their operands; two operands are one integer.
        self._found: dict[Operation, dict[Any, Node]] = {}
        # For each node what its size can't exceed, whatever the arguments: finite for constants and comparisons.
        self._bounds: list[float] = [math.inf] * arguments

    def constant(self, number: float) -> Node:
        """Give the node of a constant."""
        node: Node = self.graph.constant(number)
        if node == len(self._bounds):
            self._bounds.append(_size(number))
        return node

    def add(self, operation: Operation, operands: Operands) -> Node:
        """Give the node of an operation, which may turn out to be a simpler one."""
        graph: Graph = self.graph
        for operand in operands:
            if not graph.is_known(operand):
                break
        else:
            return self.constant(operation.function(*[graph.constants[operand] for operand in operands]))
        simpler_form = _SIMPLER.get(operation)
        if simpler_form is not None:
            simpler: Node | None = simpler_form(self, *operands)
            if simpler is not None:
                return simpler
        key: Any = self._key(operation, operands)
        found: dict[Any, Node] | None = self._found.get(operation)
        if found is None:
            found = self._found[operation] = {}
        node: Node | None = found.get(key)
        if node is not None:
            return node
        node = found[key] = graph.append(operation, operands)
        self._bounds.append(_INFINITE if operation.bound is None else self._bound(operation.bound, operands))
        return node

    def begin(self, graph: Graph, count: int) -> None:
        """Begin with the first rows of a graph that is in its simplest form already: they stay as they are."""
        node: cython.Py_ssize_t
        self.graph = graph.head(count)
        for node in range(graph.arguments, count):
            operation: Any = graph.operations[node]
            bound: Any = _INFINITE
            if operation is None:
                bound = _size(graph.constants[node])
            elif node not in graph.details:
                self._found.setdefault(operation, {})[self._key(operation, graph.operands[node])] = node
                if operation.bound is not None:
                    bound = self._bound(operation.bound, graph.operands[node])
            self._bounds.append(bound)

    def extend(self, graph: Graph, end: int, places: list[Node], loops: Mapping[Node, Loop]) -> None:
        """Add the rows of a simplified graph that follow those with places, up to a row; some loops become others."""
        node: cython.Py_ssize_t
        for node in range(len(places), end):
            operation: Any = graph.operations[node]
            operands = [places[operand] for operand in graph.operands[node]]
            if operation is None:
                places.append(self.constant(graph.constants[node]))
            elif node not in graph.details:
                places.append(self.add(operation, tuple(operands)))
            else:
                details = loops.get(node, graph.details[node])
                places.append(self.mark(operation, tuple(operands), details, graph.sizes.get(node)))

    def _key(self, operation: Operation, operands: Operands) -> Any:
        """Give what tells operands of an operation from others: one integer for two, in any order for a sum."""
        if len(operands) != 2:
            return operands
        x: cython.longlong = operands[0]
        y: cython.longlong = operands[1]
        if x > y and (operation is mul or operation is add):
            x, y = y, x
        return x << 32 | y

    def mark(self, operation: Operation, operands: Operands, details: Any = None, size: int | None = None) -> Node:
        """Give the node of a marker, which may turn out to be a simpler one."""
        graph: Graph = self.graph
        if operation is ELEMENT:
            array: Node = operands[0]
            if graph.operations[array] is STACK:
                return graph.operands.entry(array, details)
            if graph.operations[array] is DATA:
                return self.constant(float(graph.details[array][details]))
            if graph.operations[array] is SLICE:
                return self.mark(ELEMENT, graph.operands[array], graph.details[array][details])
        if operation is SLICE and graph.operations[operands[0]] is STACK:
            return self.mark(STACK, tuple([graph.operands.entry(operands[0], i) for i in details]), None, size)
        if operation is SLICE and graph.operations[operands[0]] is DATA:
            return self.mark(DATA, (), graph.details[operands[0]][details], size)
        key: Any = (operands, details)
        found: dict[Any, Node] = self._found.setdefault(operation, {})
        if operation is not DATA and key in found:
            return found[key]
        node = graph.mark(operation, operands, details, size)
        self._bounds.append(_INFINITE)
        if operation is not DATA:
            found[key] = node
        return node

    def _bound(self, bound: Any, operands: Operands) -> float:
        """Say how large a result can be."""
        if isinstance(bound, float):
            return bound
        place: cython.Py_ssize_t
        for place in operands:
            if self._bounds[place] == _INFINITE:
                return _INFINITE
        return bound(*[self._bounds[operand] for operand in operands])

    def is_zero(self, node: Node) -> bool:
        """Say whether a node is zero, of whatever sign, in all calls."""
        return self.graph.constants.get(node) == 0.0 or (
            self.graph.operations[node] is mul and self._bounds[node] == 0.0
        )


def _size(number: float) -> float:
    return abs(number) if math.isfinite(number) else math.inf


# Simpler forms that give the same number in every case, signed zeros, inf and nan included; None if there is none.


def _mul(builder: Builder, x: cython.Py_ssize_t, y: cython.Py_ssize_t) -> Node | None:
    graph: Graph = builder.graph
    if graph.is_known(y):
        x, y = y, x
    if graph.is_known(x):
        factor = graph.constants[x]
        return builder.add(neg, (y,)) if factor == -1.0 else y if factor == 1.0 else None
    if graph.operations[x] is neg and graph.operations[y] is neg:
        return builder.add(mul, (graph.operands[x][0], graph.operands[y][0]))
    return None


def _div(builder: Builder, x: Node, y: Node) -> Node | None:
    divisor = builder.graph.constants.get(y, 0.0)
    mantissa, exponent = math.frexp(divisor)
    if abs(mantissa) == 0.5 and abs(exponent) < 1000:  # a power of two, whose reciprocal is exact
        return builder.add(mul, (x, builder.constant(1.0 / divisor)))
    return None


def _add(builder: Builder, x: cython.Py_ssize_t, y: cython.Py_ssize_t) -> Node | None:
    graph: Graph = builder.graph
    if graph.is_constant(x, -0.0):
        return y
    if graph.is_constant(y, -0.0):
        return x
    if graph.operations[y] is neg:
        return builder.add(sub, (x, graph.operands[y][0]))
    return builder.add(sub, (y, graph.operands[x][0])) if graph.operations[x] is neg else None


def _sub(builder: Builder, x: cython.Py_ssize_t, y: cython.Py_ssize_t) -> Node | None:
    graph: Graph = builder.graph
    if graph.is_constant(y, 0.0):
        return x
    return builder.add(add, (x, graph.operands[y][0])) if graph.operations[y] is neg else None


def _neg(builder: Builder, x: Node) -> Node | None:
    return builder.graph.operands[x][0] if builder.graph.operations[x] is neg else None


def _pow(builder: Builder, x: Node, y: Node) -> Node | None:
    match builder.graph.constants.get(y):
        case 0.0:
            return builder.constant(1.0)
        case 1.0:
            return x
        case 2.0:
            return builder.add(mul, (x, x))
        case 3.0:
            return builder.add(mul, (builder.add(mul, (x, x)), x))
        case -1.0:
            return builder.add(div, (builder.constant(1.0), x))
    return None


def _where(builder: Builder, condition: Node, x: Node, y: Node) -> Node | None:
    if x == y or builder.graph.constants.get(condition, 0.0) != 0.0:
        return x
    return y if builder.is_zero(condition) else None


_SIMPLER: dict[Operation, Callable[..., Node | None]] = {
    mul: _mul,
    div: _div,
    add: _add,
    sub: _sub,
    neg: _neg,
    operations.pow: _pow,
    where: _where,
}
