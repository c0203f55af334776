"""Neuron: one unit, activation(w . x + b)."""

from __future__ import annotations

import random
from typing import Any

from autograd_mini import Value, dot, identity, softmax
from autograd_mini.engine.checks import check_count
from nn.activations import Activation, activation_function, activation_title
from nn.checks import as_inputs
from nn.initializers import Draw, random_generator, weight_initializer
from nn.module import Module


class Neuron(Module):
    """One unit of a network: a weighted sum of its inputs, and an activation.

    In the graph it is two nodes, a `dot` and the activation; a linear one is the `dot` alone (From Logistic
    Regression to Neural Network, section 1.1).

    Parameters
    ----------
    nin : int
        The number of inputs.
    nonlin : bool, optional
        micrograd's switch: False is `activation="identity"`.
    activation : str or callable, optional
        A name in `nn.ACTIVATIONS` or a function of a Value; ReLU unless given.
    bias : bool, optional
        Whether there is a bias, which starts at 0.
    init : str or callable, optional
        How weights are drawn: a name in `nn.INITIALIZERS`, or a function of a `random.Random`.
    seed : int or random.Random, optional
        Makes the weights reproducible. Without it they come from Python's global generator, in
        micrograd's order: after the same `random.seed` they are micrograd's.

    Attributes
    ----------
    w : list of Value
    b : Value or None
    activation : callable

    Examples
    --------
    >>> neuron = Neuron(2, activation="sigmoid", init="zeros")
    >>> neuron([1.0, -2.0])
    Value(data=0.5, grad=0.0)
    >>> neuron
    SigmoidNeuron(2)
    """

    w: list[Value]
    b: Value | None
    activation: Activation

    def __init__(
        self,
        nin: int,
        nonlin: bool = True,
        *,
        activation: str | Activation | None = None,
        bias: bool = True,
        init: str | Draw = "uniform",
        seed: int | random.Random | None = None,
    ) -> None:
        nin = check_count(nin, "nin")
        self.activation = unit_activation(nonlin, activation)
        if self.activation is softmax:
            raise ValueError("softmax needs the outputs of a whole layer; use Layer(nin, nout, activation='softmax')")
        draw = weight_initializer(init, nin, 1)
        generator = random_generator(seed)
        self.w = [Value(draw(generator)) for _ in range(nin)]
        self.b = Value(0.0) if bias else None

    @property
    def nonlin(self) -> bool:
        """Whether there is an activation other than the identity."""
        return self.activation is not identity

    def __call__(self, x: Any) -> Any:
        """Compute the output for one example, a sequence of `nin` Values or real numbers."""
        return self.forward(as_inputs(x, len(self.w)))

    def forward(self, inputs: list[Any]) -> Any:
        """Compute the output for inputs that are Values already."""
        z = dot(self.w, inputs) if self.b is None else dot(self.w, inputs, self.b)
        return z if self.activation is identity else self.activation(z)

    def parameters(self) -> list[Value]:
        """List the weights, then the bias."""
        return list(self.w) if self.b is None else [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{activation_title(self.activation)}Neuron({len(self.w)})"


def unit_activation(nonlin: bool, activation: str | Activation | None) -> Activation:
    """Give the activation that micrograd's switch and `activation` ask for together."""
    if activation is None:
        return activation_function("relu" if nonlin else "identity")
    function = activation_function(activation)
    if not nonlin and function is not identity:
        raise ValueError(f"nonlin=False makes a linear unit, but activation={activation!r} does not; give one of them")
    return function
