"""Activation functions by name, each from the lecture note or paper that the engine's table cites.

A unit's activation takes one Value and gives one; `softmax` alone takes the outputs of a whole layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from autograd_mini import elu, gelu, identity, leaky_relu, relu, sigmoid, silu, softmax, softplus, tanh
from nn.checks import describe, look_up

Activation = Callable[[Any], Any]

ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,  # a linear unit (S2, section 1.1)
    "linear": identity,
    "sigmoid": sigmoid,  # 1 / (1 + e**-x) (S0, section 1)
    "tanh": tanh,  # = 2 sigmoid(2x) - 1 (S0, equation 1; S1)
    "relu": relu,  # max(0, x) (S0, equation 2)
    "leaky_relu": leaky_relu,  # x, or 0.01 x below 0 (S0, equation 3)
    "softplus": softplus,  # log(1 + e**x) (S0, equation 4)
    "elu": elu,  # x, or e**x - 1 below 0 (S0, equation 5)
    "softmax": softmax,  # e**x_i / (e**x_1 + ... + e**x_n) (S3)
    "silu": silu,  # x sigmoid(x) (Elfwing et al. 2018)
    "gelu": gelu,  # x P(N(0, 1) <= x) (Hendrycks and Gimpel 2016)
}

_TITLES = {
    "identity": "Linear",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "silu": "SiLU",
    "gelu": "GELU",
}


def activation_function(activation: str | Activation) -> Activation:
    """Find an activation function by its name; a function is its own answer.

    Parameters
    ----------
    activation : str or callable
        A key of `ACTIVATIONS`, or any function of a Value. For a parameter other than the usual
        one, `functools.partial(leaky_relu, slope=0.1)` (the slope of S3).

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `activation` is neither a name nor a function.

    Examples
    --------
    >>> activation_function("leaky_relu")(-2.0)
    -0.02
    >>> activation_function("rely")
    Traceback (most recent call last):
        ...
    ValueError: unknown activation 'rely'; known are: elu, gelu, identity, leaky_relu, linear, relu, sigmoid, \
silu, softmax, softplus, tanh
    """
    if isinstance(activation, str):
        return look_up(ACTIVATIONS, activation, "activation")
    if not callable(activation):
        raise TypeError(f"activation must be a name or a function, not {describe(activation)}")
    return activation


def activation_title(activation: Activation) -> str:
    """Write an activation's name as a repr or a plot does: `"ReLU"`, `"Tanh"`.

    Examples
    --------
    >>> activation_title(relu), activation_title(identity), activation_title(tanh)
    ('ReLU', 'Linear', 'Tanh')
    """
    function = activation.func if isinstance(activation, partial) else activation
    name = getattr(function, "__name__", type(function).__name__)
    return _TITLES.get(name, name[:1].upper() + name[1:])
