"""MLP: layers one after another."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Self

from autograd_mini import Value
from autograd_mini.engine.checks import check_count, describe
from nn.activations import Activation
from nn.checks import as_inputs, check_sequence
from nn.initializers import Draw, random_generator
from nn.layer import Layer
from nn.module import Module
from nn.neuron import Neuron


class MLP(Module):
    """A multi-layer perceptron, or feedforward network (From Logistic Regression to Neural Network, section 1.2).

    Parameters
    ----------
    nin : int
        The number of inputs.
    nouts : sequence of int
        The number of units of each layer; the last is that of outputs.
    activation : str or callable, optional
        Of the hidden layers: a name in `nn.ACTIVATIONS` or a function of a Value.
    output_activation : str or callable, optional
        Of the last layer, where `"softmax"` is possible too. The default makes a linear layer, as
        the losses from logits and the squared errors want it.
    bias, init, seed
        As for `Neuron`, in all layers.

    Attributes
    ----------
    layers : list of Layer

    Examples
    --------
    >>> model = MLP(2, [4, 1], activation="tanh", output_activation="sigmoid", seed=1)
    >>> 0.0 < model([0.5, -1.0]).data < 1.0
    True
    >>> MLP(1, [1, 2])
    MLP of [Layer of [ReLUNeuron(1)], Layer of [LinearNeuron(1), LinearNeuron(1)]]
    """

    layers: list[Layer]

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        *,
        activation: str | Activation = "relu",
        output_activation: str | Activation = "identity",
        bias: bool = True,
        init: str | Draw = "uniform",
        seed: int | random.Random | None = None,
    ) -> None:
        layers = check_sequence(nouts, "nouts")
        sizes = [check_count(nin, "nin"), *(check_count(n, "a layer's size in nouts") for n in layers)]
        if len(sizes) < 2:
            raise ValueError("nouts must name the size of at least one layer, but is empty")
        generator = random_generator(seed)
        activations = [activation] * (len(sizes) - 2) + [output_activation]
        self.layers = [
            Layer(before, after, activation=of_layer, bias=bias, init=init, seed=generator)
            for (before, after), of_layer in zip(pairwise(sizes), activations)
        ]

    @classmethod
    def from_layers(cls, layers: Iterable[Layer]) -> Self:
        """Make a network of layers that exist already, each with as many inputs as the one before has units.

        Examples
        --------
        The network of Neural Networks, chapter 1, section 1.4, before training:

        >>> model = MLP.from_layers([Layer.from_matrix([[3, 4, 2], [2, 3, 4]]), Layer.from_matrix([[5, 5, 2]])])
        >>> model([1, 0]).data
        57.0
        """
        listed = list(layers)
        for layer in listed:
            if not isinstance(layer, Layer):
                raise TypeError(f"from_layers takes Layers, not {describe(layer)}")
        if not listed:
            raise ValueError("a network needs at least one layer")
        for i, (before, after) in enumerate(pairwise(listed)):
            units, inputs = len(before.neurons), len(after.neurons[0].w)
            if units != inputs:
                raise ValueError(f"layer {i} has {units} units, but layer {i + 1} takes {inputs} inputs")
        model = cls.__new__(cls)
        model.layers = listed
        return model

    def __call__(self, x: Any) -> Any:
        """Compute the outputs for one example, as `Neuron` does: a list of Values, or one Value for one output."""
        signals = as_inputs(x, len(self.layers[0].neurons[0].w))
        for layer in self.layers:
            signals = layer.forward(signals)
        return signals[0] if len(signals) == 1 else signals

    def parameters(self) -> list[Value]:
        """List the parameters of one layer after another; a layer that is there twice counts once."""
        return list(dict.fromkeys(parameter for layer in self.layers for parameter in layer.parameters()))

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


def layers_of(model: Any) -> list[Layer]:
    """See a neuron, a layer and an MLP as one thing: list the layers, which share the model's parameters."""
    if isinstance(model, MLP):
        return model.layers
    if isinstance(model, Layer):
        return [model]
    if isinstance(model, Neuron):
        layer = Layer(len(model.w), 1, activation=model.activation, init="zeros")
        layer.neurons = [model]
        return [layer]
    raise TypeError(
        f"expected layers one after another, an MLP, a Layer or a Neuron, not {describe(model)}; "
        "autograd_mini.draw and autograd_mini.explain show any graph node by node"
    )
