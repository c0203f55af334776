"""The graph of a traced function as tables of numbers: what the passes of the compiler read.

A node is the number of its row, and most nodes are one number. A loop is one node, whatever the number of its rounds;
the numbers of all rounds are one node too, an array. Knows the table of operations, and nothing of tracing or of code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from autograd_mini.compiler.columns import Rows
from autograd_mini.engine.operation import Operation

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

Node = int
Operands = tuple[Node, ...]


def _marker(name: str) -> Operation:
    """Make what stands for an operation in a row that computes no single number from numbers."""

    def refuse(*operands: Any) -> NoReturn:
        raise TypeError(f"{name} computes no number from numbers")

    return Operation(f"{name}(*operands)", refuse, (refuse,))


LOOP = _marker("loop")  # of carries, arrays and invariants; its details are a `Loop`
OUTPUT = _marker("output")  # of a loop: its details say which one
STACK = _marker("stack")  # an array of numbers
ELEMENT = _marker("element")  # of an array: its details say which one
SLICE = _marker("slice")  # of an array, itself an array: its details are a range that says which ones
DATA = _marker("data")  # an array that is known: its details
# They are pickled by these numbers, operations by their names.
MARKERS = {marker: number for number, marker in enumerate((LOOP, OUTPUT, STACK, ELEMENT, SLICE, DATA))}
# What computes nothing, but says where numbers are.
VIEWS = {OUTPUT, ELEMENT, SLICE}


def view(graph: Graph, node: Node, begin: int, step: int) -> tuple[int, int]:
    """Say where the first number of an element or slice is, and how far apart its numbers are, given the array's."""
    which = graph.details[node]
    if isinstance(which, range):
        return begin + which.start * step, which.step * step
    return begin + which * step, step


@dataclass(frozen=True)
class Loop:
    """Rounds of one computation, each of which takes over numbers from the one before: the carries.

    The operands of its node are the carries' first numbers, arrays that have an element for each round, and the
    invariants, which are the same in all rounds. `body` computes from these the carries of the next round, then an
    element for each array that the loop makes. The loop's outputs are the last carries, then these arrays.
    """

    body: Graph
    given: Sequence[Node]  # the nodes of the body that stand for the operands, in their order
    length: int  # how many rounds
    carries: int
    arrays: int
    reverse: bool = False  # whether the rounds go through the arrays from their ends
    is_recomputed: bool = False  # whether the way back computes anew what it could have kept
    # The first round, those between and the last, for what is known of flags in these: see settle.py.
    settled: tuple[Graph, Graph, Graph] | None = None


