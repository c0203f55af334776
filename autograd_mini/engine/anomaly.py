"""What `detect_anomaly` says: the first operation that makes a nan or an inf out of finite numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from autograd_mini.engine.choices import flows
from autograd_mini.engine.lines import here, written
from autograd_mini.engine.node import place_of
from autograd_mini.engine.operation import Operation


def check_forward(operation: Operation, operands: Sequence[Any], data: float) -> None:
    """Raise where a result is not finite, though its operands are."""
    if not math.isfinite(data) and all(math.isfinite(operand.data) for operand in operands):
        raise FloatingPointError(f"{operation.name} gave {data} for the operands {_listed(operands)}{written(here())}")


def check_backward(order: Sequence[Any], seed: float) -> None:
    """Backpropagate on paper: raise at the first anomaly, before any `.grad` has changed."""
    grads = {id(node): 0.0 if node.operands else node.grad for node in order}
    grads[id(order[-1])] += seed
    for node, flowing in zip(reversed(order), reversed(flows(order))):
        upstream = grads[id(node)]
        for operand, local, flow in zip(node.operands, node.local_derivatives, flowing):
            if not flow:
                continue
            grad = grads[id(operand)] + upstream * local
            finite_before = math.isfinite(upstream) and math.isfinite(grads[id(operand)])
            if not math.isfinite(grad) and finite_before and operand.requires_grad:
                raise FloatingPointError(
                    f"the backward pass of {node.op.name} gave the gradient {grad} for {_listed([operand])}: "
                    f"upstream gradient {upstream}, local derivative {local}, "
                    f"operands {_listed(node.operands)}{written(place_of(node))}"
                )
            grads[id(operand)] = grad


def _listed(operands: Sequence[Any]) -> str:
    return ", ".join(map(_named, operands[:6])) + (f" and {len(operands) - 6} more" if len(operands) > 6 else "")


def _named(operand: Any) -> str:
    """Write an operand's number, and name it by its label, or by the operation that made it."""
    name = operand.label or (f"the result of {operand.op.name}" if operand.op else "")
    return f"{name} = {operand.data}" if name else f"{operand.data}"
