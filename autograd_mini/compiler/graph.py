"""The graph of a traced function as tables of numbers, simplified while it is built.

A node is the number of its row. What IEEE 754 lets stand the same is simplified at once: an
operation on constants is computed, an operation that is there already is used again, and one that
changes nothing is left out. Knows the table of operations, and nothing of tracing or of code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from autograd_mini import operations
from autograd_mini.operations import Operation, add, div, identity, mul, neg, sub, where

Node = int
Operands = tuple[Node, ...]

_COMPARISONS = {operations.less, operations.less_equal, operations.greater, operations.greater_equal}

# How large a result can be, given how large the operands can be.
_BOUNDED: dict[Operation, Callable[..., float]] = {
    add: lambda x, y: x + y,
    sub: lambda x, y: x + y,
    mul: lambda x, y: x * y if x and y else 0.0,
    **dict.fromkeys(_COMPARISONS, lambda x, y: 1.0),
}


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
        self._found: dict[tuple[object, Operands | str], Node] = {}
        self._bounds: dict[Node, float] = {}  # what comparisons and their like can't exceed, whatever the arguments

    def constant(self, number: float) -> Node:
        """Give the node of a constant; zeros of different sign are different constants."""
        key = (None, float.hex(number))
        node = self._found.get(key)
        if node is None:
            node = self._found[key] = self._append(None, ())
            self.constants[node] = number
            if math.isfinite(number):
                self._bounds[node] = abs(number)
        return node

    def argument(self) -> Node:
        """Add one more number that is given in each call."""
        self.arguments += 1
        return self._append(None, ())

    def add(self, operation: Operation, operands: Operands) -> Node:
        """Give the node of an operation, which may turn out to be a simpler one."""
        constants = self.constants
        for operand in operands:
            if operand not in constants:
                break
        else:
            return self.constant(operation.function(*[constants[operand] for operand in operands]))
        simplify = _SIMPLER.get(operation)
        if simplify is not None:
            node = simplify(self, operands)
            if node is not None:
                return node
        key = (operation, operands)
        if (operation is mul or operation is add) and operands[0] > operands[1]:
            key = (operation, (operands[1], operands[0]))
        node = self._found.get(key)
        if node is None:
            node = self._found[key] = self._append(operation, operands)
            bound = _BOUNDED.get(operation)
            if bound is not None:
                bounds = self._bounds
                for operand in operands:
                    if operand not in bounds and operation not in _COMPARISONS:
                        return node
                largest = bound(*[bounds.get(operand, math.inf) for operand in operands])
                if largest < math.inf:
                    bounds[node] = largest
        return node

    def _append(self, operation: Operation | None, operands: Operands) -> Node:
        self.operations.append(operation)
        self.operands.append(operands)
        return len(self.operations) - 1

    def is_constant(self, node: Node, number: float) -> bool:
        """Say whether a node is a certain constant, of a certain sign."""
        known = self.constants.get(node)
        if known is None:
            return False
        return known == number and math.copysign(1.0, known) == math.copysign(1.0, number)

    def is_zero(self, node: Node) -> bool:
        """Say whether a node is zero, of whatever sign, in all calls."""
        if self.constants.get(node) == 0.0:
            return True
        if self.operations[node] is not mul or node not in self._bounds:
            return False
        return self._bounds[node] == 0.0

    def operand_of(self, node: Node, operation: Operation) -> Node | None:
        """Give the operand of a node that is an operation of one operand; None if it isn't."""
        return self.operands[node][0] if self.operations[node] is operation else None

    def live(self) -> list[Node]:
        """List the nodes that the results are computed from, operands before results."""
        needed = bytearray(len(self.operations))
        for node in self.results:
            needed[node] = 1
        operands = self.operands
        for node in range(len(needed) - 1, -1, -1):
            if needed[node]:
                for operand in operands[node]:
                    needed[operand] = 1
        return [node for node, wanted in enumerate(needed) if wanted]

    def __str__(self) -> str:
        """Write the graph down, one operation a line."""
        names: dict[Node, str] = {}
        lines = []
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
    x, y = operands
    for factor, other in ((x, y), (y, x)):
        known = graph.constants.get(factor)
        if known is not None:
            if known == 1.0:
                return other
            return graph.add(neg, (other,)) if known == -1.0 else None
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
    x, y = operands
    if graph.is_constant(y, 0.0):
        return x
    minus_y = graph.operand_of(y, neg)
    return None if minus_y is None else graph.add(add, (x, minus_y))


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
    neg: lambda graph, operands: graph.operand_of(operands[0], neg),
    identity: lambda graph, operands: operands[0],
    operations.pow: _simpler_pow,
    where: _simpler_where,
}


def use_counts(graph: Graph, nodes: Sequence[Node], wanted: Sequence[Node]) -> list[int]:
    """Count how often each node is an operand of one of some nodes, or wanted besides."""
    counts = [0] * len(graph.operations)
    for node in nodes:
        for operand in graph.operands[node]:
            counts[operand] += 1
    for node in wanted:
        counts[node] += 1
    return counts
