"""The graph of a traced function as tables of numbers, simplified while it is built.

A node is the number of its row. What IEEE 754 lets stand the same is simplified at once: an
operation on constants is computed, an operation that is there already is used again, and one that
changes nothing is left out. Knows the table of operations, and nothing of tracing or of code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from autograd_mini.engine import operations
from autograd_mini.engine.operations import Operation, add, div, mul, neg, sub, where

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

Node = int
Operands = tuple[Node, ...]

_COMPARISONS = {operations.less, operations.less_equal, operations.greater, operations.greater_equal}

# How large a result can be, given how large the operands can be; that of a comparison is 0 or 1 whatever they are.
_BOUNDED: dict[Operation, Callable[..., float]] = {
    add: lambda x, y: x + y,
    sub: lambda x, y: x + y,
    mul: lambda x, y: x * y,
}


@cython.cclass
class Graph:
    """The computation of some results from arguments.

    Parameters
    ----------
    arguments : int
        How many numbers are given in each call; they are the first nodes.

    Attributes
    ----------
    arguments : int
    operations : list of Operation or None
        What computes each node; None for an argument or a constant.
    operands : list of tuple of int
        The nodes that it is computed from, all of which have lower numbers.
    constants : dict from int to float
    results : list of int
    """

    def __init__(self, arguments: int) -> None:
        self.arguments = arguments
        self.operations: list[Operation | None] = [None] * arguments
        self.operands: list[Operands] = [()] * arguments
        self.constants: dict[Node, float] = {}
        self.results: list[Node] = []
        # By the operation, then by its operands: of two of them as one integer.
        self._found: dict[Operation | None, dict[Any, Node]] = {}
        self._numbers: list[float | None] = [None] * arguments  # the constants, by node
        # What constants, comparisons and their like can't exceed, whatever the arguments.
        self._bounds: list[float | None] = [None] * arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.arguments, self.operations, self.operands, self.constants, self.results))

    def constant(self, number: float) -> Node:
        """Give the node of a constant; zeros of different sign are different constants."""
        found = self._found_by(None)
        key = float.hex(number)
        node = found.get(key)
        if node is None:
            node = found[key] = self._append(None, ())
            self.constants[node] = self._numbers[node] = number
            if math.isfinite(number):
                self._bounds[node] = abs(number)
        return node

    def add(self, operation: Operation, operands: Operands) -> Node:
        """Give the node of an operation, which may turn out to be a simpler one."""
        operand: cython.Py_ssize_t
        known: cython.bint = True
        bounded: cython.bint = operation in _BOUNDED
        for operand in operands:
            if self._numbers[operand] is None:
                known = False
            if self._bounds[operand] is None:
                bounded = False
        if known:
            return self.constant(operation.function(*[self.constants[operand] for operand in operands]))
        simplify = _SIMPLER.get(operation)
        if simplify is not None:
            simpler: Node | None = simplify(self, operands)
            if simpler is not None:
                return simpler
        key: Any = operands
        if len(operands) == 2:
            x: cython.longlong = operands[0]
            y: cython.longlong = operands[1]
            if x > y and (operation is mul or operation is add):
                x, y = y, x
            key = x << 32 | y
        found = self._found_by(operation)
        node = found.get(key)
        if node is None:
            node = found[key] = self._append(operation, operands)
            if operation in _COMPARISONS:
                self._bounds[node] = 1.0
            elif bounded:
                largest = _BOUNDED[operation](*[self._bounds[operand] for operand in operands])
                if largest < math.inf:
                    self._bounds[node] = largest
        return node

    def _found_by(self, operation: Operation | None) -> dict[Any, Node]:
        found = self._found.get(operation)
        if found is None:
            found = self._found[operation] = {}
        return found

    def _append(self, operation: Operation | None, operands: Operands) -> Node:
        self.operations.append(operation)
        self.operands.append(operands)
        self._numbers.append(None)
        self._bounds.append(None)
        return len(self.operations) - 1

    def is_constant(self, node: Node, number: float) -> bool:
        """Say whether a node is a certain constant, of a certain sign."""
        known = self._numbers[node]
        if known is None:
            return False
        return known == number and math.copysign(1.0, known) == math.copysign(1.0, number)

    def is_zero(self, node: Node) -> bool:
        """Say whether a node is zero, of whatever sign, in all calls."""
        if self.constants.get(node) == 0.0:
            return True
        return self.operations[node] is mul and self._bounds[node] == 0.0

    def live(self) -> list[Node]:
        """List the nodes that the results are computed from, operands before results."""
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        needed: list[bool] = self.marks(self.results)
        for node in range(len(needed) - 1, -1, -1):
            if needed[node]:
                for operand in self.operands[node]:
                    needed[operand] = True
        return [node for node in range(len(needed)) if needed[node]]

    def split(self, examples: Iterable[Node]) -> tuple[list[Node], list[Node]]:
        """List the operations that are the same for all examples of a batch, then the others.

        Parameters
        ----------
        examples : iterable of node
            The arguments that are not.
        """
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        varies: list[bool] = self.marks(examples)
        uniform: list[Node] = []
        varying: list[Node] = []
        for node in self.live():
            if self.operations[node] is not None:
                for operand in self.operands[node]:
                    if varies[operand]:
                        varies[node] = True
                        varying.append(node)
                        break
                else:
                    uniform.append(node)
        return uniform, varying

    def marks(self, nodes: Iterable[Node]) -> list[bool]:
        """Say for each node whether it is one of some nodes."""
        marks = [False] * len(self.operations)
        for node in nodes:
            marks[node] = True
        return marks

    def use_counts(self, nodes: Sequence[Node], wanted: Sequence[Node]) -> list[int]:
        """Count how often each node is an operand of one of some nodes, or wanted besides."""
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        counts = [0] * len(self.operations)
        for node in nodes:
            for operand in self.operands[node]:
                counts[operand] += 1
        for node in wanted:
            counts[node] += 1
        return counts

    def __str__(self) -> str:
        """Write the graph down, one operation a line."""
        names: dict[Node, str] = {}
        lines: list[str] = []
        for node in self.live():
            operation = self.operations[node]
            if operation is None:
                number = self.constants.get(node)
                names[node] = f"x{node}" if number is None else repr(number)
            else:
                names[node] = f"v{len(lines) + 1}"
                lines.append(f"{names[node]} = {operation.name}({', '.join(names[o] for o in self.operands[node])})")
        return "\n".join([*lines, f"return {', '.join(names[node] for node in self.results)}"])


# What is simpler, and the same number in every case, signed zeros, inf and nan included.


def _simpler_mul(graph: Graph, operands: Operands) -> Node | None:
    x: cython.Py_ssize_t
    y: cython.Py_ssize_t
    x, y = operands
    factor, other = graph._numbers[x], y
    if factor is None:
        factor, other = graph._numbers[y], x
    if factor is not None:
        if factor == 1.0:
            return other
        return graph.add(neg, (other,)) if factor == -1.0 else None
    if graph.operations[x] is neg and graph.operations[y] is neg:
        return graph.add(mul, (graph.operands[x][0], graph.operands[y][0]))
    return None


def _simpler_div(graph: Graph, operands: Operands) -> Node | None:
    x, y = operands
    divisor = graph.constants.get(y)
    if divisor is None:
        return None
    mantissa, exponent = math.frexp(divisor)
    if abs(mantissa) == 0.5 and abs(exponent) < 1000:  # a power of two, whose reciprocal is exact
        return graph.add(mul, (x, graph.constant(1.0 / divisor)))
    return None


def _simpler_add(graph: Graph, operands: Operands) -> Node | None:
    x: cython.Py_ssize_t
    y: cython.Py_ssize_t
    x, y = operands
    if graph.is_constant(x, -0.0):
        return y
    if graph.is_constant(y, -0.0):
        return x
    if graph.operations[y] is neg:
        return graph.add(sub, (x, graph.operands[y][0]))
    if graph.operations[x] is neg:
        return graph.add(sub, (y, graph.operands[x][0]))
    return None


def _simpler_sub(graph: Graph, operands: Operands) -> Node | None:
    x: cython.Py_ssize_t
    y: cython.Py_ssize_t
    x, y = operands
    if graph.is_constant(y, 0.0):
        return x
    return graph.add(add, (x, graph.operands[y][0])) if graph.operations[y] is neg else None


def _simpler_neg(graph: Graph, operands: Operands) -> Node | None:
    (x,) = operands
    return graph.operands[x][0] if graph.operations[x] is neg else None


def _simpler_pow(graph: Graph, operands: Operands) -> Node | None:
    x, y = operands
    match graph.constants.get(y):
        case 0.0:
            return graph.constant(1.0)
        case 1.0:
            return x
        case 2.0:
            return graph.add(mul, (x, x))
        case 3.0:
            return graph.add(mul, (graph.add(mul, (x, x)), x))
        case -1.0:
            return graph.add(div, (graph.constant(1.0), x))
    return None


def _simpler_where(graph: Graph, operands: Operands) -> Node | None:
    condition, x, y = operands
    known = graph.constants.get(condition)
    if x == y or (known is not None and known != 0.0):
        return x
    return y if graph.is_zero(condition) else None


_SIMPLER: dict[Operation, Callable[[Graph, Operands], Node | None]] = {
    mul: _simpler_mul,
    div: _simpler_div,
    add: _simpler_add,
    sub: _simpler_sub,
    neg: _simpler_neg,
    operations.pow: _simpler_pow,
    where: _simpler_where,
}


def _restore(*state: Any) -> Graph:
    graph = Graph(0)
    graph.arguments, graph.operations, graph.operands, graph.constants, graph.results = state
    for node, number in graph.constants.items():
        graph._found_by(None)[float.hex(number)] = node
    graph._numbers = [graph.constants.get(node) for node in range(len(graph.operations))]
    graph._bounds = [None] * len(graph.operations)
    return graph
