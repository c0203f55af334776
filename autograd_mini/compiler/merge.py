"""Loops that become one: of as many rounds, in one direction, over an array that they share, and none after the other.

The loops of tangents in several directions are such: a Hessian has as many as there are parameters. What they compute
alike is then computed once, and what they read is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.graph import LOOP, OUTPUT, Graph, Loop, Node
from autograd_mini.compiler.parts import STRAIGHT, mapped_arguments
from autograd_mini.compiler.simplify import simplify


def merge(graph: Graph, blocks: Sequence[Block]) -> Graph:
    """Write a simplified graph anew, with loops that are one; a graph without such loops is given back."""
    if graph.operations.count(LOOP) < 2:
        return graph
    stages = _stages(graph)
    groups = _groups(graph, stages, graph.dependents(mapped_arguments(graph, blocks)))
    if not groups:
        return graph
    merged = graph.head(graph.arguments)
    places = {node: node for node in range(graph.arguments)}
    outputs: dict[Node, list[int]] = {}  # of the one loop: those of each
    group_of = {node: group for group in groups for node in group}
    for node in sorted(range(graph.arguments, len(stages)), key=lambda node: (stages[node], node in group_of, node)):
        operands = graph.operands[node]
        if node in group_of:
            if node not in places:
                places |= _add_loop(merged, graph, group_of[node], places, outputs)
            continue
        details: Any = graph.details.get(node)
        if graph.operations[node] is OUTPUT and operands[0] in outputs:
            details = outputs[operands[0]][details]
        places[node] = merged.add_row(graph, node, tuple([places[x] for x in operands]), details)
    merged.results = [places[node] for node in graph.results]
    return simplify(merged)


def _stages(graph: Graph) -> list[int]:
    """Say for each node how many loops, one after another, it comes after."""
    stages = [0] * len(graph.operations)
    for node, operands in enumerate(graph.operands):
        if operands:
            stages[node] = max([stages[x] for x in operands]) + (graph.operations[node] is OUTPUT)
    return stages


def _groups(graph: Graph, stages: Sequence[int], varies: Sequence[bool]) -> list[list[Node]]:
    """List the loops that become one: those that share an array with the first of them, and are no more code."""
    groups: dict[Any, list[list[Node]]] = {}
    for node, loop in graph.details.items():
        if graph.operations[node] is LOOP:
            alike = groups.setdefault((stages[node], varies[node], loop.length, loop.reverse, loop.is_recomputed), [])
            for group in alike:
                if _are_one(graph, [*group, node]):
                    group.append(node)
                    break
            else:
                alike.append([node])
    return [group for alike in groups.values() for group in alike if len(group) > 1]


def _are_one(graph: Graph, loops: Sequence[Node]) -> bool:
    """Say whether loops share arrays, and are straight-line code, also together."""
    bodies = [graph.details[node].body for node in loops]
    arrays = [_divided(graph.details[node], graph.operands[node])[1] for node in loops]
    return (
        not any(body.details for body in bodies)
        and sum([len(body.operations) for body in bodies]) <= STRAIGHT
        and all(not set(arrays[0]).isdisjoint(some) for some in arrays)
    )


def _divided(loop: Loop, nodes: Sequence[Node]) -> list[Sequence[Node]]:
    """Divide the operands of a loop, or what stands for them: first numbers of carries, arrays, and invariants."""
    end = loop.carries + loop.arrays
    return [nodes[: loop.carries], nodes[loop.carries : end], nodes[end:]]


def _add_loop(
    merged: Graph, graph: Graph, loops: Sequence[Node], places: dict[Node, Node], outputs: dict[Node, list[int]]
) -> dict[Node, Node]:
    """Add the one loop of several, whose node is the place of each; note which outputs are those of each."""
    body = Graph(0)
    given: list[list[Node]] = [[], [], []]
    taken: list[list[Node]] = [[], [], []]
    carried: list[Node] = []
    made: list[Node] = []
    carries = sum([graph.details[node].carries for node in loops])
    for node in loops:
        loop: Loop = graph.details[node]
        rows: list[Node] = []
        for row, operands in enumerate(loop.body.operands):  # of a body without details
            rows.append(body.add_row(loop.body, row, tuple([rows[x] for x in operands])))
        for i, (inside, outside) in enumerate(zip(_divided(loop, loop.given), _divided(loop, graph.operands[node]))):
            given[i] += [rows[x] for x in inside]
            taken[i] += [places[x] for x in outside]
        results = [rows[x] for x in loop.body.results]
        outputs[node] = [*range(len(carried), len(carried) + loop.carries)]
        outputs[node] += range(carries + len(made), carries + len(made) + len(results) - loop.carries)
        carried += results[: loop.carries]
        made += results[loop.carries :]
    body.results = carried + made
    one = replace(graph.details[loops[0]], body=body, given=[*chain(*given)], carries=carries, arrays=len(given[1]))
    return dict.fromkeys(loops, merged.mark(LOOP, tuple(chain(*taken)), one))
