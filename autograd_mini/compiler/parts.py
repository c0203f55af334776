"""What of a graph is computed once in a call, and what for each example of a batch. Knows nothing of code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.graph import Graph, Node


class Part(NamedTuple):
    """Some nodes of a graph, to be computed together.

    Attributes
    ----------
    kind : str
        What their results are: `"u"`, one number for all lanes, or `"s"`, one of each lane. A lane is an example.
    nodes : list of node
        Operations, operands before results.
    own : list of bool
        Says for each node of the graph whether its number is of this kind, as an operand of these nodes.
    uses : list of int
        How often each node of the graph is needed.
    keep : list of node
        What must be there in the end.
    totals : list of node
        What is to be added up over all lanes.
    """

    kind: str
    nodes: list[Node]
    own: list[bool]
    uses: list[int]
    keep: list[Node]
    totals: list[Node]


class Parts(NamedTuple):
    """A graph in two parts.

    Attributes
    ----------
    shared : list of node
        The arguments that are the same for all examples, in the order in which they are given.
    inputs : dict from node to pair of int
        The other arguments: which array each is from, and its place in the row of an example.
    computed : list of Part
        What is computed once in a call; then, if there is a batch, what is computed for each example.
    """

    shared: list[Node]
    inputs: dict[Node, tuple[int, int]]
    computed: list[Part]


def split(graph: Graph, blocks: Sequence[Block], folded: bool) -> Parts:
    """Split a graph by what is mapped over a batch.

    Parameters
    ----------
    graph : Graph
    blocks : sequence of Block
        The leaves of its arguments.
    folded : bool
        Whether results are added up over all examples.
    """
    shared: list[Node] = []
    inputs: dict[Node, tuple[int, int]] = {}
    end = arrays = 0
    for shape, mapped in blocks:
        nodes = range(end, end + math.prod(shape))
        end = nodes.stop
        if mapped:
            inputs |= {node: (arrays, column) for column, node in enumerate(nodes)}
            arrays += 1
        else:
            shared += nodes
    shared += range(end, graph.arguments)
    uniform, varying = graph.split(inputs)
    needed = graph.use_counts(varying, graph.results)
    keep = [node for node in uniform if needed[node]]
    once = _part(graph, "u", uniform, [*shared, *graph.constants], keep, [])
    if not arrays:
        return Parts(shared, inputs, [once])
    keep, totals = ([], graph.results) if folded else (graph.results, [])
    used = {node: place for node, place in inputs.items() if needed[node]}
    return Parts(shared, used, [once, _part(graph, "s", varying, list(inputs), keep, totals)])


def _part(graph: Graph, kind: str, nodes: list[Node], given: list[Node], keep: list[Node], totals: list[Node]) -> Part:
    own = graph.marks([*nodes, *given])
    own.append(False)
    # What is kept has one use more than it has readers, so that it is no part of an expression.
    return Part(kind, nodes, own, graph.use_counts(nodes, [*keep, *keep, *totals]), keep, totals)
