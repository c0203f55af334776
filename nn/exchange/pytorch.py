"""Models from and for PyTorch: `torch.nn.Sequential` of linear layers and activations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import identity
from autograd_mini.engine.checks import describe
from nn.activations import ACTIVATIONS, Activation
from nn.checks import finite_array
from nn.embedding import Embedding
from nn.exchange.layers import linear_layers
from nn.layer import Layer
from nn.mlp import MLP
from nn.module import Module

# Each activation's class in torch.nn, what its parameters are called there, and how others must be set.
_CLASSES: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}, {}),
    "tanh": ("Tanh", {}, {}),
    "relu": ("ReLU", {}, {}),
    "leaky_relu": ("LeakyReLU", {"slope": "negative_slope"}, {}),
    "softplus": ("Softplus", {}, {"beta": 1.0, "threshold": 40.0}),  # beyond 40, x is the nearest double
    "elu": ("ELU", {"a": "alpha"}, {}),
    "softmax": ("Softmax", {}, {"dim": -1}),
    "silu": ("SiLU", {}, {}),
    "gelu": ("GELU", {}, {"approximate": "none"}),
}

# What else a setting may be for the same activation, or nearly so.
_ALIKE: dict[str, Any] = {"dim": (-1, 1, None), "threshold": (20.0, 40.0)}


def to_torch(model: Module) -> Any:
    """Make the `torch.nn.Sequential` that computes what a model does, in float64: for one example or a batch of rows.

    A layer becomes a `Linear`, and its activation a module of its own, unless it is the identity; an `Embedding`
    becomes a `torch.nn.Embedding`. The parameters are copies, equal bit for bit; `.float()` of the result makes them
    float32. A model with one output gives a Value here, and a row of one number there.

    Parameters
    ----------
    model : MLP, Layer, Neuron or Embedding

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    TypeError, ValueError
        If the model is of a class of its own, an activation is not in `nn.ACTIVATIONS`, or layers share parameters.

    Examples
    --------
    >>> from nn import MLP
    >>> to_torch(MLP(2, [3, 1], activation="tanh"))  # doctest: +SKIP
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): Tanh()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """
    torch = _torch("to_torch")
    if type(model) is Embedding:
        vectors = _parameter(torch, finite_array(model.weight, "weight"))
        return torch.nn.Sequential(torch.nn.Embedding(*vectors.shape, _weight=vectors))
    layers = linear_layers(model, "to_torch")
    if len(model.parameters()) < sum(
        layer.weight.size + (layer.bias is not None) * len(layer.weight) for layer in layers
    ):
        raise ValueError("to_torch copies parameters, so none may serve two layers or units; this model shares some")
    modules = []
    for layer in layers:
        nout, nin = layer.weight.shape
        linear = torch.nn.Linear(nin, nout, bias=layer.bias is not None, device="meta")  # draws no random numbers
        linear.weight = _parameter(torch, layer.weight)
        if layer.bias is not None:
            linear.bias = _parameter(torch, layer.bias)
        modules.append(linear)
        if layer.activation != "identity":
            name, renamed, settings = _CLASSES[layer.activation]
            parameters = {renamed[key]: number for key, number in layer.parameters.items()}
            modules.append(getattr(torch.nn, name)(**parameters, **settings))
    return torch.nn.Sequential(*modules)


def from_torch(sequential: Any) -> Any:
    """Make the model that computes what a `torch.nn.Sequential` does, with copies of its parameters.

    It may consist of `Linear` layers, each followed by an activation or none, or be one `Embedding`. `Identity` and,
    after `eval()`, `Dropout` are left out. Floats of all sizes become float64.

    Parameters
    ----------
    sequential : torch.nn.Sequential

    Returns
    -------
    MLP or Embedding

    Raises
    ------
    TypeError, ValueError
        If there is a module that no model here has, with its place: a convolution, a normalisation, `Dropout` that is
        training, `GELU(approximate="tanh")`. If the Sequential has a `forward` of its own, hooks, complex
        parameters, or parameters on the device meta.

    Notes
    -----
    `torch.nn.Softplus` gives x itself beyond its `threshold`, which is 20 unless another one was given: there it is
    off by up to 2e-9, and this model is not.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> from_torch(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()))  # doctest: +SKIP
    MLP of [Layer of [ReLUNeuron(3), ReLUNeuron(3)]]
    """
    torch = _torch("from_torch")
    if not isinstance(sequential, torch.nn.Sequential):
        raise TypeError(f"from_torch needs a torch.nn.Sequential, not {describe(sequential)}")
    if type(sequential).forward is not torch.nn.Sequential.forward:
        raise TypeError(f"from_torch can't know what the forward of {type(sequential).__name__} computes")
    if any(module._forward_hooks or module._forward_pre_hooks for module in sequential.modules()):
        raise ValueError("from_torch can't take over hooks, as of weight_norm and prune; remove them first")
    if any(parameter.is_complex() for parameter in sequential.parameters()):
        raise TypeError("from_torch takes real parameters, and this Sequential has complex ones")
    for name, parameter in sequential.named_parameters():
        if parameter.is_meta:
            module = name.rpartition(".")[0]
            raise ValueError(
                f"module {module} is on the device meta and has no numbers: load some, then call from_torch"
            )
    modules = list(_modules(torch, sequential))
    if len(modules) == 1 and type(modules[0][1]) is torch.nn.Embedding:
        return _embedding(*modules[0])
    layers: list[Layer] = []
    open_layer: tuple[str, Any] | None = None  # a linear layer whose activation may follow
    for path, module in [*modules, ("the end", None)]:
        is_linear = type(module) is torch.nn.Linear
        activation = identity if module is None or is_linear else _activation(torch, path, module)
        if open_layer is not None:
            layers.append(_layer(*open_layer, activation))
        elif activation is not identity:
            raise ValueError(f"module {path}, {module}, follows no Linear, and a layer here has one activation")
        open_layer = (path, module) if is_linear else None
    if not layers:
        raise ValueError("from_torch needs at least one Linear, or an Embedding, but the Sequential has none")
    parameters = [id(parameter) for _, module in modules for parameter in module.parameters()]
    if len(set(parameters)) < len(parameters):
        raise ValueError("from_torch copies parameters, so none may serve two modules; this Sequential shares some")
    return MLP.from_layers(layers)


def _torch(purpose: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(f"{purpose} needs PyTorch: pip install torch") from None
    return torch


def _parameter(torch: Any, array: NDArray[np.float64]) -> Any:
    return torch.nn.Parameter(torch.tensor(array, dtype=torch.float64))


def _modules(torch: Any, sequential: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """List the modules that compute something, with their paths; a Sequential may contain others."""
    for name, module in sequential._modules.items():  # named_children() would leave out what is there twice
        if type(module) is torch.nn.Sequential:
            yield from _modules(torch, module, f"{path}{name}.")
        elif type(module) is torch.nn.Dropout and module.training and module.p:
            raise ValueError(f"module {path}{name}, {module}, draws random numbers; call eval() before from_torch")
        elif type(module) not in (torch.nn.Identity, torch.nn.Dropout):
            yield path + name, module


def _array(parameter: Any) -> NDArray[np.float64]:
    array: NDArray[np.float64] = parameter.detach().cpu().double().numpy()
    return array


def _layer(path: str, linear: Any, activation: Activation) -> Layer:
    try:
        layer = Layer(
            linear.in_features, linear.out_features, activation=activation, bias=linear.bias is not None, init="zeros"
        )
        layer.weight = _array(linear.weight)
        if linear.bias is not None:
            layer.bias = _array(linear.bias)
    except ValueError as error:
        raise ValueError(f"module {path}, {linear}: {error}") from None
    return layer


def _embedding(path: str, module: Any) -> Embedding:
    if module.max_norm is not None:
        raise ValueError(f"module {path}, {module}, changes its vectors when it looks them up; from_torch can't")
    embedding = Embedding(module.num_embeddings, module.embedding_dim, init="zeros")
    embedding.weight = _array(module.weight)
    return embedding


def _activation(torch: Any, path: str, module: Any) -> Activation:
    """Find what an activation of PyTorch is called here."""
    for name, (title, renamed, settings) in _CLASSES.items():
        if type(module) is getattr(torch.nn, title):
            for setting, wanted in settings.items():
                given = getattr(module, setting)
                if given not in _ALIKE.get(setting, (wanted,)):
                    raise ValueError(f"module {path}, {module}: from_torch needs {setting}={wanted!r}, not {given!r}")
            usual = getattr(torch.nn, title)()
            parameters = {
                ours: float(getattr(module, theirs))
                for ours, theirs in renamed.items()
                if getattr(module, theirs) != getattr(usual, theirs)
            }
            return partial(ACTIVATIONS[name], **parameters) if parameters else ACTIVATIONS[name]
    known = ", ".join(["Linear", *[title for title, _, _ in _CLASSES.values()]])
    raise TypeError(f"module {path}, {module}, has no counterpart here; from_torch takes {known}")
