"""Adam: a step for each parameter that does not depend on the scale of its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from autograd_mini import Value
from nn.checks import check_fraction, check_not_negative, check_positive
from nn.optim.optimizer import Array, Optimizer, Schedule


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), as `torch.optim.Adam` has it.

    Parameters
    ----------
    parameters, lr
        As for `Optimizer`.
    betas : tuple of float, optional
        How much of the running means of the gradient and of its square is kept.
    eps : float, optional
        Added to the root of the mean square, which may be 0.
    weight_decay : float, optional
        Added to each gradient, times the parameter, biases included; `nn.l2` leaves them free.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(3.0)
    >>> optimizer = Adam([x], lr=0.1)
    >>> loss = optimizer.step(lambda: x * x)
    >>> round(x.data, 6)
    2.9
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float | Schedule = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.betas = check_fraction(betas[0], "betas[0]"), check_fraction(betas[1], "betas[1]")
        self.eps = check_positive(eps, "eps")
        self.weight_decay = check_not_negative(weight_decay, "weight_decay")
        self._means = np.zeros(len(self.parameters))
        self._mean_squares = np.zeros(len(self.parameters))

    def _moved(self, data: Array, gradient: Array, rate: float) -> Array:
        beta, beta_square = self.betas
        # Both means started at 0; these make up for it.
        rate = rate / (1.0 - beta ** (self.steps + 1))
        unbias = math.sqrt(1.0 - beta_square ** (self.steps + 1))
        gradient = gradient + self.weight_decay * data
        self._means = beta * self._means + (1.0 - beta) * gradient
        self._mean_squares = beta_square * self._mean_squares + (1.0 - beta_square) * gradient**2
        return data - rate * self._means / (np.sqrt(self._mean_squares) / unbias + self.eps)
