"""SGD: gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from autograd_mini import Value
from nn.checks import check_fraction, check_not_negative
from nn.optim.optimizer import Array, Optimizer, Schedule


class SGD(Optimizer):
    """Gradient descent, w <- w - lr * gradient (From Logistic Regression to Neural Network, eq. 15).

    With momentum, and with weight decay, it does what `torch.optim.SGD` does.

    Parameters
    ----------
    parameters, lr
        As for `Optimizer`.
    momentum : float, optional
        How much of the last step's velocity is kept, v <- momentum * v + gradient; the step goes
        along v (Polyak 1964).
    nesterov : bool, optional
        Go along gradient + momentum * v instead (Nesterov 1983, as Sutskever et al. 2013 write it).
    weight_decay : float, optional
        Added to each gradient, times the parameter, biases included; `nn.l2` leaves them free.

    Examples
    --------
    >>> from autograd_mini import Value
    >>> x = Value(3.0)
    >>> optimizer = SGD([x], lr=0.25)
    >>> for _ in range(3):
    ...     loss = optimizer.step(lambda: x * x)
    >>> x.data
    0.375
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float | Schedule,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum = check_fraction(momentum, "momentum")
        self.nesterov = nesterov
        self.weight_decay = check_not_negative(weight_decay, "weight_decay")
        if nesterov and not momentum:
            raise ValueError("Nesterov's method needs a momentum above 0")
        self._velocities = np.zeros(len(self.parameters))

    def _moved(self, data: Array, gradient: Array, rate: float) -> Array:
        if not self.momentum and not self.weight_decay:
            return data - rate * gradient
        gradient = gradient + self.weight_decay * data
        self._velocities = self.momentum * self._velocities + gradient
        direction = gradient + self.momentum * self._velocities if self.nesterov else self._velocities
        return data - rate * direction
