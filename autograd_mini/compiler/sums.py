"""Sums of products, found in a graph however they were written.

`sum(w * x for ...)`, a loop of `+=`, `dot` and the chain rule's own sums all become one `Sum`, whose
terms are added in the order in which they stood, so that its result is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from autograd_mini.compiler.graph import Graph, Node
from autograd_mini.engine.operations import add, dot, mul
from autograd_mini.engine.operations import sum as sum_of

# Fewer terms than this are as quick one by one.
SHORTEST = 4

_CHAINS = {add, dot, sum_of}


class Sum(NamedTuple):
    """start + factors[0][0] * factors[0][1] + factors[1][0] * factors[1][1] + ..., from left to right.

    Without a start, the first product is where the sum begins. A term that is no product is one by 1.
    """

    start: Node | None
    left: list[Node]
    right: list[Node]


def find_sums(graph: Graph, nodes: Sequence[Node], uses: Sequence[int]) -> tuple[dict[Node, Sum], set[Node]]:
    """Find the sums of products among some nodes.

    Returns
    -------
    dict from node to Sum
    set of node
        What is computed inside of a sum: partial sums and products that nothing else needs.
    """
    one = graph.constant(1.0)
    own = graph.marks(nodes)
    found: dict[Node, Sum] = {}
    inside: set[Node] = set()
    for node in reversed(nodes):
        if graph.operations[node] in _CHAINS and node not in inside:
            total, parts = _collect(graph, node, uses, own, one)
            if len(total.left) >= SHORTEST:
                found[node] = total
                inside.update(parts)
    return found, inside


def _collect(graph: Graph, node: Node, uses: Sequence[int], own: list[bool], one: Node) -> tuple[Sum, list[Node]]:
    """Follow a chain of partial sums back to its beginning; also list what is computed inside of it."""
    operations, operands = graph.operations, graph.operands
    start: Node | None = None
    left: list[Node] = []
    right: list[Node] = []
    inside: list[Node] = []

    def append(term: Node) -> None:
        if operations[term] is mul and uses[term] == 1 and own[term]:
            inside.append(term)
            x, y = operands[term]
            left.append(x)
            right.append(y)
        else:
            left.append(term)
            right.append(one)

    while operations[node] is add:
        x, y = operands[node]
        if operations[x] in _CHAINS and uses[x] == 1 and own[x]:
            term, node = y, x
        elif operations[y] in _CHAINS and uses[y] == 1 and own[y]:
            term, node = x, y
        else:
            append(y)
            if operations[x] is mul and uses[x] == 1 and own[x]:
                append(x)
            else:
                start = x
            break
        append(term)
        inside.append(node)
    else:
        start = graph.constant(0.0)
        terms = operands[node]
        if operations[node] is dot:
            half = len(terms) // 2
            append(terms[-1])
            left += reversed(terms[:half])
            right += reversed(terms[half:-1])
        else:
            for term in reversed(terms):
                append(term)
    left.reverse()
    right.reverse()
    return Sum(start, left, right), inside
