"""Optimizer: the base of all optimizers; it holds parameters, learning rate and the number of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value
from autograd_mini.engine.checks import describe
from autograd_mini.engine.vectors import read, write
from nn.checks import check_not_negative, check_positive

Schedule = Callable[[int], float]
Closure = Callable[[], Value]
Array = NDArray[np.float64]


class Optimizer:
    """Base class: changes parameters by their gradients.

    A subclass says how, in `_update(rate)`, which changes the parameters, or in `_moved(data, gradient, rate)`, which
    computes with arrays of all parameters.

    Parameters
    ----------
    parameters : iterable of Value
        `model.parameters()`, or some of them.
    lr : float or callable
        The learning rate, or a schedule: a function that gives it for the number of steps done so far. The attribute
        `lr` may be assigned to between steps; `steps` is the number of steps done.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> class SignDescent(Optimizer):
    ...     def _update(self, rate):
    ...         for parameter in self.parameters:
    ...             parameter.data -= rate if parameter.grad > 0 else -rate
    >>> x = Value(3.0)
    >>> optimizer = SignDescent([x], lr=0.5)
    >>> optimizer.step(lambda: x * x)
    Value(data=9.0, grad=1.0)
    >>> x.data
    2.5
    """

    def __init__(self, parameters: Iterable[Value], lr: float | Schedule) -> None:
        self.parameters = _check_parameters(parameters)
        self.lr = lr if callable(lr) else check_positive(lr, "lr")
        self.steps = 0

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for parameter in self.parameters:
            parameter.grad = 0.0

    def step(self, closure: Closure | None = None) -> Value | None:
        """Change the parameters once, along the gradients that `backward()` has left in them.

        A closure computes the loss, a Value. With a closure the step computes the gradients, and returns the loss
        before the step.
        """
        rate = self._rate()
        loss = None if closure is None else self._backpropagate(closure)
        self._update(rate)
        self.steps += 1
        return loss

    def step_arrays(self, data: Array, gradient: Array) -> Array:
        """Do a step with the numbers and derivatives of all parameters in arrays; give the new numbers."""
        rate = self._rate()
        with np.errstate(all="ignore"):
            moved = self._moved(data, gradient, rate)
        self.steps += 1
        return moved

    def _update(self, rate: float) -> None:
        """Change the parameters by their gradients."""
        data, gradient = read(self.parameters, "data"), read(self.parameters, "grad")
        with np.errstate(all="ignore"):
            moved = self._moved(data, gradient, rate)
        write(self.parameters, "data", moved)

    def _moved(self, data: Array, gradient: Array, rate: float) -> Array:
        """Give the new numbers of all parameters at once, as a new array."""
        raise NotImplementedError(f"{type(self).__name__} does not define _update, nor _moved")

    def _rate(self) -> float:
        """Give the learning rate of this step; a schedule may also give 0."""
        rate = self.lr(self.steps) if callable(self.lr) else self.lr
        return check_not_negative(rate, f"the learning rate of step {self.steps}")

    def _check_closure(self, closure: Closure | None) -> Closure:
        if closure is None:
            raise TypeError(f"{type(self).__name__}.step needs a closure that computes the loss")
        return closure

    def _backpropagate(self, closure: Closure) -> Value:
        """Compute the loss and its gradients, whatever gradients there were."""
        loss = closure()
        if not isinstance(loss, Value):
            raise TypeError(f"the closure must give the loss, a Value, not {describe(loss)}")
        self.zero_grad()
        loss.backward()
        return loss


def _check_parameters(parameters: Iterable[Value]) -> list[Value]:
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters must be Values, as model.parameters() gives them, not {describe(parameters)}")
    listed = list(parameters)
    if not listed:
        raise ValueError("there is no parameter to optimize")
    for i, parameter in enumerate(listed):
        if not isinstance(parameter, Value):
            raise TypeError(f"parameter {i} must be a Value, not {describe(parameter)}")
        if not parameter.is_leaf or not parameter.requires_grad:
            raise TypeError(f"parameter {i} was computed or detached, {parameter!r}; an optimizer changes Values given")
    if len(set(listed)) != len(listed):
        raise ValueError("a parameter is there twice, and would be changed twice in each step")
    return listed
