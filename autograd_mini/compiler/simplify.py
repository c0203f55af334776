"""Simplification of a graph, and of the loops in it: each computes what is needed, once.

Operations that give the same in all rounds move out of their loop, and a carry that never changes becomes an invariant.
In a simplified loop `given` is 0, 1, 2, ...: the first nodes of the body stand for the operands, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_mini.compiler.builder import Builder
from autograd_mini.compiler.columns import Rows
from autograd_mini.compiler.graph import DATA, ELEMENT, LOOP, OUTPUT, SLICE, Graph, Loop, Node
from autograd_mini.engine.operations import detach, identity

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython


def simplify(graph: Graph, singly: bool = False) -> Graph:
    """Write a traced graph anew, in its simplest form.

    Rows that are neither operations nor constants are given in each call: they become arguments, in their order. An
    array that is not needed as one, but for its elements, becomes an argument for each. If results are wanted `singly`,
    there is a node for each number of them.
    """
    node: cython.Py_ssize_t
    count: cython.Py_ssize_t = 0
    places: list[Any] = [-1] * len(graph.operations)
    nodes, outputs = _live(graph, graph.results)
    apart = {graph.operands[node][0] for node in nodes if graph.operations[node] is ELEMENT}
    apart.update(graph.results if singly else ())
    apart.difference_update(*[graph.operands[node] for node in nodes if graph.operations[node] in (LOOP, SLICE)])
    apart.difference_update(() if singly else graph.results)
    sizes: dict[Node, int] = {}
    for node in range(len(places)):
        if graph.operations[node] is None and node not in graph.constants:
            size = graph.sizes.get(node)
            if size is not None and node in apart:
                places[node] = range(count, count + size)
                count += size
                continue
            if size is not None:
                sizes[count] = size
            places[node] = count
            count += 1
    builder: Builder = Builder(count)
    builder.graph.sizes |= sizes
    for node in nodes:
        if places[node] == -1:
            _write(builder, graph, node, places, outputs)
    for node in graph.results:
        place = places[node]
        if isinstance(place, range):
            builder.graph.results += place
        elif singly and node in graph.sizes:
            builder.graph.results += [builder.mark(ELEMENT, (place,), i) for i in range(graph.sizes[node])]
        else:
            builder.graph.results.append(place)
    return builder.graph


def _write(
    builder: Builder, graph: Graph, node: cython.Py_ssize_t, places: list[Any], outputs: dict[Node, set[int]]
) -> None:
    """Write a row anew, and note its place; that of a loop are the places of its outputs."""
    k: cython.Py_ssize_t
    rows: Rows = graph.operands
    operation = graph.operations[node]
    operands: list[Any] = []
    for k in range(rows.begins.at[node], rows.begins.at[node + 1]):
        operands.append(places[rows.numbers.at[k]])
    if operation is None:
        places[node] = builder.constant(graph.constants[node])
    elif operation is identity or operation is detach:  # of no effect, once derivatives are in the graph
        places[node] = operands[0]
    elif operation is OUTPUT:
        places[node] = operands[0][graph.details[node]]
    elif operation is LOOP:
        places[node] = _write_loop(builder, graph.details[node], operands, outputs[node])
    elif operation is ELEMENT and isinstance(operands[0], range):
        places[node] = operands[0][graph.details[node]]
    elif node in graph.details:
        size = graph.sizes.get(node)
        places[node] = builder.mark(operation, tuple(operands), graph.details[node], size)
    else:
        places[node] = builder.add(operation, tuple(operands))


def _live(graph: Graph, results: Sequence[Node]) -> tuple[list[Node], dict[Node, set[int]]]:
    """List what some results are computed from, and which outputs of each loop are among it."""
    node: cython.Py_ssize_t
    operand: cython.Py_ssize_t
    needed: list[bool] = graph.marks(results)
    outputs: dict[Node, set[int]] = {}
    for node in range(len(needed) - 1, graph.arguments - 1, -1):
        if not needed[node]:
            continue
        operands: Any = graph.operands[node]
        if graph.operations[node] is OUTPUT:
            outputs.setdefault(operands[0], set()).add(graph.details[node])
            needed[operands[0]] = True
        elif graph.operations[node] is LOOP:
            loop = graph.details[node]
            alive, nodes = _live_carries(loop, outputs[node])
            body: list[bool] = loop.body.marks(nodes)
            for i, operand in enumerate(operands):
                if body[loop.given[i]] or (i < loop.carries and i in alive):
                    needed[operand] = True
        else:
            for operand in operands:
                needed[operand] = True
    return [node for node in range(len(needed)) if needed[node]], outputs


def _live_carries(loop: Loop, outputs: set[int]) -> tuple[set[int], list[Node]]:
    """List the results of a round that some outputs of a loop need, in any round, and the nodes that these need."""
    alive = set(outputs)
    while True:
        nodes, _ = _live(loop.body, [loop.body.results[k] for k in alive])
        needed = set(nodes)
        grown = alive | {j for j in range(loop.carries) if loop.given[j] in needed}
        if grown == alive:
            return alive, nodes
        alive = grown


def _write_loop(outer: Builder, loop: Loop, operands: list[Node], outputs: set[int]) -> dict[int, Node]:
    """Write a loop anew, as far as some outputs need it; give their places."""
    if not loop.length:
        empty = [k for k in outputs if k >= loop.carries]
        return {k: operands[k] for k in outputs - set(empty)} | {k: outer.mark(DATA, (), [], 0) for k in empty}
    constant: dict[int, Node] = {}  # carries that never change, and their places around the loop
    while True:
        writer = _LoopWriter(outer, loop, operands, outputs, constant)
        unchanged = writer.unchanged()
        if not unchanged:
            return writer.finish()
        constant |= unchanged


class _LoopWriter:
    """Writes a loop anew: rows that vary from round to round into a body, the others around it."""

    def __init__(
        self, outer: Builder, loop: Loop, operands: list[Node], outputs: set[int], constant: dict[int, Node]
    ) -> None:
        self.outer, self.loop, self.operands, self.outputs, self.constant = outer, loop, operands, outputs, constant
        body = loop.body
        self.alive = _live_carries(loop, outputs)[0] - constant.keys()
        self.carries = [j for j in sorted(self.alive) if j < loop.carries]
        nodes, inner_outputs = _live(body, [body.results[k] for k in self.alive])
        self.live = live = set(nodes)
        self.fixed, varying = self._divide(nodes, inner_outputs)
        needed = live & {x for node in varying for x in body.operands[node]} | {body.results[k] for k in self.alive}
        places: list[Any] = [-1] * len(body.operations)
        self._choose_operands(needed & self.fixed.keys(), places)
        self.builder = inner = Builder(len(self.taken))
        inner.graph.sizes |= {
            places[node]: size for node, size in body.sizes.items() if node in live and places[node] != -1
        }
        for node in needed & self.fixed.keys():
            if places[node] == -1:
                places[node] = inner.constant(outer.graph.constants[self.fixed[node]])
        for node in varying:
            _write(inner, body, node, places, inner_outputs)
        self.results = {k: places[body.results[k]] for k in self.alive}

    def _choose_operands(self, invariants: set[Node], places: list[Any]) -> None:
        """List the operands of the loop, each once, and note the places of the rows that stand for them."""
        loop, operands = self.loop, self.operands
        self.taken = [operands[j] for j in self.carries]
        for place, j in enumerate(self.carries):
            places[loop.given[j]] = place
        arrays = range(loop.carries, loop.carries + loop.arrays)
        self._take([(loop.given[i], operands[i]) for i in arrays if loop.given[i] in self.live], places)
        self.arrays = len(self.taken) - len(self.carries)
        known = self.outer.graph.constants
        self._take([(x, self.fixed[x]) for x in sorted(invariants) if self.fixed[x] not in known], places)

    def _take(self, rows: Sequence[tuple[Node, Node]], places: list[Any]) -> None:
        """Make places around the loop operands of it, in a row with the rows of the body that stand for them."""
        arguments: dict[Node, Node] = {}
        for node, place in rows:
            if place not in arguments:
                arguments[place] = len(self.taken)
                self.taken.append(place)
            places[node] = arguments[place]

    def _divide(self, nodes: Sequence[Node], outputs: dict[Node, set[int]]) -> tuple[dict[Node, Any], list[Node]]:
        """Write what is the same in all rounds around the loop, and list what is not."""
        loop, body = self.loop, self.loop.body
        fixed: dict[Node, Any] = {loop.given[j]: place for j, place in self.constant.items()}
        for i in range(loop.carries + loop.arrays, len(loop.given)):
            fixed[loop.given[i]] = self.operands[i]
        given, live = set(loop.given), set(nodes)
        varying: list[Node] = []
        places: list[Any] = [-1] * len(body.operations)
        for node, place in fixed.items():
            places[node] = place
        for node in nodes:
            if node in fixed:
                continue
            if node not in given and all(x in fixed or x not in live for x in body.operands[node]):
                _write(self.outer, body, node, places, outputs)
                fixed[node] = places[node]
            elif node not in given:
                varying.append(node)
        return fixed, varying

    def unchanged(self) -> dict[int, Node]:
        """List carries of which it is known around the loop what each round hands on, and their places there."""
        found: dict[int, Node] = {}
        for i, j in enumerate(self.carries):
            result, start = self.fixed.get(self.loop.body.results[j]), self.operands[j]
            if self.results[j] == i or result == start:
                found[j] = start
            elif result is not None and self.loop.given[j] not in self.live:  # where the first round is as the others
                found[j] = result
        return found

    def finish(self) -> dict[int, Node]:
        """Write the node of the loop, and those of its outputs; give the places of these."""
        loop, inner, outer = self.loop, self.builder.graph, self.outer
        made: dict[Node, int] = {}  # arrays by the nodes of their elements: each once
        same = {k: made.setdefault(self.results[k], k) for k in sorted(self.alive) if k >= loop.carries}
        order = [*self.carries, *made.values()]
        found = {k: place for k, place in self.constant.items() if k in self.outputs}
        if not order:
            return found
        inner.results = [self.results[k] for k in order]
        settings = (len(self.carries), self.arrays, loop.reverse, loop.is_recomputed)
        written = Loop(inner, range(inner.arguments), loop.length, *settings)
        fixed, _ = inner.partition(range(len(self.carries) + self.arrays))
        if fixed:  # they have moved out of loops within it
            again = _write_loop(outer, written, self.taken, {i for i, k in enumerate(order) if k in self.outputs})
            found |= {order[i]: place for i, place in again.items()}
        else:
            node = outer.mark(LOOP, tuple(self.taken), written)
            for place, k in enumerate(order):
                if k in self.outputs:
                    size = None if k < loop.carries else loop.length * inner.sizes.get(self.results[k], 1)
                    found[k] = outer.mark(OUTPUT, (node,), place, size)
        return found | {k: found[one] for k, one in same.items()}
