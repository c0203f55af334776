"""Products that a loop adds up, such as the gradients of a layer's weights, are added up after it, block by block.

A loop that carries many totals reads and writes all of them in each round. The factors of their products are fewer: the
loop makes arrays of these, and loops after it add up as many products at a time as registers can hold the totals of.
They add the same numbers in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from autograd_mini.compiler.graph import LOOP, OUTPUT, Graph, Loop, Node
from autograd_mini.compiler.simplify import simplify
from autograd_mini.engine.operations import add, mul

# A block has at most so many left factors, and right ones: 12 totals and what is added to them fit into registers.
LEFT, RIGHT = 4, 3

# Fewer factors of either side are left to their loop.
FEWEST = 4


class _Products(NamedTuple):
    """Products that a loop adds up: of each left factor with each right one."""

    left: Sequence[Node]
    right: Sequence[Node]
    totals: dict[tuple[Node, Node], int]  # the carry of each product

    def blocks(self) -> Iterator[_Products]:
        for left, right in product(_evenly(self.left, LEFT), _evenly(self.right, RIGHT)):
            yield self._replace(left=left, right=right)


def _evenly(nodes: Sequence[Node], most: int) -> list[Sequence[Node]]:
    """Cut nodes into parts of almost one length."""
    length = -(-len(nodes) // -(-len(nodes) // most))
    return [nodes[i : i + length] for i in range(0, len(nodes), length)]


def add_up_later(graph: Graph) -> Graph:
    """Write a simplified graph anew, with such products added up after their loops; one without is given back."""
    later = _rewritten(graph)
    return graph if later is graph else simplify(later)


def _rewritten(graph: Graph) -> Graph:
    loops: dict[Node, Loop] = {}
    products: dict[Node, list[_Products]] = {}
    for node, loop in graph.details.items():
        if isinstance(loop, Loop):
            body = _rewritten(loop.body) if loop.body.details else loop.body
            found = _find_products(replace(loop, body=body))
            if found or body is not loop.body:
                loops[node], products[node] = replace(loop, body=body), found
    if not loops:
        return graph
    later = graph.head(graph.arguments)
    places = [*range(graph.arguments)]
    moved: dict[Node, dict[int, Node]] = {}  # by loops: the totals, by the outputs that they were
    for node in range(graph.arguments, len(graph.operations)):
        operands = tuple([places[x] for x in graph.operands[node]])
        if node in loops:
            place, moved[node] = _add_loop(later, loops[node], operands, products[node])
            places.append(place)
        elif graph.operations[node] is OUTPUT and graph.details[node] in moved.get(graph.operands[node][0], ()):
            places.append(moved[graph.operands[node][0]][graph.details[node]])
        else:
            places.append(later.add_row(graph, node, operands, graph.details.get(node)))
    later.results = [places[node] for node in graph.results]
    return later


def _find_products(loop: Loop) -> list[_Products]:
    """List the products of numbers that vary from round to round of which nothing is needed but their totals."""
    body = loop.body
    uses = body.use_counts(body.live(), body.results)
    varies = body.dependents(range(loop.carries + loop.arrays))
    rows: dict[Node, dict[Node, int]] = {}  # by left factors: the total of each right one
    for j, total in enumerate(body.results[: loop.carries]):
        if body.operations[total] is add and j in body.operands[total] and uses[total] == uses[j] == 1:
            (term,) = (x for x in body.operands[total] if x != j)
            if body.operations[term] is mul and uses[term] == 1:
                x, y = body.operands[term]
                if varies[x] and varies[y]:
                    rows.setdefault(x, {})[y] = j
    rectangles: dict[tuple[Node, ...], list[Node]] = {}
    for x, totals in rows.items():
        rectangles.setdefault(tuple(totals), []).append(x)
    return [
        _Products(left, right, {(x, y): rows[x][y] for x, y in product(left, right)})
        for right, left in rectangles.items()
        if min(len(left), len(right)) >= FEWEST
    ]


def _add_loop(
    later: Graph, loop: Loop, operands: Sequence[Node], products: Sequence[_Products]
) -> tuple[Node, dict[int, Node]]:
    """Add a loop that makes arrays of factors, and loops that add their products up; give its node, and the totals."""
    body = loop.body.copy()
    node = later.mark(LOOP, tuple(operands), replace(loop, body=body))
    arrays = {x: operands[x] for x in range(loop.carries, loop.carries + loop.arrays)}  # by factors
    for factor in [x for some in products for x in (*some.left, *some.right)]:
        if factor not in arrays:
            arrays[factor] = later.mark(OUTPUT, (node,), len(body.results), loop.length)
            body.results.append(factor)
    moved: dict[int, Node] = {}
    for block in [block for some in products for block in some.blocks()]:
        totals = [block.totals[pair] for pair in product(block.left, block.right)]
        factors = [arrays[x] for x in (*block.left, *block.right)]
        rounds = _rounds(len(block.left), len(block.right), loop)
        adding = later.mark(LOOP, (*[operands[j] for j in totals], *factors), rounds)
        moved |= {j: later.mark(OUTPUT, (adding,), k) for k, j in enumerate(totals)}
    return node, moved


def _rounds(left: int, right: int, loop: Loop) -> Loop:
    """Write rounds that add each of some left factors times each of some right ones to a total."""
    totals, factors = left * right, left + right
    body = Graph(totals + factors)
    pairs = product(range(totals, totals + left), range(totals + left, totals + factors))
    body.results = [body.append(add, (j, body.append(mul, pair))) for j, pair in enumerate(pairs)]
    return Loop(body, range(body.arguments), loop.length, totals, factors, loop.reverse)
