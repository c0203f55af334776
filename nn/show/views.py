"""A neuron, a layer and an MLP seen as one thing: layers one after another."""

from __future__ import annotations

from typing import Any

from autograd_mini.engine.checks import describe
from nn.layer import Layer
from nn.mlp import MLP
from nn.neuron import Neuron


def layers_of(model: Any) -> list[Layer]:
    """List the layers of a model; they share its parameters.

    Parameters
    ----------
    model : MLP, Layer or Neuron
        A neuron counts as a layer of one unit.

    Returns
    -------
    list of Layer

    Raises
    ------
    TypeError
        If `model` is something else.

    Examples
    --------
    >>> neuron = Neuron(2)
    >>> [layer] = layers_of(neuron)
    >>> layer.neurons[0] is neuron
    True
    """
    if isinstance(model, MLP):
        return model.layers
    if isinstance(model, Layer):
        return [model]
    if isinstance(model, Neuron):
        layer = Layer(len(model.w), 1, activation=model.activation, init="zeros")
        layer.neurons = [model]
        return [layer]
    raise TypeError(f"expected an MLP, a Layer or a Neuron, not {describe(model)}")
