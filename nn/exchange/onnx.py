"""Models as ONNX files, which other programs run, and Netron draws."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import __version__
from autograd_mini.engine.files import write_file
from nn.checks import finite_array
from nn.embedding import Embedding
from nn.exchange.layers import Linear, linear_layers
from nn.mlp import MLP
from nn.module import Module

# The versions of ONNX's operators, and of its format: the first that have Gelu.
OPSET, FORMAT = 20, 9

# Each activation's operator in ONNX and its attributes; a parameter's place there has its name and what it usually is.
_OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": ("slope", 0.01)}),
    "softplus": ("Softplus", {}),
    "elu": ("Elu", {"alpha": ("a", 1.0)}),
    "softmax": ("Softmax", {"axis": -1}),
    "silu": ("Sigmoid", {}),  # times what it takes
    "gelu": ("Gelu", {"approximate": "none"}),
}


def export_onnx(model: Module, path: str | os.PathLike[str]) -> None:
    """Write a model as an ONNX file, in float32: for ONNX Runtime, other programs, and Netron, which draws it.

    The input `x` has the shape (batch, inputs), of a batch of any size, and the output `y` (batch, outputs). A layer is
    a `Gemm` with the parameters `layers.0.weight` and `layers.0.bias`, followed by its activation. An `Embedding` takes
    integers `x` of the shape (batch,). The file is checked before it is written, and written whole or not at all.

    Parameters
    ----------
    model : MLP, Layer, Neuron or Embedding
    path : str or path

    Raises
    ------
    TypeError, ValueError
        If the model is of a class of its own, an activation is not in `nn.ACTIVATIONS`, or a parameter is beyond
        float32.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from nn import MLP
    >>> model = MLP(2, [3, 1], activation="tanh")
    >>> with TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     export_onnx(model, f"{folder}/xor.onnx")
    ...     onnxruntime.InferenceSession(f"{folder}/xor.onnx").run(None, {"x": np.zeros((5, 2), np.float32)})
    """
    try:
        import onnx
    except ImportError:
        raise ImportError("export_onnx needs onnx: pip install 'autograd_mini[onnx]'") from None
    graph, kind = _Graph(onnx), onnx.TensorProto.INT64
    inputs: list[Any] = ["batch"]
    if type(model) is Embedding:
        table = finite_array(model.weight, "weight")
        graph.add("Gather", "lookup", graph.tensor("weight", table), "x")
        width = table.shape[1]
    else:
        layers = linear_layers(model, "export_onnx")
        for i, layer in enumerate(layers):
            graph.add_layer(layer, f"layers.{i}." if type(model) is MLP else "")
        inputs, kind = ["batch", layers[0].weight.shape[1]], onnx.TensorProto.FLOAT
        width = len(layers[-1].weight)
    written = onnx.helper.make_model(
        graph.finish(type(model).__name__, kind, inputs, width),
        producer_name="autograd_mini",
        producer_version=__version__,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=FORMAT,
    )
    onnx.checker.check_model(written, full_check=True)
    write_file(Path(path), written.SerializeToString())


class _Graph:
    """The nodes of a graph, one after another, and their tensors."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._tensors: list[Any] = []
        self._last = "x"

    def tensor(self, name: str, array: NDArray[np.float64]) -> str:
        """Add parameters, and give their name."""
        with np.errstate(over="ignore"):
            rounded = array.astype(np.float32)
        if not np.isfinite(rounded).all():
            raise ValueError(f"{name} has {array[~np.isfinite(rounded)][0]}, which is beyond float32")
        self._tensors.append(self._onnx.numpy_helper.from_array(rounded, name))
        return name

    def add(self, operator: str, name: str, *inputs: str, **attributes: Any) -> None:
        """Add a node, whose output has its name."""
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        self._last = name

    def add_layer(self, layer: Linear, path: str) -> None:
        """Add the nodes of a layer."""
        parameters = [self.tensor(f"{path}weight", layer.weight)]
        if layer.bias is not None:
            parameters.append(self.tensor(f"{path}bias", layer.bias))
        total = f"{path}sum"
        self.add("Gemm", total, self._last, *parameters, transB=1)
        if layer.activation == "identity":
            return
        operator, attributes = _OPERATORS[layer.activation]
        given = {
            key: layer.parameters.get(*value) if isinstance(value, tuple) else value
            for key, value in attributes.items()
        }
        self.add(operator, f"{path}{operator.lower()}", total, **given)
        if layer.activation == "silu":
            self.add("Mul", f"{path}silu", total, self._last)

    def finish(self, name: str, kind: int, inputs: list[Any], width: int) -> Any:
        """Give the graph, of an input and of so many outputs."""
        helper = self._onnx.helper
        self._nodes[-1].output[0] = "y"
        x = helper.make_tensor_value_info("x", kind, inputs)
        y = helper.make_tensor_value_info("y", self._onnx.TensorProto.FLOAT, ["batch", width])
        return helper.make_graph(self._nodes, name, [x], [y], self._tensors)
