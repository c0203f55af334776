"""From nodes to steps: each an instance of a pattern of bounded size, so that few patterns compute all nodes.

Knows nothing of slots: a step names nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autograd_mini.compiler.graph import ELEMENT, LOOP, OUTPUT, SLICE, STACK, VIEWS, Graph, Loop, Node, view
from autograd_mini.compiler.loops import ARITHMETIC
from autograd_mini.compiler.parts import Part
from autograd_mini.compiler.pieces import cut
from autograd_mini.compiler.program import (
    Body,
    Dot,
    ExactSum,
    Expression,
    Fold,
    Outer,
    Pattern,
    Rounds,
    Scan,
    Store,
)
from autograd_mini.compiler.sums import Sums
from autograd_mini.engine.operations import fsum, identity, mul, neg

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

# An expression of a pattern has at most so many operations; fewer where there would be more than so
# many operations in all patterns together.
LARGEST = (24, 12, 6, 3, 1)
ENOUGH = 400

# Straight-line code of rounds, or of what is between them, has at most so many operations, those of equal pieces once.
STRAIGHT = 2000

# Numbers that stand in the code itself; all others are loaded, so that they make no patterns differ.
_LITERALS = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0}

_NOTHING: Mapping[Any, Any] = {}

# A number as it is.
_SAME = Body(((None, ()), (identity, (0,))), (1,))


@cython.final
@cython.no_gc
@cython.cclass
class Step:
    """A row of a run: what it computes, and from which nodes.

    A node that has one number for all lanes, and is needed as one of each lane, is copied: the copy of node n is ~n.
    A step that stores a result, or adds to totals, has their places among all results.
    """

    def __init__(
        self,
        pattern: Pattern,
        results: Sequence[Node],
        operands: Sequence[Node],
        right: Sequence[Node] = (),
        places: Sequence[int] = (),
        outputs: Mapping[Any, int] = _NOTHING,
        views: Mapping[Node, tuple[Any, int, int]] = _NOTHING,
        loop: Loop | None = None,
        rounds: Sequence[Sequence[Any]] = (),
    ) -> None:
        self.pattern, self.results, self.operands, self.right, self.places = pattern, results, operands, right, places
        self.outputs = outputs  # what a loop or a stack makes, and how many numbers each has
        # The nodes with numbers among the outputs: which output, where the first number is, and how far apart they are.
        self.views = views
        self.loop = loop
        self.rounds = rounds  # the plan of its rounds, unless they are straight-line code

    def __str__(self) -> str:
        right = f" . {_names(self.right)}" if self.right else ""
        results = _names(self.results) or list(self.places)
        return f"{results} <- {type(self.pattern).__name__.lower()} {_names(self.operands)}{right}"


def _names(nodes: Sequence[Node]) -> str:
    return " ".join([f"~{~node}" if node < 0 else str(node) for node in nodes])


def choose_patterns(
    graph: Graph, part: Part, sums: Sums, rounds: Mapping[Node, Sequence[Sequence[Step]]]
) -> list[Step]:
    """Cut the nodes of a part into steps: sums of products, products that are added up over lanes, expressions, loops.

    Equal patterns are one object. Loops whose rounds are planned come with their plans.
    """
    return _Chooser(graph, part, sums, rounds).choose()


@cython.final
@cython.cclass
class _Chooser:
    """Chooses the patterns of a part."""

    def __init__(self, graph: Graph, part: Part, sums: Sums, rounds: Mapping[Node, Any]) -> None:
        self.graph, self.part, self.sums, self.rounds = graph, part, sums, rounds
        self.operations: list[Any] = graph.operations
        self.operands: list[Any] = graph.operands
        self.uses, self.own, self.kind = part.uses, part.own, part.kind
        self.literals = {node: number.hex() for node, number in graph.constants.items() if number in _LITERALS}
        self.copies: set[Node] = set()
        self.steps: list[Step] = []
        self.patterns: dict[Any, Pattern] = {}  # one of each
        # Of the nodes of a piece, and what these read, while it is looked at: see `_shape`.
        self.numbers: list[int] = [-1] * len(graph.operations)
        self.reads: list[int] = [0] * len(graph.operations)

    def choose(self) -> list[Step]:
        node: cython.Py_ssize_t
        part = self.part
        stored = [self._of_kind(node) for node in part.stored]
        products, folds = self._divide_totals()
        elsewhere: list[bool] = self.graph.marks([*self.sums.found, *self.sums.inside, *self.graph.details])
        for i, _, _ in products:
            elsewhere[part.totals[i]] = True
        for node in self.sums.found:
            self._add_dot(node)
        exact = ExactSum(part.kind)
        for node in part.nodes:
            if self.operations[node] is fsum:
                elsewhere[node] = True
                self.steps.append(Step(exact, [node], [self._of_kind(term) for term in self.operands[node]]))
        self._add_loops()
        self._add_expressions(elsewhere)
        store, fold = Store(), Fold()
        self.steps += [Step(store, (), (node,), places=(i,)) for i, node in enumerate(stored)]
        self.steps += [Step(fold, (), (node,), places=(i,)) for i, node in folds]
        return self.steps + _rectangles(products)

    def _add_loops(self) -> None:
        """Add loops, and arrays of single numbers, each with the nodes whose numbers are among what it makes."""
        graph = self.graph
        stack = Expression(_SAME, self.kind)
        for node, views in self._views().items():
            operands = graph.operands[node]
            if graph.operations[node] is LOOP:
                self._add_loop(node, views)
            else:
                numbers = [self._of_kind(x) for x in operands]
                self.steps.append(Step(stack, (), numbers, outputs={node: len(operands)}, views=views))

    def _add_loop(self, node: Node, views: dict[Node, tuple[Any, int, int]]) -> None:
        operands = self.graph.operands[node]
        loop: Loop = self.graph.details[node]
        body = loop.body
        kinds = "".join(map(self._kind, operands))
        sizes = [loop.length * body.sizes.get(row, 1) for row in body.results[loop.carries :]]
        outputs = {(node, k): size for k, size in enumerate([1] * loop.carries + sizes)}
        pattern: Pattern
        if node in self.rounds:
            pattern = Rounds(kinds, loop.reverse)
        else:
            settled: Any = loop.settled and tuple(map(_body, loop.settled))
            pattern = self._one_of(Scan(_body(body), kinds, loop.carries, loop.arrays, loop.reverse, settled))
        rounds = self.rounds.get(node, ())
        self.steps.append(Step(pattern, (), operands, outputs=outputs, views=views, loop=loop, rounds=rounds))

    def _views(self) -> dict[Node, dict[Node, tuple[Any, int, int]]]:
        """List for each loop and each array of single numbers the nodes whose numbers are among what it makes.

        Each comes with the output, or the array, that has its numbers, the place of the first one and their distance.
        """
        graph = self.graph
        views: dict[Node, dict[Node, tuple[Any, int, int]]] = {}
        source: dict[Node, Node] = {}  # the loop that an array is computed by
        for node in graph.details:
            if not self.own[node]:
                continue
            operation, operands = graph.operations[node], graph.operands[node]
            if operation is LOOP:
                views[node] = {}
            elif operation is STACK:
                views[node] = {node: (node, 0, 1)}
            elif operation is OUTPUT:
                (loop,) = operands
                source[node] = loop
                views[loop][node] = (loop, graph.details[node]), 0, 1
            elif operation in (ELEMENT, SLICE) and operands[0] in source:
                loop = source[node] = source[operands[0]]
                output, begin, step = views[loop][operands[0]]
                views[loop][node] = output, *view(graph, node, begin, step)
        return views

    def _kind(self, node: Node) -> str:
        return self.kind if self.own[node] else "u"

    def _of_kind(self, node: Node) -> Node:
        """Give a node of the part's own kind with the same number."""
        if self._kind(node) == self.kind:
            return node
        if node not in self.copies:
            self.copies.add(node)
            self.steps.append(Step(self._one_of(Expression(_SAME, "u")), [~node], [node]))
        return ~node

    def _divide_totals(self) -> tuple[list[tuple[int, Node, Node]], list[tuple[int, Node]]]:
        """Divide what is added up over all lanes into products of two numbers of each lane, and the rest."""
        graph, own, uses = self.graph, self.own, self.uses
        products: list[tuple[int, Node, Node]] = []
        folds: list[tuple[int, Node]] = []
        for i, node in enumerate(self.part.totals):
            if uses[node] == 1 and graph.operations[node] is mul:
                x, y = graph.operands[node]
                if own[x] and own[y]:
                    products.append((i, x, y))
                    continue
            folds.append((i, self._of_kind(node)))
        return products, folds

    def _add_dot(self, node: Node) -> None:
        start, left, right = self.sums.found[node]
        kind = self.kind
        kinds = {self._kind(x) + self._kind(y) for x, y in zip(left, right)}
        if kinds != {kind * 2}:
            pairs = [(x, y) if self._kind(y) == kind else (y, x) for x, y in zip(left, right)]
            left, right = [x for x, _ in pairs], [self._of_kind(y) for _, y in pairs]
            if kind * 2 in kinds:
                left = [self._of_kind(x) for x in left]
        operands = left
        if start is None:
            begin = ""
        elif isinstance(start, float):
            begin = "0"
        else:
            begin, operands = self._kind(start), [start, *left]
        left_kind = kind if left[0] < 0 else self._kind(left[0])
        self.steps.append(Step(self._one_of(Dot(begin, left_kind, kind)), [node], operands, right))

    def _one_of(self, pattern: Pattern) -> Pattern:
        """Give the one object for all equal patterns."""
        return self.patterns.setdefault(pattern, pattern)

    def _add_expressions(self, elsewhere: list[bool]) -> None:
        """Cut what is not elsewhere into expressions as large as the number of different ones allows.

        Of numbers of all lanes an expression is straight-line code with as many results as are needed, which keeps the
        others in registers: rounds that were unrolled, and what is between them, each if it is not too much code.
        """
        if self.kind == "u":
            pieces = list(self._pieces(elsewhere))
            for of_rounds in (True, False):
                some = [piece for piece, is_round in pieces if is_round is of_rounds]
                if self._add_alike(some, 0, STRAIGHT):
                    for piece in some:
                        for node in piece:
                            elsewhere[node] = True
        nodes = [node for node in self.part.nodes if not elsewhere[node]]
        shared = self._shared_functions(nodes) if self.kind == "s" else _NOTHING
        for largest in LARGEST:
            if self._add_alike(self._trees(nodes, largest, shared), largest, ENOUGH if largest > 1 else 0):
                return

    def _add_alike(self, pieces: Iterable[Sequence[Node]], size: int, limit: int) -> bool:
        """Add steps for pieces, unless those that differ have too many operations; counted are as many as the size.

        If it is 0, those that there are.
        """
        steps: list[Step] = []
        patterns: dict[Any, Pattern] = {}
        operations = 0
        for piece in pieces:
            shape, leaves, results = self._shape(piece)
            pattern = patterns.get(shape)
            if pattern is None:
                pattern = patterns[shape] = self._one_of(self._expression(piece, leaves, results))
                operations += size or len(piece)
                if limit and operations > limit:
                    return False
            steps.append(Step(pattern, results, leaves))
        self.steps += steps
        return True

    def _pieces(self, elsewhere: list[bool]) -> Iterator[tuple[Sequence[Node], bool]]:
        """Cut the nodes that are not elsewhere into pieces; none begins before a sum or loop and ends after it."""
        nodes: list[Node] = []
        for node in self.part.nodes:
            if not elsewhere[node]:
                nodes.append(node)
            elif nodes and node not in self.sums.inside and self.operations[node] not in VIEWS:
                yield from cut(self.graph, nodes)
                nodes = []
        yield from cut(self.graph, nodes)

    def _trees(self, nodes: list[Node], largest: int, shared: Mapping[Node, tuple[Any, Node]]) -> Iterator[list[Node]]:
        """Cut nodes into trees: each node is computed within the expression of the one that needs it, if there is room.

        Trees that take the same function of a number and of its negative, as sigmoid(x) and its derivative do, are
        computed together. Each tree lists operands before results.
        """
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        size: cython.Py_ssize_t
        sizes: list[int] = [0] * len(self.operations)
        inner: list[bool] = [False] * len(self.operations)
        for node in nodes:
            size = 1
            for operand in self.operands[node]:
                if self.uses[operand] == 1 and sizes[operand] and size + sizes[operand] <= largest:
                    size += sizes[operand]
                    inner[operand] = True
            sizes[node] = size
        numbers = {x for _, x in shared.values()}
        together: list[list[Node]] = []
        homes: dict[Node, list[Node]] = {}  # the trees of these numbers
        takers: dict[tuple[Any, Node], list[Node]] = {}
        for node in nodes:
            if not inner[node]:
                tree: list[Node] = []
                self._list_tree(node, inner, tree)
                pairs = [shared[x] for x in tree if x in shared] if shared else []
                other = next((takers[pair] for pair in pairs if pair in takers), None)
                if other is not None and self._join(other, tree, largest, homes):
                    tree = other
                elif pairs or node in numbers:
                    together.append(tree)
                    homes[node] = tree
                else:
                    yield tree
                for pair in pairs:
                    takers.setdefault(pair, tree)
        yield from [tree for tree in together if tree]

    def _shared_functions(self, nodes: list[Node]) -> dict[Node, tuple[Any, Node]]:
        """List the nodes that take a function of a number and of its negative; say which function, and of what."""
        node: cython.Py_ssize_t
        x: cython.Py_ssize_t
        negatives = {node: self.operands[node][0] for node in nodes if self.operations[node] is neg}
        numbers = {x for x in negatives.values() if self.uses[x] > 1 and self.own[x]}
        found: dict[Node, tuple[Any, Node]] = {}
        for node in nodes if numbers else ():
            if len(self.operands[node]) == 1:
                x = self.operands[node][0]
                x = negatives.get(x, x)
                if x in numbers and self.operations[node] not in ARITHMETIC:
                    found[node] = (self.operations[node], x)
        counts = Counter(found.values())
        return {node: pair for node, pair in found.items() if counts[pair] > 1}

    def _needs(self, tree: list[Node]) -> set[Node]:
        """List the numbers of each lane that a tree takes from outside."""
        return {x for node in tree for x in self.operands[node] if self.own[x]} - set(tree)

    def _join(self, tree: list[Node], other: list[Node], largest: int, homes: dict[Node, list[Node]]) -> bool:
        """Add another tree to a tree that has all that it needs, and the trees of what only the two of them need."""
        needs = self._needs(tree)
        if len(tree) + len(other) > largest or not self._needs(other) <= needs.union(tree):
            return False
        tree += other
        for x in needs:
            home = homes.get(x)
            users = sum([list(self.operands[node]).count(x) for node in tree])
            if home and home[-1] == x and users == self.uses[x] and len(home) + len(tree) <= largest:
                tree[:0] = home
                home.clear()
        return True

    def _list_tree(self, node: Node, inner: list[Any], tree: list[Node]) -> None:
        """List a node behind the inner ones that it is computed from."""
        for operand in self.operands[node]:
            if inner[operand]:
                self._list_tree(operand, inner, tree)
        tree.append(node)

    def _shape(self, piece: Sequence[Node]) -> tuple[tuple[Any, ...], tuple[Node, ...], tuple[Node, ...]]:
        """Say how a piece is computed, whatever its leaves; list these, and the nodes that are needed elsewhere.

        For each node the shape has its operation, then the operands: a leaf that was not met before by its kind, a
        literal by its digits, and what was met, or computed, by its number.
        """
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        count: cython.Py_ssize_t = 0
        shape: list[Any] = []
        leaves: list[Node] = []
        results: list[Node] = []
        for node in piece:
            shape.append(self.operations[node])
            for operand in self.operands[node]:
                self.reads[operand] += 1
                if self.numbers[operand] >= 0:
                    shape.append(self.numbers[operand])
                elif operand in self.literals:
                    shape.append(self.literals[operand])
                else:
                    leaves.append(operand)
                    shape.append(self._kind(operand))
                    self.numbers[operand] = count
                    count += 1
            self.numbers[node] = count
            count += 1
        shape.append(None)  # between operands and results
        for node in piece:
            if self.reads[node] < self.uses[node]:
                results.append(node)
                shape.append(self.numbers[node])
        for node in piece:
            self.numbers[node], self.reads[node] = -1, 0
            for operand in self.operands[node]:
                self.numbers[operand], self.reads[operand] = -1, 0
        return tuple(shape), tuple(leaves), tuple(results)

    def _expression(self, piece: Sequence[Node], leaves: Sequence[Node], results: Sequence[Node]) -> Expression:
        """Write a piece as straight-line code."""
        places = {leaf: place for place, leaf in enumerate(leaves)}
        rows: list[tuple[Any, Any]] = [(None, ())] * len(leaves)
        for node in piece:
            for operand in self.operands[node]:
                if operand not in places:
                    places[operand] = len(rows)
                    rows.append((None, self.literals[operand]))
            rows.append((self.operations[node], tuple([places[operand] for operand in self.operands[node]])))
            places[node] = len(rows) - 1
        body = Body(tuple(rows), tuple([places[node] for node in results]))
        return Expression(body, "".join(map(self._kind, leaves)))


def _body(graph: Graph) -> Body:
    """Write the rows of a loop's round down, those that it needs."""
    rows: list[tuple[Any, Any]] = [(None, ())] * graph.arguments
    places = {node: node for node in range(graph.arguments)}
    for node in graph.live():
        if node not in places:
            places[node] = len(rows)
            operation = graph.operations[node]
            constant = operation is None
            row = graph.constants[node].hex() if constant else tuple([places[x] for x in graph.operands[node]])
            rows.append((operation, row))
    return Body(tuple(rows), tuple([places[node] for node in graph.results]))


def _rectangles(products: Sequence[tuple[int, Node, Node]]) -> list[Step]:
    """Make rectangles of products over lanes: of left factors that all meet the same right ones."""
    rows: dict[Node, list[tuple[Node, int]]] = {}
    for total, left, right in products:
        rows.setdefault(left, []).append((right, total))
    rectangles: dict[tuple[Node, ...], list[Node]] = {}
    for left, pairs in rows.items():
        rectangles.setdefault(tuple([right for right, _ in pairs]), []).append(left)
    outer = Outer()
    return [
        Step(outer, (), lefts, rights, [total for left in lefts for _, total in rows[left]])
        for rights, lefts in rectangles.items()
    ]
