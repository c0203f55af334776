"""What the command line prints: the nodes of an expression with their values and gradients, and a check on these."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from autograd_mini.command.expression import Expression, shorten
from autograd_mini.engine.value import Value, topological_order
from autograd_mini.transforms.finite_differences import central_differences

_LONGEST_NAME = 40

_CAUSE = """\
Where the two differ, a kink or a jump of the function is near, or the numbers
are too large, too small or not finite, and differences of floats can't tell."""


def report(expression: Expression) -> str:
    """Tabulate an expression's values and, once backpropagated, its gradients beside central differences.

    Parameters
    ----------
    expression : Expression

    Returns
    -------
    str
        Lines of plain text.
    """
    names = _unique_names(expression.names)
    root = expression.root
    text = shorten(" ".join(expression.text.split()), 100)
    lines = [text, "", "Values, operands before results"]
    worth = [node for node in names if node is root or is_worth_a_line(node, expression.names[node])]
    lines += _table(["node", "value"], [[names[node], f"{node.data:.10g}"] for node in worth])
    if not root.requires_grad:
        return "\n".join(lines)
    rows = []
    estimates = _differences(root)
    for node, estimate in estimates.items():
        doubt = "" if _agree(node.grad, estimate, root.data) else "differs"
        rows.append([names[node], f"{node.grad:.10g}", f"{estimate:.8g}", doubt])
    lines += ["", "Gradients of the result, in the order backpropagation finds them"]
    lines += _table(["node", "gradient", "central differences", ""], rows)
    if any(row[-1] for row in rows):
        lines += ["", _CAUSE]
    return "\n".join(lines)


def is_worth_a_line(node: Value, name: str) -> bool:
    """Say whether to show a node: not where it is a number of the text, which shows its own value."""
    if node.requires_grad:
        return True
    try:
        float(name)
    except ValueError:
        return True
    return False


def _unique_names(names: Mapping[Value, str]) -> dict[Value, str]:
    """Shorten the names, and number those that are the same."""
    count: dict[str, int] = defaultdict(int)
    unique = {}
    for node, name in names.items():
        short = shorten(name, _LONGEST_NAME)
        count[short] += 1
        unique[node] = short if count[short] == 1 else f"{short}  #{count[short]}"
    return unique


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a column of names and columns of numbers, these aligned at their points."""
    names, *columns = zip(*rows)
    cells = [[header[0], *names]]
    cells += [[title, *_align_points(column)] for title, column in zip(header[1:], columns)]
    widths = [max(len(cell) for cell in column) for column in cells]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in zip(*cells)]
    return [f"  {line}".rstrip() for line in lines]


def _align_points(numbers: Sequence[str]) -> list[str]:
    before = max(len(number.partition(".")[0]) for number in numbers)
    return [" " * (before - len(number.partition(".")[0])) + number for number in numbers]


# Checking the gradients.


def _differences(root: Value) -> dict[Value, float]:
    """Estimate the root's derivative for each node but constants, in the order of backpropagation."""
    order = topological_order(root)
    graph = _Recomputation(order)
    return {order[i]: graph.derivative(i) for i in reversed(range(len(order))) if order[i].requires_grad}


class _Recomputation:
    """A graph's numbers, in topological order, to be computed anew from any node onwards."""

    def __init__(self, order: Sequence[Value]) -> None:
        position = {node: i for i, node in enumerate(order)}
        self._data = [node.data for node in order]
        self._functions = [node.op and node.op.function for node in order]
        self._operands = [[position[operand] for operand in node.inputs] for node in order]
        self._results: list[list[int]] = [[] for _ in order]
        for i, operands in enumerate(self._operands):
            for operand in operands:
                self._results[operand].append(i)

    def derivative(self, i: int) -> float:
        """Estimate the last node's derivative for the i-th."""
        following = self._following(i)

        def last(shifted: Sequence[float]) -> float:
            data = self._data.copy()
            data[i] = shifted[0]
            for k in following:
                function = self._functions[k]
                assert function is not None  # a leaf follows from nothing
                data[k] = function(*[data[operand] for operand in self._operands[k]])
            return data[-1]

        return central_differences(last, [self._data[i]])[0]

    def _following(self, start: int) -> list[int]:
        """List the nodes that are computed from a node, directly or not, in topological order."""
        found: set[int] = set()
        unread = [start]
        while unread:
            for result in self._results[unread.pop()]:
                if result not in found:
                    found.add(result)
                    unread.append(result)
        return sorted(found)


def _agree(gradient: float, estimate: float, result: float) -> bool:
    if math.isnan(gradient) or gradient == estimate:
        return math.isnan(gradient) == math.isnan(estimate)
    rounding = 1e-9 * abs(result) if math.isfinite(result) else 0.0
    return abs(gradient - estimate) <= 1e-5 * max(1.0, abs(gradient), abs(estimate)) + rounding
