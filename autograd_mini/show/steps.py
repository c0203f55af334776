"""Backprop taken apart: one step for each node computed, each use of the chain rule and each meeting of paths.

Reads graphs and never changes them: gradients are computed on paper. Knows nothing of how steps are shown but how
their equations are written.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass

from autograd_mini.engine.value import Value
from autograd_mini.show.format import number, one_line, shorten
from autograd_mini.show.formulas import TEXT, Side, Term, Text

# Names.


def name_nodes(order: Sequence[Value], given: Mapping[Value, str]) -> dict[Value, str]:
    """Give each node of a topological order a name of its own, all but numbers that stood in an expression.

    A name given here goes before the node's label, and before the same label of another node; repeated ones are
    numbered, `w`, `w#2`. Without either the root is `f`, if no other node is, and the others are `v1`, `v2` and so on.

    Examples
    --------
    >>> from autograd_mini import topological_order
    >>> x = Value(1.0, label="x")
    >>> y = (x + 1.0) * 2.0
    >>> list(name_nodes(topological_order(y), {}).values())
    ['x', 'v1', 'f']
    """
    wanted = {node: shorten(one_line(given.get(node, node.label))) for node in order}
    taken = set(wanted.values())
    if not wanted[order[-1]] and "f" not in taken:
        wanted[order[-1]] = "f"
    generated = (name for i in range(1, len(order) + len(taken) + 1) if (name := f"v{i}") not in taken)
    count: Counter[str] = Counter()
    unique: dict[Value, str] = {}
    used: set[str] = set()
    for node in sorted(order, key=lambda node: node not in given):
        if wanted[node] or node.requires_grad:
            name = repeated = wanted[node] or next(generated)
            while name in used or (name != repeated and name in taken):
                count[repeated] += 1
                name = f"{repeated}#{count[repeated] + 1}"
            unique[node] = name
            used.add(name)
    return {node: unique[node] for node in order if node in unique}


# Steps.


@dataclass(frozen=True)
class Step:
    """What all steps have: a node, whose data or gradient is found, and its name."""

    node: Value
    name: str

    def sides(self, notation: Text) -> list[Side]:
        """Write the sides of the step's equation."""
        raise NotImplementedError

    def __str__(self) -> str:
        return TEXT.equation(self.sides(TEXT))


@dataclass(frozen=True)
class ForwardStep(Step):
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

    operands: tuple[Term, ...]
    data: float

    def sides(self, notation: Text) -> list[Side]:
        """Write name, formula, the same with numbers, and number, as far as there are any: a leaf has no formula."""
        op, operands = self.node.op, self.operands
        if op is None:
            return [Side("", notation.label(self.name)), Side("=", notation.number(self.data), [self.data])]
        if op.notation == "dot" and len(operands) > 1 and operands[-1] == ("", 0.0):
            operands = operands[:-1]  # the bias of a scalar product that was given none
        formula, inserted = (notation.compose(op, x) for x in (operands, [Term("", x.data) for x in operands]))
        numbers = [x.data for x in self.operands if formula != inserted or not x.name]
        sides = [Side("", notation.label(self.name)), Side("=", formula), Side("=", inserted, numbers)]
        result = Side("=", notation.number(self.data), [*numbers, self.data])
        return [*(sides if formula != inserted else sides[:2]), result]


@dataclass(frozen=True)
class BackwardStep(Step):
    """What all steps of the backward pass have besides.

    Attributes
    ----------
    node : Value
    name : str
    root_name : str
        The name of the node whose derivatives are found.
    grad : float
        What has been found of the node's gradient with this step.
    """

    root_name: str
    grad: float

    def sides(self, notation: Text) -> list[Side]:
        """Write the sides of the step's equation, of which the first is the derivative that it finds."""
        return [Side("", notation.derivative(self.root_name, self.name))]


@dataclass(frozen=True)
class SeedStep(BackwardStep):
    """Where the backward pass starts: the root's derivative for itself, `∂f/∂f = 1`."""

    def sides(self, notation: Text) -> list[Side]:
        return [*super().sides(notation), Side("=", notation.number(self.grad))]


