"""What other libraries need to know of a model; knows none of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd_mini import identity, softmax
from autograd_mini.engine.checks import describe
from nn.activations import activation_title, describe_activation
from nn.checks import finite_array
from nn.layer import Layer
from nn.mlp import MLP, layers_of
from nn.module import Module
from nn.neuron import Neuron


class Linear(NamedTuple):
    """A layer: activation(weight x + bias)."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64] | None
    activation: str  # its name in ACTIVATIONS
    parameters: dict[str, float]  # of the activation


def linear_layers(model: Any, purpose: str) -> list[Linear]:
    """List the layers of a network; a model or an activation that others have no word for is an error.

    The purpose says in errors what can't be done.
    """
    if type(model) not in (MLP, Layer, Neuron):
        if not isinstance(model, Module):
            raise TypeError(f"{purpose} needs an MLP, a Layer, a Neuron or an Embedding, not {describe(model)}")
        raise TypeError(
            f"{purpose} knows what an MLP, a Layer, a Neuron and an Embedding compute, but not what the "
            f"{type(model).__name__} does: hand its parts over one by one"
        )
    return [_described(layer, i, purpose) for i, layer in enumerate(layers_of(model))]


def _described(layer: Layer, i: int, purpose: str) -> Linear:
    if type(layer) is not Layer:
        raise TypeError(f"{purpose} knows what a Layer computes, but layer {i} is a {type(layer).__name__}")
    of_unit = identity if layer.activation is softmax else layer.activation
    for j, neuron in enumerate(layer.neurons):
        if type(neuron) is not Neuron or neuron.activation is not of_unit:
            raise ValueError(f"{purpose} needs layers of equal units, but unit {j} of layer {i} is {neuron!r}")
    described = describe_activation(layer.activation)
    if described is None:
        raise ValueError(
            f"{purpose} knows the activations in nn.ACTIVATIONS alone, but layer {i} has "
            f"{activation_title(layer.activation)}"
        )
    weight = finite_array(layer.weight, f"the weight of layer {i}")
    bias = None if layer.bias is None else finite_array(layer.bias, f"the bias of layer {i}")
    return Linear(weight, bias, *described)
