"""From nodes to steps: each an instance of a pattern of bounded size, so that few patterns compute all nodes.

Knows nothing of slots: a step names nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from autograd_mini.compiler.columns import Column, Rows
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

# What stands in the shape of a piece, see `_add_shape`: from 0 on what was met before; below that the end, leaves by
# their kinds, literals, and operations.
_END: cython.int = -1
_LEAF = {"u": -2, "s": -3}
_LITERALS_BEGIN: cython.int = -4
_LITERAL = {number.hex(): _LITERALS_BEGIN - i for i, number in enumerate([*_LITERALS, -0.0])}
_OPERATIONS_BEGIN = _LITERALS_BEGIN - len(_LITERAL)

_NOTHING: Mapping[Any, Any] = {}

# A number as it is.
_SAME = Body(((None, ()), (identity, (0,))), (1,))


class Details(NamedTuple):
    """What else tells about a step that is no expression."""

    right: int = 0  # where the right factors begin among the operands
    places: Sequence[int] = ()  # among all results: where results are stored, or added to totals
    outputs: Mapping[int, int] = _NOTHING  # the names of what a loop or a stack makes, and how many numbers each has
    # The nodes with numbers among the outputs: which output, where the first number is, and how far apart they are.
    views: Mapping[Node, tuple[int, int, int]] = _NOTHING
    loop: Loop | None = None
    rounds: Any = None  # the `Schedule` of its rounds, unless they are straight-line code


_NO_DETAILS = Details()


@cython.final
@cython.cclass
class Steps:
    """Steps: the pattern of each, which nodes it computes, and from which.

    A node that has one number for all lanes, and is needed as one of each lane, is copied. Its copy has a name of its
    own, and so has what a loop makes: the names below `nodes` are nodes.
    """

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.names = 2 * nodes
        self.patterns: list[Pattern] = []
        self.kinds: Column = Column()  # of each step the place of its pattern in this list
        self.results: Rows = Rows()
        self.operands: Rows = Rows()
        self.details: dict[int, Details] = {}  # by steps

    def copy_of(self, node: cython.Py_ssize_t) -> int:
        return node + self.nodes

    def new_names(self, count: int) -> int:
        """Make names, side by side; give the first one."""
        self.names += count
        return self.names - count

    def new_kind(self, pattern: Pattern) -> int:
        """Make a kind of steps, which follow one another where they can."""
        self.patterns.append(pattern)
        return len(self.patterns) - 1

    def add(self, kind: int, results: Sequence[Node], operands: Sequence[Node], details: Details | None = None) -> None:
        if details is not None:
            self.details[len(self.kinds)] = details
        self.kinds.put(kind)
        self.results.append(results)
        self.operands.append(operands)

    def details_of(self, step: int) -> Details:
        return self.details.get(step, _NO_DETAILS)

    def cut(self, count: cython.Py_ssize_t) -> None:
        """Keep no more than the first steps; the others must be expressions, which have no details."""
        self.kinds.cut(count)
        self.results.cut(count)
        self.operands.cut(count)

    def line(self, step: int) -> str:
        """Write a step down."""
        details = self.details_of(step)
        results = self._written(self.results[step]) or list(details.places)
        operands, right = self.operands[step], details.right or None
        factors = f" . {self._written(operands[right:])}" if right else ""
        name = type(self.patterns[self.kinds.at[step]]).__name__.lower()
        return f"{results} <- {name} {self._written(operands[:right])}{factors}"

    def _written(self, names: Sequence[int]) -> str:
        return " ".join([str(name) if name < self.nodes else f"~{name - self.nodes}" for name in names])

    def __str__(self) -> str:
        return "\n".join(map(self.line, range(len(self.kinds))))


def choose_patterns(graph: Graph, part: Part, sums: Sums, rounds: Mapping[Node, Any]) -> Steps:
    """Cut the nodes of a part into steps: sums of products, products that are added up over lanes, expressions, loops.

    Loops whose rounds are planned come with the `Schedule` of these.
    """
    return _Chooser(graph, part, sums, rounds).choose()


@cython.final
@cython.cclass
class _Chooser:
    """Chooses the patterns of a part."""

    def __init__(self, graph: Graph, part: Part, sums: Sums, rounds: Mapping[Node, Any]) -> None:
        node: cython.Py_ssize_t
        self.graph, self.part, self.sums, self.rounds = graph, part, sums, rounds
        self.begins, self.operands = graph.operands.begins.at, graph.operands.numbers.at
        self.uses, self.own, self.kind = part.uses, part.own, part.kind
        self.literals = {node: number.hex() for node, number in graph.constants.items() if number in _LITERALS}
        self.steps: Steps = Steps(len(graph.operations) + 1)
        self.copies: set[Node] = set()
        self.outputs: dict[Node, int] = {}  # of loops the names of the first ones
        self.kinds: dict[Pattern, int] = {}
        # See `_add_shape`: what stands for the operation of each node, and for each node as a leaf; then, of a piece
        # that is looked at, the number of each node that was met, and how often it was read.
        self.codes: Column = Column(len(graph.operations))
        self.letters: Column = Column(len(graph.operations), _LEAF["u"])
        self.numbers: Column = Column(len(graph.operations), -1)
        self.reads: Column = Column(len(graph.operations))
        self.shape: Column = Column()
        codes: dict[Any, int] = {}
        for node in range(len(graph.operations)):
            self.codes.at[node] = _OPERATIONS_BEGIN - codes.setdefault(graph.operations[node], len(codes))
            if self.own[node]:
                self.letters.at[node] = _LEAF[self.kind]
        for node, digits in self.literals.items():
            self.letters.at[node] = _LITERAL[digits]

    def choose(self) -> Steps:
        node: cython.Py_ssize_t
        part, steps = self.part, self.steps
        stored = [self._of_kind(node) for node in part.stored]
        products, folds = self._divide_totals()
        elsewhere: list[bool] = self.graph.marks([*self.sums.found, *self.sums.inside, *self.graph.details])
        for i, _, _ in products:
            elsewhere[part.totals[i]] = True
        for node in self.sums.found:
            self._add_dot(node)
        exact = steps.new_kind(ExactSum(part.kind))
        for node in part.nodes:
            if self.graph.operations[node] is fsum:
                elsewhere[node] = True
                steps.add(exact, (node,), [self._of_kind(term) for term in self.graph.operands[node]])
        self._add_loops()
        self._add_expressions(elsewhere)
        store, fold, outer = steps.new_kind(Store()), steps.new_kind(Fold()), steps.new_kind(Outer())
        for i, node in enumerate(stored):
            steps.add(store, (), (node,), Details(places=(i,)))
        for i, node in folds:
            steps.add(fold, (), (node,), Details(places=(i,)))
        for left, right, places in _rectangles(products):
            steps.add(outer, (), (*left, *right), Details(len(left), places))
        return steps

    def _add_loops(self) -> None:
        """Add loops, and arrays of single numbers, each with the nodes whose numbers are among what it makes."""
        graph = self.graph
        stack = self.steps.new_kind(Expression(_SAME, self.kind))
        for node, views in self._views().items():
            operands = graph.operands[node]
            if graph.operations[node] is LOOP:
                self._add_loop(node, views)
            else:
                numbers = [self._of_kind(x) for x in operands]
                self.steps.add(stack, (), numbers, Details(outputs={node: len(operands)}, views=views))

    def _add_loop(self, node: Node, views: dict[Node, tuple[int, int, int]]) -> None:
        operands = self.graph.operands[node]
        loop: Loop = self.graph.details[node]
        body = loop.body
        kinds = "".join(map(self._kind, operands))
        sizes = [loop.length * body.sizes.get(row, 1) for row in body.results[loop.carries :]]
        outputs = dict(enumerate([1] * loop.carries + sizes, self.outputs[node]))
        if node in self.rounds:
            kind = self.steps.new_kind(Rounds(kinds, loop.reverse))
        else:
            settled: Any = loop.settled and tuple(map(_body, loop.settled))
            kind = self._kind_of(Scan(_body(body), kinds, loop.carries, loop.arrays, loop.reverse, settled))
        details = Details(outputs=outputs, views=views, loop=loop, rounds=self.rounds.get(node))
        self.steps.add(kind, (), operands, details)

    def _views(self) -> dict[Node, dict[Node, tuple[int, int, int]]]:
        """List for each loop and each array of single numbers the nodes whose numbers are among what it makes.

        Each comes with the output, or the array, that has its numbers, the place of the first one and their distance.
        """
        graph = self.graph
        views: dict[Node, dict[Node, tuple[int, int, int]]] = {}
        source: dict[Node, Node] = {}  # the loop that an array is computed by
        for node in graph.details:
            if not self.own[node]:
                continue
            operation, operands = graph.operations[node], graph.operands[node]
            if operation is LOOP:
                views[node] = {}
                self.outputs[node] = self.steps.new_names(len(graph.details[node].body.results))
            elif operation is STACK:
                views[node] = {node: (node, 0, 1)}
            elif operation is OUTPUT:
                (loop,) = operands
                source[node] = loop
                views[loop][node] = self.outputs[loop] + graph.details[node], 0, 1
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
        copy = self.steps.copy_of(node)
        if node not in self.copies:
            self.copies.add(node)
            self.steps.add(self._kind_of(Expression(_SAME, "u")), (copy,), (node,))
        return copy

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
        operands: list[Any] = left
        if start is None:
            begin = ""
        elif isinstance(start, float):
            begin = "0"
        else:
            begin, operands = self._kind(start), [start, *left]
        left_kind = kind if left[0] >= self.steps.nodes else self._kind(left[0])
        self.steps.add(self._kind_of(Dot(begin, left_kind, kind)), (node,), [*operands, *right], Details(len(operands)))

    def _kind_of(self, pattern: Pattern) -> int:
        """Give the one kind of all steps with equal patterns."""
        kind = self.kinds.get(pattern)
        if kind is None:
            kind = self.kinds[pattern] = self.steps.new_kind(pattern)
        return kind

    def _add_expressions(self, elsewhere: list[bool]) -> None:
        """Cut what is not elsewhere into expressions as large as the number of different ones allows.

        Of numbers of all lanes an expression is straight-line code with as many results as are needed, which keeps the
        others in registers: rounds that were unrolled, and what is between them, each if it is not too much code.
        """
        if self.kind == "u":
            for pieces in self._pieces(elsewhere):
                if self._add_alike(pieces, 0, STRAIGHT):
                    for piece in pieces:
                        for node in piece:
                            elsewhere[node] = True
        nodes = [node for node in self.part.nodes if not elsewhere[node]]
        shared = self._shared_functions(nodes) if self.kind == "s" else _NOTHING
        for largest in LARGEST:
            if self._add_alike(self._trees(nodes, largest, shared), largest, ENOUGH if largest > 1 else 0):
                return

    def _add_alike(self, pieces: Rows, size: cython.Py_ssize_t, limit: cython.Py_ssize_t) -> bool:
        """Add steps for pieces, unless those that differ have more operations than the limit, which is none if it is 0.

        Each piece counts for as many operations as the size says, or if that is 0 for those that it has.
        """
        i: cython.Py_ssize_t
        steps: Steps = self.steps
        before: cython.Py_ssize_t = len(steps.kinds)
        kinds: dict[Any, int] = {}
        operations: cython.Py_ssize_t = 0
        for i in range(len(pieces)):
            shape = self._add_shape(pieces, i)
            kind = kinds.get(shape)
            if kind is None:
                piece = pieces[i]
                expression = self._expression(piece, steps.operands[before + i], steps.results[before + i])
                kind = kinds[shape] = self._kind_of(expression)
                operations += size or len(piece)
                if limit and operations > limit:
                    steps.cut(before)
                    return False
            steps.kinds.put(kind)
        return True

    def _pieces(self, elsewhere: list[bool]) -> tuple[Rows, Rows]:
        """Cut the nodes that are not elsewhere into pieces: those of rounds, and what is between them.

        None begins before a sum or loop and ends after it.
        """
        node: cython.Py_ssize_t
        rounds: Rows = Rows()
        others: Rows = Rows()
        stretches: list[list[Node]] = [[]]
        operations: list[Any] = self.graph.operations
        for node in self.part.nodes:
            if not elsewhere[node]:
                stretches[-1].append(node)
            elif stretches[-1] and node not in self.sums.inside and operations[node] not in VIEWS:
                stretches.append([])
        for nodes in stretches:
            for piece, is_round in cut(self.graph, nodes):
                (rounds if is_round else others).append(piece)
        return rounds, others

    def _trees(self, nodes: list[Node], largest: cython.Py_ssize_t, shared: Mapping[Node, tuple[Any, Node]]) -> Rows:
        """Cut nodes into trees: each node is computed within the expression of the one that needs it, if there is room.

        Trees that take the same function of a number and of its negative, as sigmoid(x) and its derivative do, are
        computed together. Each tree lists operands before results.
        """
        node: cython.Py_ssize_t
        inner: Column = self._inner(nodes, largest)
        trees: Rows = Rows()
        numbers = {x for _, x in shared.values()}
        together: list[list[Node]] = []
        homes: dict[Node, list[Node]] = {}  # the trees of these numbers
        takers: dict[tuple[Any, Node], list[Node]] = {}
        for node in nodes:
            if inner.at[node]:
                continue
            begin: cython.Py_ssize_t = len(trees.numbers)
            self._list_tree(node, inner, trees.numbers)
            tree = [trees.numbers.at[k] for k in range(begin, len(trees.numbers))] if shared else []
            pairs = [shared[x] for x in tree if x in shared]
            if not pairs and node not in numbers:
                trees.end()
                continue
            trees.numbers.cut(begin)
            others = [takers[pair] for pair in pairs if pair in takers]
            if others and self._join(others[0], tree, largest, homes):
                tree = others[0]
            else:
                together.append(tree)
                homes[node] = tree
            for pair in pairs:
                takers.setdefault(pair, tree)
        for tree in together:
            if tree:
                trees.append(tree)
        return trees

    def _inner(self, nodes: list[Node], largest: cython.Py_ssize_t) -> Column:
        """Say for each node, by 1 or 0, whether it is computed within the tree of the one that needs it."""
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        size: cython.Py_ssize_t
        k: cython.Py_ssize_t
        sizes: Column = Column(len(self.codes))
        inner: Column = Column(len(self.codes))
        for node in nodes:
            size = 1
            for k in range(self.begins[node], self.begins[node + 1]):
                operand = self.operands[k]
                if sizes.at[operand] and size + sizes.at[operand] <= largest and self.uses[operand] == 1:
                    size += sizes.at[operand]
                    inner.at[operand] = 1
            sizes.at[node] = size
        return inner

    def _shared_functions(self, nodes: list[Node]) -> dict[Node, tuple[Any, Node]]:
        """List the nodes that take a function of a number and of its negative; say which function, and of what."""
        node: cython.Py_ssize_t
        x: cython.Py_ssize_t
        negatives = {node: self.graph.operands[node][0] for node in nodes if self.graph.operations[node] is neg}
        numbers = {x for x in negatives.values() if self.uses[x] > 1 and self.own[x]}
        found: dict[Node, tuple[Any, Node]] = {}
        for node in nodes if numbers else ():
            if self.begins[node + 1] == self.begins[node] + 1:
                x = self.operands[self.begins[node]]
                x = negatives.get(x, x)
                if x in numbers and self.graph.operations[node] not in ARITHMETIC:
                    found[node] = (self.graph.operations[node], x)
        counts = Counter(found.values())
        return {node: pair for node, pair in found.items() if counts[pair] > 1}

    def _needs(self, tree: list[Node]) -> set[Node]:
        """List the numbers of each lane that a tree takes from outside."""
        return {x for node in tree for x in self.graph.operands[node] if self.own[x]} - set(tree)

    def _join(self, tree: list[Node], other: list[Node], largest: int, homes: dict[Node, list[Node]]) -> bool:
        """Add another tree to a tree that has all that it needs, and the trees of what only the two of them need."""
        needs = self._needs(tree)
        if len(tree) + len(other) > largest or not self._needs(other) <= needs.union(tree):
            return False
        tree += other
        for x in needs:
            home = homes.get(x)
            users = sum([list(self.graph.operands[node]).count(x) for node in tree])
            if home and home[-1] == x and users == self.uses[x] and len(home) + len(tree) <= largest:
                tree[:0] = home
                home.clear()
        return True

    def _list_tree(self, node: cython.Py_ssize_t, inner: Column, tree: Column) -> None:
        """List a node behind the inner ones that it is computed from."""
        k: cython.Py_ssize_t
        for k in range(self.begins[node], self.begins[node + 1]):
            if inner.at[self.operands[k]]:
                self._list_tree(self.operands[k], inner, tree)
        tree.put(node)

    def _add_shape(self, pieces: Rows, i: cython.Py_ssize_t) -> Any:
        """Say how a piece is computed, whatever its leaves; add its results and its leaves to those of the steps.

        For each node the shape has its operation, then the operands: a leaf that was not met before by its kind, a
        literal by its digits, and what was met, or computed, by its number.
        """
        node: cython.Py_ssize_t
        operand: cython.Py_ssize_t
        j: cython.Py_ssize_t
        k: cython.Py_ssize_t
        count: cython.int = 0
        steps: Steps = self.steps
        shape, leaves, results = self.shape, steps.operands, steps.results
        numbers, reads, letters = self.numbers.at, self.reads.at, self.letters.at
        begin: cython.Py_ssize_t = pieces.begins.at[i]
        end: cython.Py_ssize_t = pieces.begins.at[i + 1]
        shape.cut(0)
        for j in range(begin, end):
            node = pieces.numbers.at[j]
            shape.put(self.codes.at[node])
            for k in range(self.begins[node], self.begins[node + 1]):
                operand = self.operands[k]
                reads[operand] += 1
                if numbers[operand] >= 0:
                    shape.put(numbers[operand])
                    continue
                shape.put(letters[operand])
                if letters[operand] <= _LITERALS_BEGIN:
                    continue
                leaves.numbers.put(operand)
                numbers[operand] = count
                count += 1
            numbers[node] = count
            count += 1
        shape.put(_END)
        for j in range(begin, end):
            node = pieces.numbers.at[j]
            if reads[node] < self.uses[node]:
                results.numbers.put(node)
                shape.put(numbers[node])
        for j in range(begin, end):
            node = pieces.numbers.at[j]
            numbers[node], reads[node] = -1, 0
            for k in range(self.begins[node], self.begins[node + 1]):
                numbers[self.operands[k]], reads[self.operands[k]] = -1, 0
        leaves.end()
        results.end()
        return shape.key()

    def _expression(self, piece: Sequence[Node], leaves: Sequence[Node], results: Sequence[Node]) -> Expression:
        """Write a piece as straight-line code."""
        places = {leaf: place for place, leaf in enumerate(leaves)}
        rows: list[tuple[Any, Any]] = [(None, ())] * len(leaves)
        for node in piece:
            operands = self.graph.operands[node]
            for operand in operands:
                if operand not in places:
                    places[operand] = len(rows)
                    rows.append((None, self.literals[operand]))
            rows.append((self.graph.operations[node], tuple([places[operand] for operand in operands])))
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


def _rectangles(
    products: Sequence[tuple[int, Node, Node]],
) -> list[tuple[list[Node], tuple[Node, ...], list[int]]]:
    """Make rectangles of products over lanes: of left factors that all meet the same right ones; with their places."""
    rows: dict[Node, list[tuple[Node, int]]] = {}
    for total, left, right in products:
        rows.setdefault(left, []).append((right, total))
    rectangles: dict[tuple[Node, ...], list[Node]] = {}
    for left, pairs in rows.items():
        rectangles.setdefault(tuple([right for right, _ in pairs]), []).append(left)
    return [
        (lefts, rights, [total for left in lefts for _, total in rows[left]]) for rights, lefts in rectangles.items()
    ]
