"""Loops whose flags settle: the rounds between the first and the last are written down for what is known of them.

Flags say whether a gradient or a tangent is reached. One that is carried is mostly 0 in the first round and 1 in all
others, and arrays of flags, which other loops read, differ at an end. Rounds in between are then about half as long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from autograd_mini.compiler.builder import Builder
from autograd_mini.compiler.graph import DATA, LOOP, OUTPUT, Graph, Loop, Node

# What flags are, and not -0.0, which is equal to one. No other number is looked at: it would stand in code, and make it
# differ from series to series.
FLAGS = (0.0, 1.0)


class _Known(NamedTuple):
    """What flags are known to be: in the first round, in those between, and in the last; of arrays, by elements."""

    first: float | None = None
    between: float | None = None
    last: float | None = None


def settle(graph: Graph) -> Graph:
    """Write a simplified graph anew, with rounds for what is known of flags; one without loops is given back."""
    first = next((node for node, details in graph.details.items() if isinstance(details, Loop)), None)
    if first is None:
        return graph
    builder = Builder(graph.arguments)
    builder.begin(graph, first)
    places: list[Any] = [*range(first)]
    known = {node: _known_elements(graph.details[node]) for node in places if graph.operations[node] is DATA}
    loops: dict[Node, Loop] = {}
    outputs: dict[Node, list[_Known]] = {}  # of loops
    for node in range(len(places), len(graph.operations)):
        operation: Any = graph.operations[node]
        details: Any = graph.details.get(node)
        if operation is LOOP:
            constants = builder.graph.constants
            given = [
                known.get(x, _Known()) if x in graph.sizes else _Known(_flag(constants.get(places[x])))
                for x in graph.operands[node]
            ]
            loops[node], outputs[node] = _settle_loop(details, given)
        elif operation is DATA:
            known[node] = _known_elements(details)
        elif operation is OUTPUT:
            known[node] = outputs[graph.operands[node][0]][details]
            last = known[node].last
            if node not in graph.sizes and last is not None:
                places.append(builder.constant(last))
                continue
        builder.extend(graph, node + 1, places, loops)
    builder.graph.results = [places[node] for node in graph.results]
    return builder.graph


def _flag(number: float | None) -> float | None:
    return number if number in FLAGS and math.copysign(1.0, number) > 0.0 else None


def _known_elements(array: Any) -> _Known:
    if len(array) < 3 or array[1] not in FLAGS:
        return _Known()
    between = array[1:-1]
    if (between != array[1]).any() or np.signbit(between).any():
        return _Known()
    return _Known(*[_flag(float(array[i])) for i in (0, 1, -1)])


def _settle_loop(loop: Loop, given: Sequence[_Known]) -> tuple[Loop, list[_Known]]:
    """Write the rounds of a loop for what is known of its operands; say what is known of its outputs."""
    body = loop.body
    nothing = [_Known()] * len(body.results)
    if body.details:
        return replace(loop, body=settle(body)), nothing
    if loop.length < 3:
        return loop, nothing
    arrays = [known[::-1] if loop.reverse else known for known in given[loop.carries :]]
    first = _round(body, [*[x.first for x in given[: loop.carries]], *[x[0] for x in arrays]])
    carried = _flags(first)[: loop.carries]
    while True:
        between = _round(body, [*carried, *[x[1] for x in arrays]])
        steady = [x if x == y else None for x, y in zip(carried, _flags(between))]
        if steady == carried:
            break
        carried = steady
    last = _round(body, [*carried, *[x[2] for x in arrays]])
    found = [_Known(*x) for x in zip(*map(_flags, (first, between, last)))]
    outputs = [_Known(last=x.last) for x in found[: loop.carries]]
    outputs += [_Known(*(x[::-1] if loop.reverse else x)) for x in found[loop.carries :]]
    if len(between.live()) < len(body.live()):
        loop = replace(loop, settled=(first, between, last))
    return loop, outputs


def _round(body: Graph, known: Sequence[float | None]) -> Graph:
    """Write a round anew for what is known of its operands."""
    builder = Builder(body.arguments)
    places = [x if number is None else builder.constant(number) for x, number in enumerate(known)]
    places += range(len(places), body.arguments)
    builder.extend(body, len(body.operations), places, {})
    builder.graph.results = [places[x] for x in body.results]
    return builder.graph


def _flags(body: Graph) -> list[float | None]:
    return [_flag(body.constants.get(x)) for x in body.results]
