"""Backprop taken apart: one step for each node computed, each use of the chain rule and each meeting of paths.

Reads graphs and never changes them: gradients are computed on paper. Knows the table of operations by their symbols,
and by name the few whose operands have an order of their own; nothing of how steps are shown but as lines of text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

from autograd_mini.engine import operations
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.value import Value

_LONGEST_NAME = 40
_PLACES = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(x: float) -> str:
    """Write a float in the shortest way that reads back as the same float.

    Examples
    --------
    >>> number(-4.0), number(1 / 3), number(1e300)
    ('-4', '0.3333333333333333', '1e+300')
    """
    return repr(x).removesuffix(".0")


# Names.


def name_nodes(order: Sequence[Value], names: Mapping[str, Value]) -> dict[Value, str]:
    """Give each node a name of its own, all but numbers that stood in an expression.

    A name given here goes before the node's label, and before the same label of another node; repeated ones are
    numbered, `w`, `w#2`. Without either the root is `f`, if no other node is, and the others are `v1`, `v2` and so on.

    Parameters
    ----------
    order : sequence of Value
        The graph in topological order.
    names : mapping of str to Value

    Returns
    -------
    dict of Value to str
        In topological order.

    Examples
    --------
    >>> from autograd_mini import topological_order
    >>> x = Value(1.0, label="x")
    >>> y = (x + 1.0) * 2.0
    >>> list(name_nodes(topological_order(y), {}).values())
    ['x', 'v1', 'f']
    """
    given: dict[Value, str] = {}
    for name, value in names.items():
        given.setdefault(value, name)
    wanted = {node: _readable(given.get(node, node.label)) for node in order}
    taken = set(wanted.values())
    if not wanted[order[-1]] and "f" not in taken:
        wanted[order[-1]] = "f"
    generated = (name for i in range(1, len(order) + len(taken) + 1) if (name := f"v{i}") not in taken)
    used: set[str] = set()
    unique: dict[Value, str] = {}
    for node in sorted(order, key=lambda node: node not in given):
        if wanted[node] or node.requires_grad:
            unique[node] = _not_yet_used(wanted[node] or next(generated), used, taken)
            used.add(unique[node])
    return {node: unique[node] for node in order if node in unique}


def _readable(label: str) -> str:
    """Make a label one line of printable text, and cut a long one."""
    text = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _not_yet_used(name: str, used: set[str], taken: set[str]) -> str:
    if name not in used:
        return name
    i = 2
    while (numbered := f"{name}#{i}") in used or numbered in taken:
        i += 1
    return numbered


def in_formula(name: str) -> str:
    """Put a name in brackets if it would read as a formula of its own.

    Examples
    --------
    >>> in_formula("w1"), in_formula("x + y")
    ('w1', '(x + y)')
    """
    return f"({name})" if re.search(r"[\s+\-*/·%=<>(),∂]", name) else name


def _in_text(name: str) -> str:
    """Set a name that is read from right to left apart, so that it does not turn around what stands beside it."""
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in name):
        return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name


# Formulas.


@dataclass(frozen=True)
class Term:
    """An operand in a formula: its name, or its number where `name` is empty."""

    name: str
    data: float

    @property
    def is_signed(self) -> bool:
        return not self.name and number(self.data).startswith("-")


class Notation(Protocol):
    """A way to write formulas: as text, or typeset."""

    def term(self, term: Term) -> str:
        """Write an operand where no sign can be misread."""

    def guarded(self, term: Term) -> str:
        """Write an operand that follows another, in brackets if it starts with a sign."""

    def prefix(self, symbol: str, x: Term) -> str:
        """Write an operator in front of its operand."""

    def infix(self, symbol: str, x: Term, y: Term, leading: bool = True) -> str:
        """Write an operator between its operands; `leading` where nothing stands before them."""

    def total(self, summands: Sequence[Term | tuple[Term, Term]]) -> str:
        """Write a sum of terms and of products of two."""

    def call(self, name: str, groups: Sequence[Sequence[Term]]) -> str:
        """Write a function of operands, or of groups of operands."""


def compose(operation: Operation, terms: Sequence[Term], notation: Notation) -> str:
    """Write what an operation computes.

    Operators are told from functions by their symbols, which have no letters. The bias of a scalar product, the
    last term, may be left out.

    Examples
    --------
    >>> compose(operations.mul, [Term("q", 3.0), Term("", -4.0)], TEXT)
    'q · (-4)'
    >>> compose(operations.tanh, [Term("x", 0.0)], TEXT)
    'tanh(x)'
    """
    half = len(terms) // 2
    if operation is operations.sum:
        return notation.total(terms)
    if operation is operations.dot:
        return notation.total([*zip(terms[:half], terms[half:]), *terms[2 * half :]])
    if operation is operations.dist:
        return notation.call("dist", [terms[:half], terms[half:]])
    if not re.search(r"\w", operation.symbol):
        if len(operation.parameters) == 1:
            return notation.prefix(operation.symbol, terms[0])
        if len(operation.parameters) == 2:
            return notation.infix(operation.symbol, terms[0], terms[1])
    return notation.call(operation.name, [terms])


def write_summands(notation: Notation, summands: Sequence[Term | tuple[Term, Term]]) -> list[str]:
    """Write the terms and products of a sum, each as it stands in its place."""
    written: list[str] = []
    for summand in summands:
        if isinstance(summand, tuple):
            written.append(notation.infix(operations.mul.symbol, *summand, leading=not written))
        else:
            written.append(notation.guarded(summand) if written else notation.term(summand))
    return written


class _Text:
    """Formulas as text, to be read in a terminal, and by Python once each · is a *."""

    def term(self, term: Term) -> str:
        return _in_text(in_formula(term.name)) if term.name else number(term.data)

    def guarded(self, term: Term) -> str:
        return f"({self.term(term)})" if term.is_signed else self.term(term)

    def prefix(self, symbol: str, x: Term) -> str:
        return f"{symbol}{self.guarded(x)}"

    def infix(self, symbol: str, x: Term, y: Term, leading: bool = True) -> str:
        left = self.term(x) if leading and symbol != operations.pow.symbol else self.guarded(x)
        text = f"{left} {'·' if symbol == operations.mul.symbol else symbol} {self.guarded(y)}"
        return f"({text})" if re.search("[<>=]", symbol) else text

    def total(self, summands: Sequence[Term | tuple[Term, Term]]) -> str:
        return " + ".join(write_summands(self, summands))

    def call(self, name: str, groups: Sequence[Sequence[Term]]) -> str:
        lists = [", ".join(map(self.term, group)) for group in groups]
        return f"{name}({lists[0] if len(lists) == 1 else ', '.join(f'[{terms}]' for terms in lists)})"


TEXT: Notation = _Text()


# Steps.


@dataclass(frozen=True)
class ForwardStep:
    """A node of the forward pass: computed from its operands, or given.

    Printed, it is a line such as `q = x + y = -2 + 5 = 3`.

    Attributes
    ----------
    node : Value
    name : str
    operands : tuple of Term
        Name and number of each operand; a number that stood in an expression has no name.
    data : float
        What was computed.
    """

    node: Value
    name: str
    operands: tuple[Term, ...]
    data: float

    def write(self, notation: Notation) -> list[str]:
        """Give the formula and the same with numbers, as far as there are any: a leaf has neither."""
        if self.node.op is None:
            return []
        operands = self.operands
        if self.node.op is operations.dot and len(operands) > 1 and operands[-1] == Term("", 0.0):
            operands = operands[:-1]  # the bias of a scalar product that was given none
        numbers = [Term("", operand.data) for operand in operands]
        sides = [compose(self.node.op, terms, notation) for terms in (operands, numbers)]
        return list(dict.fromkeys(sides))  # of numbers alone the two are the same

    def __str__(self) -> str:
        return " = ".join([_in_text(self.name), *self.write(TEXT), number(self.data)])


@dataclass(frozen=True)
class SeedStep:
    """Where the backward pass starts: the root's derivative for itself, `∂f/∂f = 1`.

    Attributes
    ----------
    node : Value
        The root.
    name, root_name : str
        Its name.
    grad : float
        1.0.
    """

    node: Value
    name: str
    root_name: str
    grad: float = 1.0

    def __str__(self) -> str:
        return f"{_derivative(self.root_name, self.name)} = {number(self.grad)}"


@dataclass(frozen=True)
class ChainRuleStep:
    """One application of the chain rule: a node's gradient through one of the results it is an operand of.

    Printed, it is a line such as `∂f/∂y = ∂f/∂q · ∂q/∂y = -4 · 1 = -4`, where ∂q/∂y is the local derivative. A node
    with several such steps has `+=` in each, and an `AccumulationStep` after each but the first.

    Attributes
    ----------
    node : Value
        The operand, whose gradient is found.
    name, root_name, result_name : str
    result : Value
        The node that the gradient comes from.
    position : int
        Where among the operands of `result` the node stands, counted from 0.
    upstream : float
        The gradient of `result`.
    local_derivative : float
        The derivative of `result` alone for its operand at `position`.
    contribution : float
        The product of the two.
    grad : float
        What has been found of the node's gradient with this step, not yet accumulated where it is not the first.
    is_whole : bool
        Whether this is the only path to the node, so that the contribution is its gradient.
    """

    node: Value
    name: str
    root_name: str
    result: Value
    result_name: str
    position: int
    upstream: float
    local_derivative: float
    contribution: float
    grad: float
    is_whole: bool

    @property
    def place(self) -> int:
        """Which of several operands of the result that are all this node, counted from 1; else 0."""
        places = [i for i, operand in enumerate(self.result.inputs) if operand is self.node]
        return places.index(self.position) + 1 if len(places) > 1 else 0

    def __str__(self) -> str:
        local = _derivative(self.result_name, self.name)
        place = f"⁽{self.place}⁾".translate(_PLACES) if self.place else ""
        factors = TEXT.infix(operations.mul.symbol, Term("", self.upstream), Term("", self.local_derivative))
        left = f"{_derivative(self.root_name, self.name)} {'=' if self.is_whole else '+='}"
        upstream = _derivative(self.root_name, self.result_name)
        return f"{left} {upstream} · {local}{place} = {factors} = {number(self.contribution)}"


@dataclass(frozen=True)
class AccumulationStep:
    """Where paths meet: a contribution is added to what was found of a node's gradient before.

    Printed, it is a line such as `∂f/∂x = 3 + (-4) = -1`.

    Attributes
    ----------
    node : Value
    name, root_name : str
    before, contribution : float
        What is added.
    grad : float
        Their sum.
    """

    node: Value
    name: str
    root_name: str
    before: float
    contribution: float
    grad: float

    def __str__(self) -> str:
        terms = TEXT.total([Term("", self.before), Term("", self.contribution)])
        return f"{_derivative(self.root_name, self.name)} = {terms} = {number(self.grad)}"


BackwardStep = SeedStep | ChainRuleStep | AccumulationStep


def _derivative(of: str, by: str) -> str:
    return "/".join(f"∂{_in_text(in_formula(name))}" for name in (of, by))


# Taking the steps.


def forward_steps(names: Mapping[Value, str]) -> list[ForwardStep]:
    """List the steps of the forward pass over named nodes in topological order.

    Raises
    ------
    ValueError
        If a node's data is not what its operands' data give, because one of these was changed afterwards.
    """
    steps = []
    for node, name in names.items():
        operands = tuple([Term(names.get(operand, ""), operand.data) for operand in node.inputs])
        _check_current(node, name, operands)
        steps.append(ForwardStep(node, name, operands, node.data))
    return steps


def _check_current(node: Value, name: str, operands: Sequence[Term]) -> None:
    """Compute a node once more, data and local derivatives, and compare every bit."""
    if node.op is None:
        return
    try:
        again = Context().run(
            node.op.apply, [Value(operand.data) for operand in operands]
        )  # outside of no_grad and such
    except Exception as error:
        shown = _listed(operands)
        raise ValueError(f"{name} can't be computed once more, to be explained, with {shown}: {error}") from error
    slopes = zip(node.inputs, node.local_grads, again.local_grads)
    pairs = [(node.data, again.data), *[(then, now) for operand, then, now in slopes if operand.requires_grad]]
    if not all(then == now or (math.isnan(then) and math.isnan(now)) for then, now in pairs):
        raise ValueError(
            f"{name} = {number(node.data)} was computed before the data of its operands changed "
            f"(now {_listed(operands)}): compute the graph again, then explain it"
        )


def _listed(operands: Sequence[Term]) -> str:
    return ", ".join(f"{operand.name or 'a number'} = {number(operand.data)}" for operand in operands[:6])


def backward_steps(names: Mapping[Value, str]) -> list[BackwardStep]:
    """List the steps of the backward pass, all gradients starting from zero, for names in topological order.

    Nodes follow one another as backward() reaches them, in reversed topological order, and so each gradient is
    complete before it is passed on. A node's contributions have the order in which backward() adds them: by result,
    and for each result by operand. Constants have no gradient, and no steps.
    """
    *_, root = names
    seed = SeedStep(root, names[root], names[root])
    steps: list[BackwardStep] = [seed]
    grads = {root: seed.grad}
    uses: dict[Value, list[tuple[Value, int]]] = {node: [] for node in names}
    for node in reversed(list(names)):
        if node is not root and node.requires_grad:
            received = _receive(node, uses[node], names, seed.name, grads)
            grads[node] = received[-1].grad
            steps += received
        for position, operand in enumerate(node.inputs):
            if operand in uses:
                uses[operand].append((node, position))
    return steps


def _receive(
    node: Value,
    uses: Sequence[tuple[Value, int]],
    names: Mapping[Value, str],
    root_name: str,
    grads: dict[Value, float],
) -> list[BackwardStep]:
    """List the steps by which a node receives its gradient."""
    steps: list[BackwardStep] = []
    grad = 0.0
    for result, position in uses:
        upstream, partial = grads[result], result.local_grads[position]
        contribution = upstream * partial
        total = grad + contribution
        steps.append(
            ChainRuleStep(
                node=node,
                name=names[node],
                root_name=root_name,
                result=result,
                result_name=names[result],
                position=position,
                upstream=upstream,
                local_derivative=partial,
                contribution=contribution,
                grad=grad if steps else total,
                is_whole=len(uses) == 1,
            )
        )
        if len(steps) > 1:
            steps.append(AccumulationStep(node, names[node], root_name, grad, contribution, total))
        grad = total
    return steps
