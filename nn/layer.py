"""Layer: neurons side by side on the same inputs, activation(W x + b)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value, identity, softmax
from autograd_mini.engine.checks import check_count
from nn.activations import Activation, activation_title
from nn.checks import as_inputs, finite_array
from nn.initializers import Draw, random_generator, weight_initializer
from nn.module import Module, read_numbers, write_numbers
from nn.neuron import Neuron, unit_activation


class Layer(Module):
    """A fully connected layer, h = activation(W x + b) (Neural Networks, chapter 1, eq. 1.1).

    Parameters
    ----------
    nin, nout : int
        The number of inputs and of units.
    nonlin, activation, bias, init, seed
        As for `Neuron`; besides, `activation` may be `"softmax"`, over all units.

    Attributes
    ----------
    neurons : list of Neuron
    activation : callable

    Examples
    --------
    >>> layer = Layer(3, 2, activation="softmax", init="zeros")
    >>> [p.data for p in layer([1.0, 2.0, 3.0])]
    [0.5, 0.5]
    """

    neurons: list[Neuron]
    activation: Activation

    def __init__(
        self,
        nin: int,
        nout: int,
        nonlin: bool = True,
        *,
        activation: str | Activation | None = None,
        bias: bool = True,
        init: str | Draw = "uniform",
        seed: int | random.Random | None = None,
    ) -> None:
        nin, nout = check_count(nin, "nin"), check_count(nout, "nout")
        self.activation = unit_activation(nonlin, activation)
        if self.activation is softmax and nout == 1:
            raise ValueError("the softmax of a single unit is always 1; use activation='sigmoid' for one probability")
        of_unit = identity if self.activation is softmax else self.activation
        draw = weight_initializer(init, nin, nout)
        generator = random_generator(seed)
        self.neurons = [Neuron(nin, activation=of_unit, bias=bias, init=draw, seed=generator) for _ in range(nout)]

    @classmethod
    def from_matrix(cls, matrix: Any, *, activation: str | Activation | None = None, bias: bool = True) -> Self:
        """Make a layer from a matrix of its weights and biases (Neural Networks, chapter 1, section 1.2).

        The matrix has a row for each unit, and the shape (nout, nin + 1); its last column is the bias. With
        `bias=False` all columns are weights, and the shape is (nout, nin).

        Examples
        --------
        The hidden layer of section 1.4:

        >>> layer = Layer.from_matrix([[3, 4, 2], [2, 3, 4]])
        >>> [h.data for h in layer([1, 0])]
        [5.0, 6.0]
        """
        numbers = finite_array(matrix, "matrix")
        nout, nin = (numbers.shape[0], numbers.shape[1] - bias) if numbers.ndim == 2 else (0, 0)
        if nout < 1 or nin < 1:
            columns = "the weights, then the bias" if bias else "the weights"
            raise ValueError(f"matrix must have a row for each unit, {columns}, but has the shape {numbers.shape}")
        layer = cls(nin, nout, activation=activation, bias=bias, init="zeros")
        layer.weight = numbers[:, :nin]
        if bias:
            layer.bias = numbers[:, nin]
        return layer

    @property
    def weight(self) -> NDArray[np.float64]:
        """The matrix W, shape (nout, nin): a read-only copy; assign a whole matrix to change the weights."""
        return _read_only(next(self._arrays())[1])

    @weight.setter
    def weight(self, matrix: Any) -> None:
        values = next(self._arrays())[1]
        write_numbers(values, finite_array(matrix, "weight", values.shape))

    @property
    def bias(self) -> NDArray[np.float64] | None:
        """The vector b, shape (nout,): a read-only copy; None for a layer without."""
        values = dict(self._arrays()).get("bias")
        return None if values is None else _read_only(values)

    @bias.setter
    def bias(self, vector: Any) -> None:
        values = dict(self._arrays()).get("bias")
        if values is None:
            raise ValueError("this layer was made with bias=False, so it has no bias to set")
        write_numbers(values, finite_array(vector, "bias", values.shape))

    def __call__(self, x: Any) -> Any:
        """Compute the outputs for one example, as `Neuron` does: a list of Values, or a Value if there is one unit."""
        outputs = self.forward(as_inputs(x, len(self.neurons[0].w)))
        return outputs[0] if len(outputs) == 1 else outputs

    def forward(self, inputs: list[Any]) -> list[Any]:
        """Compute the outputs, always a list, for inputs that are Values already."""
        outputs = [neuron.forward(inputs) for neuron in self.neurons]
        return softmax(outputs) if self.activation is softmax else outputs

    def parameters(self) -> list[Value]:
        """List each neuron's weights and bias, one neuron after another."""
        return [parameter for neuron in self.neurons for parameter in neuron.parameters()]

    def _arrays(self, prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
        yield prefix + "weight", np.array([neuron.w for neuron in self.neurons], dtype=object)
        biases = [neuron.b for neuron in self.neurons]
        without = [i for i, bias in enumerate(biases) if bias is None]
        if without and len(without) < len(biases):
            raise ValueError(
                f"neuron {without[0]} of this layer has no bias, and others have one, so the biases are no vector; "
                "give each neuron one, which may be Value(0.0), or none"
            )
        if not without:
            yield prefix + "bias", np.array(biases, dtype=object)

    def __repr__(self) -> str:
        prefix = f"{activation_title(softmax)} " if self.activation is softmax else ""
        return f"{prefix}Layer of [{', '.join(map(str, self.neurons))}]"


def _read_only(values: NDArray[Any]) -> NDArray[np.float64]:
    """Copy numbers into an array that refuses `weight[0, 0] = ...`, which would change no weight."""
    array = read_numbers(values)
    array.flags.writeable = False
    return array
