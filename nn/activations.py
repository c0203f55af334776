"""Activation functions by name. Each takes one Value; `softmax` alone takes the outputs of a whole layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

from autograd_mini import elu, gelu, identity, leaky_relu, relu, sigmoid, silu, softmax, softplus, tanh
from nn.checks import find_function, is_finite, name_in

Activation = Callable[[Any], Any]

ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,  # a linear unit
    "linear": identity,
    "sigmoid": sigmoid,  # 1 / (1 + e**-x)
    "tanh": tanh,  # 2 sigmoid(2x) - 1
    "relu": relu,  # max(0, x)
    "leaky_relu": leaky_relu,  # x, or 0.01 x below 0
    "softplus": softplus,  # log(1 + e**x)
    "elu": elu,  # x, or e**x - 1 below 0
    "softmax": softmax,  # e**x_i / (e**x_1 + ... + e**x_n)
    "silu": silu,  # x sigmoid(x)
    "gelu": gelu,  # x P(N(0, 1) <= x)
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
    """Find an activation function by its name in `ACTIVATIONS`; any function of a Value is given back.

    `functools.partial(leaky_relu, slope=0.1)` is one with another parameter than the usual one (CISC6000: Neural
    Networks has this slope).

    Examples
    --------
    >>> activation_function("leaky_relu")(-2.0)
    -0.02
    """
    return find_function(ACTIVATIONS, activation, "activation")


def describe_activation(activation: Activation) -> tuple[str, dict[str, float]] | None:
    """Describe an activation by its name in `ACTIVATIONS`, and the parameters that `partial` gives it; None without."""
    function, parameters = activation, {}
    if isinstance(activation, partial) and not activation.args:
        function = activation.func
        parameters = {key: float(x) if isinstance(x, Real) else x for key, x in activation.keywords.items()}
    name = name_in(ACTIVATIONS, function)
    return (name, parameters) if name and all(map(is_finite, parameters.values())) else None


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
