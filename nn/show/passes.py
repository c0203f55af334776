"""What the two passes of one example through a network computed, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerExplanation:
    """One layer's part of a `NetworkExplanation`; arrays are read-only.

    Equations are cited by their numbers in From Logistic Regression to Neural Network.

    Attributes
    ----------
    activation : str
        The title of the activation h, such as `"Sigmoid"`.
    names, input_names : tuple of str
        The names of the units, and of their inputs.
    weight_names : tuple of tuple of str
        The names of the weights, a tuple for each unit.
    bias_names : tuple of str
        The names of the biases; empty if there are none.
    inputs : array of shape (inputs,)
        The y_i of the layer before, or the example itself.
    weight : array of shape (units, inputs)
    bias : array of shape (units,) or None
    z, y : array of shape (units,)
        The weighted sums, and the outputs y = h(z).
    slope : array of shape (units,), or (units, units) for softmax
        h'(z); for softmax dy_k/dz_j at [k, j].
    slope_formula : str
    output_grad : array of shape (units,)
        dE/dy: for the last layer the derivatives of the loss; for any other the sums of w * delta over the next
        layer's units (equation 7).
    delta : array of shape (units,)
        dE/dz, which is h'(z) * dE/dy (equations 10 and 11).
    weight_grad : array of shape (units, inputs)
        dE/dw, which is y_i * delta_j (equation 8).
    bias_grad : array of shape (units,) or None
        dE/db, which is delta: a bias is the weight of an input 1 (Neural Networks, chapter 1, section 1.2).
    """

    activation: str
    names: tuple[str, ...]
    input_names: tuple[str, ...]
    weight_names: tuple[tuple[str, ...], ...]
    bias_names: tuple[str, ...]
    inputs: Array
    weight: Array
    bias: Array | None
    z: Array
    y: Array
    slope: Array
    slope_formula: str
    output_grad: Array
    delta: Array
    weight_grad: Array
    bias_grad: Array | None

    def __post_init__(self) -> None:
        for field in vars(self).values():
            if isinstance(field, np.ndarray):
                field.flags.writeable = False


@dataclass(frozen=True, eq=False, repr=False)
class Passes:
    """The forward and the backward pass, and if there is a learning rate the passes after the step that follows."""

    layers: tuple[LayerExplanation, ...]
    target: Any
    loss: str
    loss_slope_formula: str
    error: float
    canonical_delta: Array | None
    limit: int
    lr: float | None = None
    after: Passes | None = None
