"""From a graph to a program: a few patterns of code, and tables of where each finds its operands.

A pattern is an expression of bounded size, or a sum of products of any length. All nodes of one
pattern share its code, so that code, and the time to compile it, grow with the number of different
patterns; nodes that follow one another in a run are a loop. Knows nothing of LLVM.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini.compiler.graph import Graph, Node
from autograd_mini.compiler.sums import find_sums
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import identity, mul

# An expression of a pattern has at most so many operations; fewer where there would be more than so
# many operations in all patterns together.
LARGEST = (24, 12, 6, 3, 1)
ENOUGH = 400

# Numbers that stand in the code itself; all others are loaded, so that they make no patterns differ.
_LITERALS = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0}

Table = NDArray[np.int32]
# An operation and its operands, each another such pair, the number of a leaf, or a literal.
Shape = tuple[Operation, tuple["Shape | int | str", ...]]


@dataclass(frozen=True)
class Expression:
    """A pattern: some operations on leaves. Row of its table: where the result goes, where each leaf is."""

    shape: Shape
    leaves: str  # the kind of each: "u" for a number of all lanes, "s" for one of each lane


@dataclass(frozen=True)
class Dot:
    """A pattern: a sum of products. Rows: result, start if that is loaded, then the factors.

    If `shared`, all rows have the same right factors, which stand once, before the rows, and left
    ones at regular distance, of which the row has the first. If `regular`, the right ones are at
    regular distance too: their first one and the distance stand before the rows.
    """

    start: str  # "" for none, "0", or its kind
    left: str
    right: str
    shared: bool = False
    regular: bool = False


@dataclass(frozen=True)
class Outer:
    """A pattern: for each of some left and right factors their product, added up over all lanes.

    Table: the left factors, the right ones, then for each pair the result, those of a left factor together.
    """


@dataclass(frozen=True)
class Fold:
    """A pattern: a number of each lane, added up over all lanes. Rows: result, number."""


Pattern = Expression | Dot | Outer | Fold


class Run(NamedTuple):
    """A loop over rows of a table, by the code of a pattern."""

    pattern: Pattern
    table: Table
    rows: int
    parameters: tuple[int, int] = (0, 0)


class Layout:
    """Where each node is in memory: among the numbers of all lanes ("u"), or those of each lane ("s")."""

    def __init__(self) -> None:
        self.kinds: dict[Node, str] = {}
        self.places: dict[Node, int] = {}
        self.sizes = {"u": 0, "s": 0}

    def put_all(self, nodes: Collection[Node], kind: str) -> None:
        """Give some nodes the next places of a kind."""
        self.kinds.update(dict.fromkeys(nodes, kind))
        self.places.update(zip(nodes, range(self.sizes[kind], self.sizes[kind] + len(nodes))))
        self.sizes[kind] += len(nodes)

    def put(self, node: Node, kind: str) -> int:
        """Give a node the next place of a kind."""
        self.kinds[node] = kind
        place = self.places[node] = self.sizes[kind]
        self.sizes[kind] += 1
        return place


class _Step(NamedTuple):
    """A node to be computed: what becomes a row of a run."""

    pattern: Pattern
    result: Node
    operands: Sequence[Node]
    right: Sequence[Node] = ()


class Planner:
    """Plans how some nodes of a graph are computed, all of one kind.

    Parameters
    ----------
    graph : Graph
    nodes : sequence of node
        What to compute, operands before results.
    layout : Layout
        Has the places of all other operands; gets those of what is computed.
    kind : str
        `"u"` or `"s"`.
    keep : sequence of node
        What must have a place of this kind in the end.
    folds : sequence of pair of int and node, optional
        What to add up over all lanes, each with the place of the result.

    Attributes
    ----------
    kept : list of node
        The nodes to keep, or what has the same number in each lane.
    """

    def __init__(
        self,
        graph: Graph,
        nodes: Sequence[Node],
        layout: Layout,
        kind: str,
        keep: Sequence[Node],
        folds: Sequence[tuple[int, Node]] = (),
    ) -> None:
        self.graph, self.layout, self.kind = graph, layout, kind
        self.alike = graph.marks([*nodes, *[node for node, other in layout.kinds.items() if other == kind]])
        self.uses = graph.use_counts(nodes, [*keep, *keep, *[node for _, node in folds]])
        self.sums, elsewhere = find_sums(graph, nodes, self.uses)
        elsewhere.update(self.sums)
        products: list[tuple[int, Node]] = []
        others: list[tuple[int, Node]] = []
        for place, node in folds:
            if self.uses[node] == 1 and graph.operations[node] is mul:
                x, y = graph.operands[node]
                if self.alike[x] and self.alike[y]:
                    products.append((place, node))
                    continue
            others.append((place, node))
        elsewhere.update([node for _, node in products])
        self.steps: list[_Step] = []
        self.spread: dict[Node, Node] = {}
        self.kept = [self._per_lane(node) for node in keep]
        self.folded = [(place, self._per_lane(node)) for place, node in others]
        self.products = [(place, *graph.operands[node]) for place, node in products]
        for node in self.sums:
            self._add_dot(node)
        self._add_expressions([node for node in nodes if node not in elsewhere])

    def plan(self) -> list[Run]:
        """Order the steps so that those of one pattern follow one another, and lay out what they compute."""
        producers = {step.result: i for i, step in enumerate(self.steps)}
        waiting = [0] * len(self.steps)
        consumers: list[list[int]] = [[] for _ in self.steps]
        for i, step in enumerate(self.steps):
            for producer in {producers[node] for node in (*step.operands, *step.right) if node in producers}:
                waiting[i] += 1
                consumers[producer].append(i)
        numbers: dict[Pattern, int] = {}
        kinds = [numbers.setdefault(step.pattern, len(numbers)) for step in self.steps]
        ready: dict[int, list[int]] = {}
        for i, kind in enumerate(kinds):
            if not waiting[i]:
                ready.setdefault(kind, []).append(i)
        runs: list[Run] = []
        while ready:
            kind = max(ready, key=lambda kind: len(ready[kind]))
            batch = ready.pop(kind)
            pattern = self.steps[batch[0]].pattern
            in_sequence = isinstance(pattern, Expression)
            for i in batch:  # grows: an expression may follow one of its own pattern in the same loop
                for consumer in consumers[i]:
                    waiting[consumer] -= 1
                    if not waiting[consumer]:
                        same = in_sequence and kinds[consumer] == kind
                        (batch if same else ready.setdefault(kinds[consumer], [])).append(consumer)
            runs += self._lay_out(pattern, [self.steps[i] for i in batch])
        places = self.layout.places
        if self.folded:
            rows = [[place, places[node]] for place, node in self.folded]
            runs.append(Run(Fold(), _table(rows), len(rows)))
        return runs + self._outer_runs()

    def _kind_of(self, node: Node) -> str:
        return self.kind if self.alike[node] else self.layout.kinds[node]

    def _per_lane(self, node: Node) -> Node:
        """Give a node of this stage's kind with the same number; negative ones are in no graph."""
        if self._kind_of(node) == self.kind:
            return node
        if node not in self.spread:
            self.spread[node] = -1 - node
            self.steps.append(_Step(Expression((identity, (0,)), "u"), -1 - node, (node,)))
        return self.spread[node]

    def _add_dot(self, node: Node) -> None:
        start, left, right = self.sums[node]
        kinds = {self._kind_of(x) + self._kind_of(y) for x, y in zip(left, right)}
        if kinds != {self.kind * 2}:
            pairs = [(x, y) if self._kind_of(y) == self.kind else (y, x) for x, y in zip(left, right)]
            left, right = [x for x, _ in pairs], [self._per_lane(y) for _, y in pairs]
            if self.kind * 2 in kinds:
                left = [self._per_lane(x) for x in left]
        if start is None:
            begin, operands = "", left
        elif self.graph.is_constant(start, 0.0):
            begin, operands = "0", left
        else:
            begin, operands = self._kind_of(start), [start, *left]
        left_kind = self.kind if left[0] < 0 else self._kind_of(left[0])
        self.steps.append(_Step(Dot(begin, left_kind, self.kind), node, operands, right))

    def _add_expressions(self, nodes: Sequence[Node]) -> None:
        """Cut what is not in sums into expressions as large as the number of different ones allows."""
        for largest in LARGEST:
            inner = self._inner(nodes, largest)
            steps: list[_Step] = []
            patterns: set[Pattern] = set()
            for node in nodes:
                if node not in inner:
                    steps.append(self._expression(node, inner))
                    patterns.add(steps[-1].pattern)
                    if largest > 1 and len(patterns) * largest > ENOUGH:
                        break
            else:
                break
        self.steps += steps

    def _inner(self, nodes: Sequence[Node], largest: int) -> set[Node]:
        """Choose the nodes that are computed within the expression of the one node that needs them."""
        operands, uses = self.graph.operands, self.uses
        sizes: dict[Node, int] = {}
        inner: set[Node] = set()
        for node in nodes:
            size = 1
            for operand in operands[node]:
                if uses[operand] == 1 and operand in sizes and size + sizes[operand] <= largest:
                    size += sizes[operand]
                    inner.add(operand)
            sizes[node] = size
        return inner

    def _expression(self, root: Node, inner: set[Node]) -> _Step:
        leaves: dict[Node, int] = {}
        shape = self._shape(root, inner, leaves)
        return _Step(Expression(shape, "".join(map(self._kind_of, leaves))), root, list(leaves))

    def _shape(self, node: Node, inner: set[Node], leaves: dict[Node, int]) -> Shape:
        """Say how a node is computed from leaves, which are numbered as they are met."""
        operands: list[Shape | int | str] = []
        for operand in self.graph.operands[node]:
            if operand in inner:
                operands.append(self._shape(operand, inner, leaves))
            elif self.graph.constants.get(operand) in _LITERALS:
                operands.append(self.graph.constants[operand].hex())
            else:
                operands.append(leaves.setdefault(operand, len(leaves)))
        return self.graph.operations[node], tuple(operands)  # type: ignore[return-value]

    def _lay_out(self, pattern: Pattern, steps: Sequence[_Step]) -> list[Run]:
        """Give the results of some steps their places, one after another, and write the tables."""
        for step in steps:
            if step.result not in self.layout.places:
                self.layout.put(step.result, self.kind)
        if isinstance(pattern, Dot):
            return self._dot_runs(pattern, steps)
        places = self.layout.places
        rows = [[places[step.result], *[places[operand] for operand in step.operands]] for step in steps]
        return [Run(pattern, _table(rows), len(rows))]

    def _dot_runs(self, pattern: Dot, steps: Sequence[_Step]) -> list[Run]:
        """Make loops of those that share their right factors and go through memory with one stride."""
        places = self.layout.places
        starts = int(pattern.start in ("u", "s"))
        shared: dict[tuple[tuple[Node, ...], int], list[list[int]]] = {}
        others: dict[int, list[list[int]]] = {}
        for step in steps:
            left = [places[operand] for operand in step.operands[starts:]]
            head = [places[step.result], *[places[operand] for operand in step.operands[:starts]]]
            stride = _distance(left)
            if stride is not None:
                shared.setdefault((tuple(step.right), stride), []).append([*head, left[0]])
            else:
                row = [*head, *left, *[places[operand] for operand in step.right]]
                others.setdefault(len(left), []).append(row)
        runs = []
        for (nodes, stride), rows in shared.items():
            right = [places[node] for node in nodes]
            distance = _distance(right)
            head = right if distance is None else [right[0], distance]
            alike = replace(pattern, shared=True, regular=distance is not None)
            runs.append(Run(alike, np.concatenate([_table(head), _table(rows)]), len(rows), (len(right), stride)))
        runs += [Run(pattern, _table(rows), len(rows), (n, 0)) for n, rows in others.items()]
        return runs

    def _outer_runs(self) -> list[Run]:
        """Make rectangles of those whose left factors all meet the same right ones."""
        rows: dict[Node, list[tuple[Node, int]]] = {}
        for place, left, right in self.products:
            rows.setdefault(left, []).append((right, place))
        rectangles: dict[tuple[Node, ...], list[tuple[Node, list[int]]]] = {}
        for left, pairs in rows.items():
            rectangles.setdefault(tuple([node for node, _ in pairs]), []).append((left, [place for _, place in pairs]))
        places = self.layout.places
        runs = []
        for rights, of_left in rectangles.items():
            table = [places[left] for left, _ in of_left] + [places[node] for node in rights]
            for _, results in of_left:
                table += results
            runs.append(Run(Outer(), _table(table), 1, (len(of_left), len(rights))))
        return runs


def _distance(places: Sequence[int]) -> int | None:
    """Give the one distance at which places follow one another; None if there is none."""
    distances = np.diff(places)
    if not len(distances):
        return 0
    return int(distances[0]) if (distances == distances[0]).all() else None


def _table(rows: Sequence[int] | Sequence[Sequence[int]]) -> Table:
    return np.array(rows, dtype=np.int32).ravel()
