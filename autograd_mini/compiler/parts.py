"""What of a graph is computed once in a call, and what for each example of a batch. Knows nothing of code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.graph import LOOP, MARKERS, Graph, Node
from autograd_mini.engine.operations import fsum

# A round of no more operations is straight-line code, which keeps its numbers in registers.
STRAIGHT = 500


class Part(NamedTuple):
    """Some nodes of a graph, to be computed together."""

    kind: str  # of their results: "u", one number for all lanes, or "s", one for each lane, which is an example
    nodes: list[Node]  # operations, operands before results
    own: list[bool]  # says for each node of the graph whether its number is of this kind, as an operand of these nodes
    uses: list[int]  # how often each node is needed: as an operand of these nodes, as a result, or by another part
    stored: list[Node]  # the results of each lane
    totals: list[Node]  # the results when added up over all lanes


class Parts(NamedTuple):
    """A graph in parts."""

    shared: list[Node]  # the arguments that are the same for all examples, in the order in which they are given
    inputs: dict[Node, tuple[int, int]]  # the others: which array each is from, and where in an example's row it begins
    computed: list[Part]  # what is computed once in a call; then, if there is a batch, for each example


def mapped_arguments(graph: Graph, blocks: Sequence[Block]) -> list[Node]:
    """List the arguments that are mapped over a batch."""
    return [node for nodes, is_mapped in _arguments(graph, blocks) if is_mapped for node in nodes]


def _arguments(graph: Graph, blocks: Sequence[Block]) -> Iterator[tuple[range, bool]]:
    """Give the nodes of each block, of an array one or one for each number of it, and whether it is mapped."""
    end = 0
    for shape, is_mapped in blocks:
        size = math.prod(shape)
        nodes = range(end, end + (1 if graph.sizes.get(end) == size else size))
        end = nodes.stop
        yield nodes, is_mapped


def split(graph: Graph, blocks: Sequence[Block], folded: bool) -> Parts:
    """Split a graph by what is mapped over a batch, whose results may be folded: added up over all examples."""
    shared: list[Node] = []
    inputs: dict[Node, tuple[int, int]] = {}
    arrays = 0
    for nodes, is_mapped in _arguments(graph, blocks):
        if is_mapped:
            inputs |= {node: (arrays, column) for column, node in enumerate(nodes)}
            arrays += 1
        else:
            shared += nodes
    shared += range(len(shared) + len(inputs), graph.arguments)
    uniform, varying = graph.partition(inputs)
    needed = graph.use_counts(varying, graph.results)
    kept = [node for node in uniform if needed[node]]
    own = [*graph.marks([*uniform, *shared, *graph.constants]), False]
    computed = [Part("u", uniform, own, graph.use_counts(uniform, kept), [], [])]
    if arrays:
        stored, totals = ([], graph.results) if folded else (graph.results, [])
        own = [*graph.marks([*varying, *inputs]), False]
        computed.append(Part("s", varying, own, needed, stored, totals))
    return Parts(shared, {node: place for node, place in inputs.items() if needed[node]}, computed)


def rounds_of(graph: Graph, part: Part) -> dict[Node, Part]:
    """Give a part for each loop whose rounds are no straight-line code: the part is computed in every round."""
    found: dict[Node, Part] = {}
    runs = {*MARKERS, fsum}  # what no expression computes
    for node in part.nodes:
        if graph.operations[node] is LOOP:
            loop = graph.details[node]
            body = loop.body
            nodes = [row for row in body.live() if body.operations[row] is not None]
            if len(nodes) > STRAIGHT or body.sizes or any(body.operations[row] in runs for row in nodes):
                varying = range(loop.carries + loop.arrays)
                invariants = enumerate(graph.operands[node])
                same = [i for i, operand in invariants if i not in varying and part.own[operand]]
                own = body.marks([*nodes, *varying, *same, *(body.constants if part.kind == "u" else ())])
                found[node] = Part(part.kind, nodes, [*own, False], body.use_counts(nodes, body.results), [], [])
    return found
