"""Backprop taken apart: one step for each node computed, each use of the chain rule and each meeting of paths.

Reads graphs and never changes them. Knows how a step's equation is written, and nothing of where it is shown.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from autograd_mini.engine.choices import flows
from autograd_mini.engine.value import Value
from autograd_mini.show.format import for_output, number, one_line, shorten
from autograd_mini.show.formulas import TEXT, Formula, Side, Term, Text
from autograd_mini.show.rules import Reason, reasons

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

    def equations(self, notation: Text) -> list[list[Side]]:
        """Write the step's equations, the last of which gives what the step finds; an equation is a list of sides."""
        raise NotImplementedError

    def lines(self, notation: Text = TEXT) -> list[str]:
        """Write a line for each equation; those after the first are indented."""
        first, *others = [notation.equation(sides) for sides in self.equations(notation)]
        return [first, *(f"    {other}" for other in others)]

    def __str__(self) -> str:
        return for_output("\n".join(self.lines()))


@dataclass(frozen=True)
class ForwardStep(Step):
    """A node of the forward pass, computed or given: `q = x + y = -2 + 5 = 3`."""

    operands: tuple[Term, ...]  # name and number of each; a number that stood in an expression has no name
    data: float

    def equations(self, notation: Text) -> list[list[Side]]:
        """Write the name, the formula, the formula with numbers, and the result; a leaf has no formula."""
        op, operands = self.node.op, without_bias(self.node, self.operands)
        if op is None:
            return [[Side("", notation.label(self.name)), Side("=", notation.number(self.data), [self.data])]]
        formula, inserted = (notation.compose(op, x) for x in (operands, [Term("", x.data) for x in operands]))
        numbers = [x.data for x in self.operands if formula != inserted or not x.name]
        sides = [Side("", notation.label(self.name)), Side("=", formula), Side("=", inserted, numbers)]
        result = Side("=", notation.number(self.data), [*numbers, self.data])
        return [[*(sides if formula != inserted else sides[:2]), result]]


def without_bias(node: Value, operands: tuple[Term, ...]) -> tuple[Term, ...]:
    """Leave out the bias of a scalar product that was given none."""
    is_product = node.op is not None and node.op.notation == "dot" and len(operands) > 1
    return operands[:-1] if is_product and operands[-1] == ("", 0.0, 0) else operands


@dataclass(frozen=True)
class BackwardStep(Step):
    """What all steps of the backward pass have: the root's name, and the node's gradient as found so far."""

    root_name: str
    grad: float

    def equations(self, notation: Text) -> list[list[Side]]:
        """Write the step's equations; the last begins with the derivative that the step finds."""
        return [[Side("", notation.derivative(self.root_name, self.name))]]


@dataclass(frozen=True)
class SeedStep(BackwardStep):
    """Where the backward pass starts: the root's derivative for itself, `∂f/∂f = 1`."""

    def equations(self, notation: Text) -> list[list[Side]]:
        return [[*super().equations(notation)[0], Side("=", notation.number(self.grad))]]


