"""The tables that the command line prints: nodes of an expression with values, gradients and a check on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial

from autograd_mini.command.expression import Expression
from autograd_mini.engine.value import Value
from autograd_mini.show.format import align_points, columns, number, one_line, shorten
from autograd_mini.show.steps import backward_steps, forward_steps, name_nodes
from autograd_mini.transforms.check_grads import central_differences

_MOST_DIFFERENCES = 100  # each computes the expression twice

# What the marks beside gradients mean.
_DIFFERS, _NOT_FINITE = "differs", "not finite"
_EXPLANATIONS = {
    _DIFFERS: """\
differs: a kink or a jump of the function is near, or numbers are too large or
too small for differences of floats to tell.""",
    _NOT_FINITE: """\
not finite: the derivative is infinite or undefined here, or too large for a
float; --explain shows the step that makes it so.""",
}

_NO_DIFFERENCES = "The result is {}: there are no differences to compare with."


TABLE_DIGITS = 6  # significant ones, unless a reader asks for others: beyond them central differences are noise


def report(expression: Expression, digits: int = TABLE_DIGITS) -> str:
    """Tabulate an expression's values, and its gradients beside central differences."""
    root, names = expression.root, name_nodes(list(expression.names), expression.names)
    values = [
        [step.name, number(step.data, digits)]
        for step in forward_steps(names)
        if step.node is root or is_worth_a_line(step.node, expression.names[step.node])
    ]
    lines = [shorten(one_line(expression.text), 100), "", "Values, operands before results"]
    lines += _table(["node", "value"], values)
    if not root.requires_grad:
        return "\n".join(lines)
    grads = {step.node: step.grad for step in backward_steps(names)}
    variables_first = sorted(grads, key=lambda node: not node.is_leaf)
    has_differences = [node for node in variables_first if math.isfinite(node.data) and math.isfinite(root.data)]
    estimates = _differences(list(names), has_differences[:_MOST_DIFFERENCES])
    rows = []
    for node, grad in grads.items():
        estimate = estimates.get(node)
        written = "" if estimate is None else number(estimate, digits)
        rows.append([names[node], number(grad, digits), written, _mark(grad, estimate, root.data)])
    lines += ["", "Gradients of the result, in the order backpropagation finds them"]
    lines += _table(["node", "gradient", "central differences", ""], rows)
    if not math.isfinite(root.data):
        lines += ["", _NO_DIFFERENCES.format(number(root.data))]
    for mark, explanation in _EXPLANATIONS.items():
        if any(row[-1] == mark for row in rows):
            lines += ["", explanation]
    return "\n".join(lines)


def is_worth_a_line(node: Value, name: str) -> bool:
    """Say whether to show a node: a number that stands in the text shows its own value already."""
    if node.requires_grad:
        return True
    try:
        float(name)
    except ValueError:
        return True
    return False


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a column of names beside columns of numbers; numbers are aligned at their decimal points."""
    names, *numbers = zip(*rows)
    cells = zip(names, *map(align_points, numbers))
    return [f"  {line}" for line in columns([header, *cells])]


def _differences(order: Sequence[Value], nodes: Iterable[Value]) -> dict[Value, float]:
    """Estimate the derivative of the last node for each of `nodes`: move it, and compute the nodes after it anew."""
    place = {node: i for i, node in enumerate(order)}
    data = [node.data for node in order]
    operands = [[place[operand] for operand in node.operands] for node in order]

    def result(start: int, shifted: Sequence[float]) -> float:
        moved = data.copy()
        [moved[start]] = shifted
        for i in range(start + 1, len(order)):
            if (operation := order[i].op) is not None:
                moved[i] = operation.function(*[moved[operand] for operand in operands[i]])
        return moved[-1]

    return {node: central_differences(partial(result, place[node]), [node.data])[0] for node in nodes}


def _mark(gradient: float, estimate: float | None, result: float) -> str:
    """Mark a gradient that needs an explanation."""
    if not math.isfinite(gradient):
        return _NOT_FINITE
    if estimate is None:
        return ""
    tolerance = 1e-5 * max(1.0, abs(gradient), abs(estimate)) + 1e-9 * abs(result)
    return "" if math.isfinite(estimate) and abs(gradient - estimate) <= tolerance else _DIFFERS
