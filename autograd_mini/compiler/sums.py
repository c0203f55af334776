"""Sums of products, found in a graph however they were written.

`sum(w * x for ...)`, a loop of `+=`, `dot` and the chain rule's own sums all become one `Sum`, whose
terms are added in the order in which they stood, so that its result is the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from autograd_mini.compiler.graph import Graph, Node
from autograd_mini.compiler.parts import Part
from autograd_mini.engine.operations import add, dot, mul
from autograd_mini.engine.operations import sum as sum_of

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

# Fewer terms than this are as quick one by one: of numbers of each lane, and of those of all lanes.
SHORTEST = {"s": 4, "u": 8}

# What makes partial sums.
CHAINS = {add, dot, sum_of}


class Sum(NamedTuple):
    """start + left[0] * right[0] + left[1] * right[1] + ..., from left to right.

    Without a start, the first product is where the sum begins. A term that is no product is one by 1.
    """

    start: Node | float | None  # a float is 0.0
    left: list[Node]
    right: list[Node]


class Sums(NamedTuple):
    """The sums of a part."""

    found: dict[Node, Sum]
    inside: set[Node]  # what is computed inside of a sum: partial sums and products that nothing else needs
    one: Node  # the number 1; one more than there are nodes if the graph has none

    def __str__(self) -> str:
        lines: list[str] = []
        for node, (start, left, right) in sorted(self.found.items()):
            terms = [str(x) if y == self.one else f"{x}*{y}" for x, y in zip(left, right)]
            lines.append(f"{node} = {' + '.join(terms if start is None else [str(start), *terms])}")
        return "\n".join(lines)


def find_sums(graph: Graph, part: Part) -> Sums:
    """Find the sums of products among the nodes of a part."""
    one = next((node for node, number in graph.constants.items() if number == 1.0), len(graph.operations))
    alone = [count == 1 and is_own for count, is_own in zip(part.uses, part.own)]
    found: dict[Node, Sum] = {}
    inside: set[Node] = set()
    for node in reversed(part.nodes):
        if graph.operations[node] in CHAINS and node not in inside and not _adds_uniform(graph, part, node):
            start, factors, terms, partial = _follow_chain(graph, node, alone)
            half = len(factors) // 2
            if half + len(terms) < SHORTEST[part.kind]:
                continue
            left, right = [*factors[:half]], [*factors[half:]]
            for term in reversed(terms):
                is_product = graph.operations[term] is mul and alone[term]
                if is_product:
                    inside.add(term)
                x, y = graph.operands[term] if is_product else (term, one)
                left.append(x)
                right.append(y)
            inside.update(partial)
            found[node] = Sum(start, left, right)
    return Sums(found, inside, one)


def _adds_uniform(graph: Graph, part: Part, node: Node) -> bool:
    """Say whether a number of all lanes, such as a bias, is added last: an expression does so, and rows stay alike."""
    return part.kind == "s" and graph.operations[node] is add and not all(part.own[x] for x in graph.operands[node])


def _follow_chain(
    graph: Graph, node: cython.Py_ssize_t, alone: list[bool]
) -> tuple[Node | float | None, Sequence[Node], list[Node], list[Node]]:
    """Follow a chain of partial sums back to its beginning: a dot product, another sum, or a number.

    Give the start, the factors of the dot product, the terms from the last to the first, and the partial sums within. A
    node is `alone` if one operand of one node needs it: only then it may be inside.
    """
    x: cython.Py_ssize_t
    y: cython.Py_ssize_t
    operations: list[Any] = graph.operations
    terms: list[Node] = []
    partial: list[Node] = []
    while operations[node] is add:
        x, y = graph.operands.entry(node, 0), graph.operands.entry(node, 1)
        if alone[x] and operations[x] in CHAINS:
            terms.append(y)
            node = x
        elif alone[y] and operations[y] in CHAINS:
            terms.append(x)
            node = y
        else:
            terms.append(y)
            if operations[x] is mul and alone[x]:
                terms.append(x)
                return None, (), terms, partial
            number = graph.constants.get(x)
            is_zero = number == 0.0 and math.copysign(1.0, number) > 0.0
            return 0.0 if is_zero else x, (), terms, partial
        partial.append(node)
    operands = graph.operands[node]
    if operations[node] is dot:
        return 0.0, operands[:-1], [*terms, operands[-1]], partial
    return 0.0, (), [*terms, *reversed(operands)], partial