@cython.cclass
class Graph:
    """The computation of some results from arguments.

    Attributes
    ----------
    arguments : int
        How many numbers and arrays are given in each call; they are the first nodes.
    operations : list of Operation or None
        What computes each node; None for an argument or a constant.
    operands : Rows
        The nodes that it is computed from, all of which have lower numbers.
    constants : dict from int to float
    results : list of int
    details : dict from int to anything
        What else tells about the nodes whose operations are `MARKERS`.
    sizes : dict from int to int
        How many numbers the nodes have that are arrays.
    """

    def __init__(self, arguments: int) -> None:
        self.arguments = arguments
        self.operations: list[Operation | None] = [None] * arguments
        self.operands: Rows = Rows([()] * arguments)
        self.constants: dict[Node, float] = {}
        self.results: list[Node] = []
        self.details: dict[Node, Any] = {}
        self.sizes: dict[Node, int] = {}
        self._by_number: dict[str, Node] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        operations = [MARKERS.get(operation, operation) for operation in self.operations]  # type: ignore[arg-type]
        columns = self.operands, self.constants, self.results, self.details, self.sizes
        return _restore, (self.arguments, operations, *columns)

    def is_same(self, other: Graph) -> bool:
        """Say whether another graph has the same rows, constants to the last bit, and results."""
        return (
            self.arguments == other.arguments
            and self.operations == other.operations
            and self.operands == other.operands
            and self.results == other.results
            and self._by_number == other._by_number
            and self.sizes == other.sizes
            and self.details.keys() == other.details.keys()
            and all(map(_are_same, self.details.values(), map(other.details.get, self.details)))
        )

    def append(self, operation: Operation | None, operands: Operands) -> Node:
        """Add a row, and give its number."""
        self.operations.append(operation)
        self.operands.append(operands)
        return len(self.operations) - 1

    def copy(self) -> Graph:
        """Give a graph with rows of its own."""
        graph = self.head(len(self.operations))
        graph.results = self.results.copy()
        return graph

    def head(self, count: int) -> Graph:
        """Give a graph with the first rows of this one, and without results."""
        graph: Graph = Graph(0)
        graph.arguments = self.arguments
        graph.operations, graph.operands = self.operations[:count], self.operands.head(count)
        graph.constants = {node: number for node, number in self.constants.items() if node < count}
        graph.details = {node: details for node, details in self.details.items() if node < count}
        graph.sizes = {node: size for node, size in self.sizes.items() if node < count}
        graph._by_number = {key: node for key, node in self._by_number.items() if node < count}
        return graph

    def mark(self, operation: Operation, operands: Operands, details: Any = None, size: int | None = None) -> Node:
        """Add a row that has one of the `MARKERS`; `size` if it is an array."""
        node = self.append(operation, operands)
        self.details[node] = details
        if size is not None:
            self.sizes[node] = size
        return node

    def add_row(self, graph: Graph, node: Node, operands: Operands, details: Any = None) -> Node:
        """Add a row of another graph, with its operands, and details if it has any, in this one."""
        if node in graph.constants:
            return self.constant(graph.constants[node])
        operation: Any = graph.operations[node]
        if node in graph.details:
            return self.mark(operation, operands, details, graph.sizes.get(node))
        return self.append(operation, operands)

    def constant(self, number: float) -> Node:
        """Give the node of a constant; zeros of different sign are different constants."""
        key = float.hex(number)
        node = self._by_number.get(key)
        if node is None:
            node = self._by_number[key] = self.append(None, ())
            self.constants[node] = number
        return node

    def is_known(self, node: Node) -> bool:
        """Say whether a node is a constant; in a simplified graph, whose arguments are its first nodes."""
        return self.operations[node] is None and node >= self.arguments

    def is_constant(self, node: Node, number: float) -> bool:
        """Say whether a node is a certain constant, of a certain sign."""
        if not self.is_known(node):
            return False
        known = self.constants[node]
        return known == number and math.copysign(1.0, known) == math.copysign(1.0, number)

    def live(self) -> list[Node]:
        """List the nodes that the results are computed from, operands before results."""
        node: cython.Py_ssize_t
        k: cython.Py_ssize_t
        begins, operands = self.operands.begins.at, self.operands.numbers.at
        needed: list[bool] = self.marks(self.results)
        for node in range(len(needed) - 1, -1, -1):
            if needed[node]:
                for k in range(begins[node], begins[node + 1]):
                    needed[operands[k]] = True
        return [node for node in range(len(needed)) if needed[node]]

    def ordered(self, roots: Sequence[Node]) -> list[Node]:
        """List what some nodes are computed from, and themselves, in the order of `topological_order`."""
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        k: cython.Py_ssize_t
        begins, operands = self.operands.begins.at, self.operands.numbers.at
        opened: list[bool] = [False] * len(self.operands)
        listed: list[bool] = [False] * len(self.operands)
        order: list[int] = []
        stack: list[int] = list(reversed(roots))
        while stack:
            node = stack[-1]
            if not opened[node]:
                opened[node] = True
                for k in range(begins[node + 1] - 1, begins[node] - 1, -1):
                    operand = operands[k]
                    if not opened[operand]:
                        stack.append(operand)
                continue
            stack.pop()
            if not listed[node]:
                listed[node] = True
                order.append(node)
        return order

    def partition(self, mapped: Iterable[Node]) -> tuple[list[Node], list[Node]]:
        """List the operations that give one number for all examples, then those that depend on mapped arguments."""
        varies: list[bool] = self.dependents(mapped)
        computed = [node for node in self.live() if self.operations[node] is not None]
        return [node for node in computed if not varies[node]], [node for node in computed if varies[node]]

    def dependents(self, nodes: Iterable[Node], barrier: Operation | None = None) -> list[bool]:
        """Say for each node whether it is one of some nodes, or depends on one; nothing depends through `barrier`."""
        node: cython.Py_ssize_t
        k: cython.Py_ssize_t
        begins, operands = self.operands.begins.at, self.operands.numbers.at
        depends: list[bool] = self.marks(nodes)
        for node in range(len(depends)):
            if not depends[node]:
                for k in range(begins[node], begins[node + 1]):
                    if depends[operands[k]]:
                        depends[node] = self.operations[node] is not barrier
                        break
        return depends

    def marks(self, nodes: Iterable[Node]) -> list[bool]:
        """Say for each node whether it is one of some nodes."""
        marks = [False] * len(self.operations)
        for node in nodes:
            marks[node] = True
        return marks

    def use_counts(self, nodes: Sequence[Node], wanted: Sequence[Node]) -> list[int]:
        """Count how often each node is an operand of some nodes; each wanted node counts once more."""
        node: cython.Py_ssize_t
        k: cython.Py_ssize_t
        begins, operands = self.operands.begins.at, self.operands.numbers.at
        counts: list[int] = [0] * len(self.operations)
        for node in nodes:
            for k in range(begins[node], begins[node + 1]):
                counts[operands[k]] += 1
        for node in wanted:
            counts[node] += 1
        return counts

    def __str__(self) -> str:
        """Write the graph down, one operation a line; under a loop what a round computes."""
        names: dict[Node, str] = {}
        lines: list[str] = []
        count = 0
        for node in self.live():
            operation = self.operations[node]
            if operation is None:
                number = self.constants.get(node)
                names[node] = f"x{node}" if number is None else repr(number)
                continue
            count += 1
            names[node] = f"v{count}"
            lines.append(f"{names[node]} = {self._written(node)}({', '.join(names[o] for o in self.operands[node])})")
            if operation is LOOP:
                lines += ["    " + line for line in str(self.details[node].body).splitlines()]
        return "\n".join([*lines, f"return {', '.join(names[node] for node in self.results)}"])

    def _written(self, node: Node) -> str:
        """Write down what computes a node."""
        operation: Any = self.operations[node]
        details: Any = self.details.get(node)
        if operation is LOOP:
            return f"loop of {details.length} rounds{' backwards' * details.reverse}"
        if operation is DATA:
            return f"{self.sizes[node]} numbers"
        return operation.name if details is None else f"{operation.name} {details}"


def _are_same(details: Any, others: Any) -> bool:
    if isinstance(details, Loop):
        mine, theirs = (replace(loop, body=None, given=None) for loop in (details, others))
        return mine == theirs and list(details.given) == list(others.given) and details.body.is_same(others.body)
    return bool(details.tobytes() == others.tobytes() if isinstance(details, np.ndarray) else details == others)


def _restore(arguments: int, operations: list[Any], *columns: Any) -> Graph:
    graph, markers = Graph(0), list(MARKERS)
    graph.arguments = arguments
    graph.operations = [markers[row] if isinstance(row, int) else row for row in operations]
    graph.operands, graph.constants, graph.results, graph.details, graph.sizes = columns
    graph._by_number = {float.hex(number): node for node, number in graph.constants.items()}
    return graph