@dataclass(frozen=True)
class ChainRuleStep(BackwardStep):
    """One application of the chain rule, in two equations.

    The first gives the local derivative, of the operation alone, by the operation's rule: `∂(q · z)/∂z = q = 3`. The
    second multiplies it with the upstream gradient: `∂f/∂z = ∂f/∂f · ∂(q · z)/∂z = 1 · 3 = 3`. A node with several
    such steps has `+=` in each, and an `AccumulationStep` after the last.

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
    operands : tuple of Term
        Names and numbers of the operands of `result`.
    reason : Reason or None
        The formula of the local derivative; None where it is too long to be one.
    """

    result: Value
    result_name: str
    position: int
    upstream: float
    local_derivative: float
    contribution: float
    is_whole: bool
    operands: tuple[Term, ...]
    reason: Reason | None

    def equations(self, notation: Text) -> list[list[Side]]:
        [[derivative]] = super().equations(notation)
        operation = self.result.op
        assert operation is not None  # a node that has operands
        local = notation.local_derivative(operation, without_bias(self.result, self.operands), self.position)
        upstream = notation.derivative(self.root_name, self.result_name)
        factors = (self.upstream, self.local_derivative)
        relation = "=" if self.is_whole else "+="
        if math.isnan(self.upstream * self.local_derivative) and self.contribution == 0.0:
            product = [Side(relation, f"{notation.number(0.0)} (not chosen)", (0.0,))]
        else:
            product = [
                Side(relation, f"{upstream}{notation.operator('·')}{local}"),
                Side("=", notation.chain(*factors), factors),
                Side(
                    "=", notation.number(self.contribution), (*factors, self.contribution) if self.contribution else ()
                ),
            ]
        return [[Side("", local), *self._rule(notation)], [derivative, *product]]

    def _rule(self, notation: Text) -> list[Side]:
        """Write the sides that say why the local derivative is what it is."""
        reason, formula = self.reason, self.reason.formula if self.reason else None
        numbers: list[float] = []
        sides = []
        if isinstance(formula, Formula):
            written, inserted = notation.term(formula), notation.term(formula.inserted())
            sides.append(Side("=", written, formula.numbers()))
            if inserted != written:
                numbers = formula.inserted().numbers()
                sides.append(Side("=", inserted, numbers))
        elif formula is not None and formula.name:
            sides.append(Side("=", notation.term(formula)))
        sides.append(Side("=", notation.number(self.local_derivative), [*numbers, self.local_derivative]))
        for i, (left, symbol, right) in enumerate(reason.conditions if reason else ()):
            sides.append(Side("and" if i else "because", notation.comparison(left, symbol, right)))
        return sides


@dataclass(frozen=True)
class AccumulationStep(BackwardStep):
    """Where paths meet, the contributions along them are added up: `∂f/∂x = 1 + 3 + (-4) = 0`."""

    contributions: tuple[float, ...]

    def equations(self, notation: Text) -> list[list[Side]]:
        total = notation.total([[Term("", term)] for term in self.contributions])
        result = Side("=", notation.number(self.grad), (*self.contributions, self.grad))
        return [[*super().equations(notation)[0], Side("=", total, self.contributions), result]]


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
    uses: dict[Value, list[_Use]] = {node: [] for node in names}
    for node, flowing in zip(reversed(order), reversed(flows(order))):
        contributions = []
        for use in uses[node]:
            upstream = grads[use.result]
            contribution = upstream * use.local
            if not use.flows and math.isnan(contribution):
                contribution = 0.0
            contributions.append(contribution)
            grads[node] = grads.get(node, 0.0) + contribution
            step = ChainRuleStep(
                node,
                names[node],
                root_name,
                grads[node],
                result=use.result,
                result_name=names[use.result],
                position=use.position,
                upstream=upstream,
                local_derivative=use.local,
                contribution=contribution,
                is_whole=len(uses[node]) == 1,
                operands=use.operands,
                reason=use.reason,
            )
            steps.append(step)
        if len(contributions) > 1:
            steps.append(AccumulationStep(node, names[node], root_name, grads[node], tuple(contributions)))
        for use in _uses(node, names, flowing):
            uses[node.operands[use.position]].append(use)
    return steps


class _Use(NamedTuple):
    """A node as an operand of a result."""

    result: Value
    position: int
    local: float
    flows: bool  # whether gradient does, back to the operand
    operands: tuple[Term, ...]  # of the result
    reason: Reason | None


def _uses(result: Value, names: Mapping[Value, str], flowing: Sequence[bool]) -> list[_Use]:
    """List the operands of a node that have a gradient, each as a use."""
    if result.op is None:
        return []
    repeated = Counter(result.operands)
    places: Counter[Value] = Counter()
    operands = []
    for operand in result.operands:
        places[operand] += 1
        place = places[operand] if repeated[operand] > 1 else 0
        operands.append(Term(names.get(operand, ""), operand.data, place if operand in names else 0))
    why = reasons(result.op, operands, Term(names[result], result.data), result.local_derivatives)
    return [
        _Use(result, position, local, flowing[position], tuple(operands), why[position])
        for position, (operand, local) in enumerate(zip(result.operands, result.local_derivatives))
        if operand.requires_grad
    ]
