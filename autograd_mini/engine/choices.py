"""What was not chosen contributes nothing, not even where its own derivative is inf or nan: 0 * inf is nan.

Some operations choose: `where`, `maximum`, `minimum`, `clip`, `relu`, comparisons, which only others choose by, and
`detach`, which chooses nothing. An operand whose local derivative is 0 was not chosen. A node is reached if some path
of chosen operands leads to it from the root. Gradient flows from nodes that are reached to operands that are chosen,
and nowhere else.

An upstream gradient of 0 times a finite local derivative is 0 anyway, so a plain product of the two is right as long
as no gradient is nan. Only where one is, the functions here are asked which nan is a number in truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_mini.engine.node import set_gradient
from autograd_mini.engine.operation import Operation


def is_chosen(operation: Operation, local: float) -> bool:
    """Say whether an operand was chosen, by its local derivative."""
    return local != 0.0 or not operation.chooses


def flows(order: Sequence[Any]) -> list[list[bool]]:
    """Say for each node of a topological order to which of its operands gradient flows; the last node is reached."""
    reached = {id(order[-1])}
    flowing: list[list[bool]] = []
    for node in reversed(order):
        is_reached = id(node) in reached
        some = [is_reached and is_chosen(node.op, local) for local in node.local_derivatives]
        reached.update([id(operand) for operand, flow in zip(node.operands, some) if flow])
        flowing.append(some)
    return flowing[::-1]


def mend(order: Sequence[Any], seed: float) -> None:
    """Set anew the gradients of a topological order, some of which plain products have made nan."""
    for node, grad in zip(order, gradients(order, seed)):
        set_gradient(node, grad)


def gradients(order: Sequence[Any], seed: float) -> list[float]:
    """Compute the gradient of each node of a topological order, and change none."""
    found = {id(node): 0.0 for node in order}
    found[id(order[-1])] = seed
    for node, flowing in zip(reversed(order), reversed(flows(order))):
        upstream = found[id(node)]
        for operand, local, flow in zip(node.operands, node.local_derivatives, flowing):
            if flow:
                found[id(operand)] += upstream * local
    return list(found.values())