@dataclass(frozen=True)
class ChainRuleStep(BackwardStep):
    """One application of the chain rule: a node's gradient through one of the results it is an operand of.

    Printed, it is a line such as `∂f/∂y = ∂f/∂q · ∂q/∂y = -4 · 1 = -4`, where ∂q/∂y is the local derivative. A node
    with several such steps has `+=` in each, and an `AccumulationStep` after each but the first, and only that
    changes `grad`.

    Attributes
    ----------
    node, name, root_name, grad
        As in every step; the node is the operand.
    result : Value
        The node that the gradient comes from.
    result_name : str
    position : int
        Where among the operands of `result` the node stands, counted from 0.
    upstream : float
        The gradient of `result`.
    local_derivative : float
        The derivative of `result` alone for its operand at `position`.
    contribution : float
        The product of the two.
    is_whole : bool
        Whether this is the only path to the node, so that the contribution is its gradient.
    """

    result: Value
    result_name: str
    position: int
    upstream: float
    local_derivative: float
    contribution: float
    is_whole: bool

    def sides(self, notation: Text) -> list[Side]:
        inputs = self.result.inputs  # which of several operands that are all this node, counted from 1; else 0
        place = inputs[: self.position + 1].count(self.node) if inputs.count(self.node) > 1 else 0
        upstream = notation.derivative(self.root_name, self.result_name)
        local = notation.derivative(self.result_name, self.name, place)
        factors = (self.upstream, self.local_derivative)
        return [
            *super().sides(notation),
            Side("=" if self.is_whole else "+=", f"{upstream}{notation.operator('·')}{local}"),
            Side("=", notation.chain(*factors), factors),
            Side("=", notation.number(self.contribution), (*factors, self.contribution)),
        ]


@dataclass(frozen=True)
class AccumulationStep(BackwardStep):
    """Where paths meet: a contribution is added to what was found of a node's gradient before.

    Printed, it is a line such as `∂f/∂x = 3 + (-4) = -1`.

    Attributes
    ----------
    node, name, root_name, grad
        As in every step; `grad` is the sum.
    before, contribution : float
        What is added.
    """

    before: float
    contribution: float

    def sides(self, notation: Text) -> list[Side]:
        terms = (self.before, self.contribution)
        total = notation.total([[Term("", term)] for term in terms])
        result = Side("=", notation.number(self.grad), (*terms, self.grad))
        return [*super().sides(notation), Side("=", total, terms), result]


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
    shown = ", ".join(f"{operand.name or 'a number'} = {number(operand.data)}" for operand in operands[:6])
    try:
        again = Context().run(node.op.apply, [Value(operand.data) for operand in operands])  # outside of no_grad
    except Exception as error:
        raise ValueError(f"{name} can't be computed once more, to be explained, with {shown}: {error}") from error
    slopes = zip(node.inputs, node.local_grads, again.local_grads)
    pairs = [(node.data, again.data), *[(then, now) for operand, then, now in slopes if operand.requires_grad]]
    if not all(then == now or (math.isnan(then) and math.isnan(now)) for then, now in pairs):
        raise ValueError(
            f"{name} = {number(node.data)} was computed before the data of its operands changed "
            f"(now {shown}): compute the graph again, then explain it"
        )


def backward_steps(names: Mapping[Value, str]) -> list[BackwardStep]:
    """List the steps of the backward pass, all gradients starting from zero, for names in topological order.

    Nodes follow one another as backward() reaches them, in reversed topological order, and so each gradient is
    complete before it is passed on. A node's contributions have the order in which backward() adds them: by result,
    and for each result by operand. Constants have no gradient, and no steps.
    """
    *_, root = names
    steps: list[BackwardStep] = []
    grads: dict[Value, float] = {}
    uses: dict[Value, list[tuple[Value, int, float]]] = {node: [] for node in names}
    for node in reversed(list(names)):
        if not node.requires_grad:
            continue
        received = _receive(node, uses[node], names, names[root], grads)
        steps += received
        grads[node] = received[-1].grad
        for position, (operand, local_derivative) in enumerate(zip(node.inputs, node.local_grads)):
            if operand in uses:
                uses[operand].append((node, position, local_derivative))
    return steps


def _receive(
    node: Value,
    uses: Sequence[tuple[Value, int, float]],
    names: Mapping[Value, str],
    root_name: str,
    grads: Mapping[Value, float],
) -> list[BackwardStep]:
    """List the steps by which a node receives its gradient."""
    name = names[node]
    if not uses:
        return [SeedStep(node, name, root_name, 1.0)]
    steps: list[BackwardStep] = []
    grad = 0.0
    for result, position, local in uses:
        upstream = grads[result]
        contribution = upstream * local
        total = grad + contribution
        found = (result, names[result], position, upstream, local, contribution, len(uses) == 1)
        steps.append(ChainRuleStep(node, name, root_name, grad if steps else total, *found))
        if len(steps) > 1:
            steps.append(AccumulationStep(node, name, root_name, total, grad, contribution))
        grad = total
    return steps
