"""Newton: the Newton-Raphson method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from autograd_mini import Value, hessian, topological_order
from nn.optim.optimizer import Closure, Optimizer, Schedule


class Newton(Optimizer):
    """The Newton-Raphson method, w <- w - lr * H^-1 gradient, H the Hessian of the loss (Bishop 2006, 4.3.3).

    For convex losses of few parameters, as in logistic regression: a Hessian takes as many backward passes as there are
    parameters, and where a loss is not convex the method may climb to a saddle.

    Parameters
    ----------
    parameters
        As for `Optimizer`.
    lr : float or callable, optional
        The part of Newton's step to take, or a schedule of it.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x, y = Value(3.0), Value(-1.0)
    >>> loss = Newton([x, y]).step(lambda: (x - 1) ** 2 + (x + y) ** 2)
    >>> round(x.data, 12), round(y.data, 12)
    (1.0, -1.0)
    """

    def __init__(self, parameters: Iterable[Value], lr: float | Schedule = 1.0) -> None:
        super().__init__(parameters, lr)

    def step(self, closure: Closure | None = None) -> Value | None:
        """Change the parameters once, as for `Optimizer`, but always with a closure.

        Raises
        ------
        ValueError
            If the Hessian is singular, as where the data leave a parameter undetermined, or not
            finite; the parameters stay as they are.
        """
        rate = self._rate()
        loss = self._backpropagate(self._check_closure(closure))
        curvature = np.array(hessian(_replay(loss, self.parameters))([p.data for p in self.parameters]))
        gradient = np.array([parameter.grad for parameter in self.parameters])
        direction = _solve(curvature, gradient)
        for parameter, change in zip(self.parameters, direction):
            parameter.data -= rate * float(change)
        self.steps += 1
        return loss


def _replay(loss: Value, parameters: Sequence[Value]) -> Callable[[Sequence[Any]], Any]:
    """Make the function that computes `loss` again, from other values of the parameters, along its graph."""
    order = topological_order(loss)

    def loss_of(values: Sequence[Any]) -> Any:
        found: dict[Value, Any] = dict(zip(parameters, values))
        for node in order:
            if node not in found:
                found[node] = node if node.op is None else node.op.apply([found[operand] for operand in node.operands])
        return found[loss]

    return loss_of


def _solve(curvature: Any, gradient: Any) -> Any:
    if not (np.isfinite(curvature).all() and np.isfinite(gradient).all()):
        raise ValueError("the loss has infinite or undefined derivatives here, so there is no Newton step")
    try:
        direction = np.linalg.solve(curvature, gradient)
    except np.linalg.LinAlgError:
        direction = None
    if direction is None or not np.isfinite(direction).all():  # NumPy in a browser gives nan, and no error
        raise ValueError(
            "the Hessian of the loss is singular: the data leave a parameter undetermined; "
            "add nn.l2(model.weights(), strength) to the loss, or leave out what is redundant"
        )
    return direction
