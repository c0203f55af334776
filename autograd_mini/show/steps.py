"""Backprop taken apart: one step for each node computed, each use of the chain rule and each meeting of paths.

Reads graphs and never changes them. Knows how a step's equation is written, and nothing of where it is shown.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from itertools import count

from autograd_mini.engine.choices import flows
from autograd_mini.engine.value import Value
from autograd_mini.show.format import number, one_line, shorten
from autograd_mini.show.formulas import TEXT, Side, Term, Text

# Names.


def name_nodes(order: Sequence[Value], given: Mapping[Value, str]) -> dict[Value, str]:
    """Give each node of a topological order a name of its own, except numbers that stood in an expression.

    A given name goes before the node's label, and before the same label of another node. Repeated names are numbered:
    `w`, `w#2`. A root without name and label is `f`, if no other node is; other nodes are `v1`, `v2` and so on.

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
    generated = (name for i in count(1) if (name := f"v{i}") not in taken)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))  # for each repeated name
    unique: dict[Value, str] = {}
    used: set[str] = set()
    for node in sorted(order, key=lambda node: node not in given):
        if wanted[node] or node.requires_grad:
            name = repeated = wanted[node] or next(generated)
            while name in used or (name != repeated and name in taken):
                name = f"{repeated}#{next(numbers[repeated])}"
            unique[node] = name
            used.add(name)
    return {node: unique[node] for node in order if node in unique}


# Steps.


@dataclass(frozen=True)
class Step:
    """What all steps have: the node whose data or gradient the step finds, and the node's name."""

    node: Value
    name: str

    def sides(self, notation: Text) -> list[Side]:
        """Write the sides of the step's equation."""
        raise NotImplementedError

    def __str__(self) -> str:
        return TEXT.equation(self.sides(TEXT))


@dataclass(frozen=True)
class ForwardStep(Step):
    """A node of the forward pass, computed or given: `q = x + y = -2 + 5 = 3`."""

    operands: tuple[Term, ...]  # name and number of each; a number that stood in an expression has no name
    data: float

    def sides(self, notation: Text) -> list[Side]:
        """Write the name, the formula, the formula with numbers, and the result; a leaf has no formula."""
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
    """What all steps of the backward pass have: the root's name, and the node's gradient as found so far."""

    root_name: str
    grad: float

    def sides(self, notation: Text) -> list[Side]:
        """Write the sides of the step's equation; the first is the derivative that it finds."""
        return [Side("", notation.derivative(self.root_name, self.name))]


@dataclass(frozen=True)
class SeedStep(BackwardStep):
    """Where the backward pass starts: the root's derivative for itself, `∂f/∂f = 1`."""

    def sides(self, notation: Text) -> list[Side]:
        return [*super().sides(notation), Side("=", notation.number(self.grad))]


@dataclass(frozen=True)
class ChainRuleStep(BackwardStep):
    """One application of the chain rule: `∂f/∂y = ∂f/∂q · ∂q/∂y = -4 · 1 = -4`, where ∂q/∂y is the local derivative.

    A node with several such steps has `+=` in each, and an `AccumulationStep` after each but the first. There only
    the `AccumulationStep` changes `grad`.

    Attributes
    ----------
    result, result_name
        The node that the gradient comes from; `node` is an operand of it.
    position : int
        The position of `node` among the operands of `result`, counted from 0.
    upstream : float
        The gradient of `result`.
    local_derivative : float
        The derivative of `result` for this operand alone.
    contribution : float
        Upstream gradient times local derivative; 0 where that is nan, but nothing flows to what was not chosen.
    is_whole : bool
        Whether this is the only path to the node: the contribution is the node's gradient.
    """

    result: Value
    result_name: str
    position: int
    upstream: float
    local_derivative: float
    contribution: float
    is_whole: bool

    def sides(self, notation: Text) -> list[Side]:
        inputs = self.result.operands  # which of several operands that are all this node, counted from 1; else 0
        same = [x is self.node for x in inputs]
        place = sum(same[: self.position + 1]) if sum(same) > 1 else 0
        upstream = notation.derivative(self.root_name, self.result_name)
        local = notation.derivative(self.result_name, self.name, place)
        factors = (self.upstream, self.local_derivative)
        if math.isnan(self.upstream * self.local_derivative) and self.contribution == 0.0:
            nothing = f"{notation.number(0.0)} (not chosen)"
            return [*super().sides(notation), Side("=" if self.is_whole else "+=", nothing, (0.0,))]
        return [
            *super().sides(notation),
            Side("=" if self.is_whole else "+=", f"{upstream}{notation.operator('·')}{local}"),
            Side("=", notation.chain(*factors), factors),
            Side("=", notation.number(self.contribution), (*factors, self.contribution)),
        ]


@dataclass(frozen=True)
class AccumulationStep(BackwardStep):
    """Where paths meet, the next contribution is added to the gradient before it: `∂f/∂x = 3 + (-4) = -1`."""

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

    A node is a ValueError if the data of an operand changed after the node was computed.
    """
    steps = []
    for node, name in names.items():
        operands = tuple([Term(names.get(operand, ""), operand.data) for operand in node.operands])
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
    slopes = zip(node.operands, node.local_derivatives, again.local_derivatives)
    pairs = [(node.data, again.data), *[(then, now) for operand, then, now in slopes if operand.requires_grad]]
    if not all(then == now or (math.isnan(then) and math.isnan(now)) for then, now in pairs):
        raise ValueError(
            f"{name} = {number(node.data)} was computed before the data of its operands changed "
            f"(now {shown}): compute the graph again, then explain it"
        )


def backward_steps(names: Mapping[Value, str]) -> list[BackwardStep]:
    """List the steps of the backward pass over named nodes in topological order, for gradients that start from zero.

    Nodes come in the order in which backward() reaches them, so that each gradient is complete before it is passed on.
    A node's contributions come in the order in which backward() adds them. Constants have no gradient, and no steps.
    """
    order = list(names)
    root, root_name = order[-1], names[order[-1]]
    steps: list[BackwardStep] = [SeedStep(root, root_name, root_name, 1.0)]
    grads = {root: 1.0}
    uses: dict[Value, list[tuple[Value, int, float, bool]]] = {node: [] for node in names}
    for node, flowing in zip(reversed(order), reversed(flows(order))):
        for i, (result, position, local, flow) in enumerate(uses[node]):
            before, upstream = grads.get(node, 0.0), grads[result]
            contribution = upstream * local
            if not flow and math.isnan(contribution):
                contribution = 0.0
            grads[node] = total = before + contribution
            facts = (result, names[result], position, upstream, local, contribution, len(uses[node]) == 1)
            steps.append(ChainRuleStep(node, names[node], root_name, before if i else total, *facts))
            if i:
                steps.append(AccumulationStep(node, names[node], root_name, total, before, contribution))
        for position, (operand, local) in enumerate(zip(node.operands, node.local_derivatives)):
            if operand.requires_grad:
                uses[operand].append((node, position, local, flowing[position]))
    return steps
