"""LineSearch: gradient descent that finds its own learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autograd_mini import Value, no_grad
from nn.checks import check_fraction
from nn.optim.optimizer import Closure, Optimizer, Schedule

# The part of the first rate below which the search gives up: a smaller step is lost in rounding.
_SMALLEST = 2.0**-50


class LineSearch(Optimizer):
    """Gradient descent whose learning rate is found anew in each step (Chapter 11: Neural Network, section 11.2).

    The search backtracks (Armijo 1966): starting with `lr` it shrinks the rate until the loss falls
    by at least ``decrease * rate * |gradient|**2``. Where no rate does, the parameters stay.

    Parameters
    ----------
    parameters
        As for `Optimizer`.
    lr : float or callable, optional
        The rate to try first, or a schedule of it.
    decrease : float, optional
        The sufficient part of the decrease that the gradient predicts; from 0 to less than 1.
    shrink : float, optional
        What a rate that went too far is multiplied by; above 0 and less than 1.

    Attributes
    ----------
    chosen_lr : float
        The learning rate of the last step; 0 before the first and where the search found none.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(3.0)
    >>> optimizer = LineSearch([x])
    >>> loss = optimizer.step(lambda: x * x)
    >>> x.data, optimizer.chosen_lr
    (0.0, 0.5)
    """

    def __init__(
        self, parameters: Iterable[Value], lr: float | Schedule = 1.0, *, decrease: float = 1e-4, shrink: float = 0.5
    ) -> None:
        super().__init__(parameters, lr)
        self.decrease = check_fraction(decrease, "decrease")
        self.shrink = check_fraction(shrink, "shrink")
        if not self.shrink:
            raise ValueError("shrink must be above 0")
        self.chosen_lr = 0.0

    def step(self, closure: Closure | None = None) -> Value | None:
        """Change the parameters once, as for `Optimizer`, but always with a closure.

        The closure is called for each rate that is tried, and must give the same loss for the same parameters.
        """
        closure = self._check_closure(closure)
        first = rate = self._rate()
        loss = self._backpropagate(closure)
        start = [parameter.data for parameter in self.parameters]
        slope = sum(parameter.grad**2 for parameter in self.parameters)
        self.chosen_lr = 0.0
        try:
            while rate > first * _SMALLEST:
                self._move(start, rate)
                with no_grad():
                    trial = closure()
                if trial.data <= loss.data - self.decrease * rate * slope:
                    self.chosen_lr = rate
                    break
                rate *= self.shrink
        finally:
            if not self.chosen_lr:
                self._move(start, 0.0)
        self.steps += 1
        return loss

    def _move(self, start: Sequence[float], rate: float) -> None:
        for parameter, before in zip(self.parameters, start):
            parameter.data = before - rate * parameter.grad if rate else before
