"""Saving and loading models: safetensors files in PyTorch's layout.

A file holds the tensors of the `torch.nn.Sequential` that has the same layers. JSON beside them names the kind of
model and its activations, which the tensors don't tell.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import identity, softmax
from autograd_mini.engine.checks import describe
from autograd_mini.engine.files import write_file
from nn.activations import Activation, activation_function, describe_activation
from nn.checks import finite_array, is_finite
from nn.layer import Layer
from nn.mlp import MLP, layers_of
from nn.module import Module
from nn.neuron import Neuron

Arrays = dict[str, NDArray[np.float64]]
Tensors = tuple[NDArray[np.float64], NDArray[np.float64] | None]  # a layer's weight, and its bias

_METADATA = "autograd_mini.nn"  # the key of the architecture in the file's metadata
_VERSION = 1
_FLOATS = ("F64", "F32", "F16")


def save(model: Module, path: str | os.PathLike[str]) -> None:
    """Write a model's parameters and architecture to a safetensors file.

    The tensors are those of the `torch.nn.Sequential` with the same layers, in float64: each layer
    is a `Linear`, followed by its activation unless that is the identity. So
    `MLP(2, [16, 16, 1])` makes `0.weight`, `0.bias`, `2.weight`, `2.bias`, `4.weight`, `4.bias`,
    which `sequential.load_state_dict(safetensors.torch.load_file(path))` reads as they are. A lone
    layer or neuron is a `Sequential` too; any other module is saved under the names of its
    `state_dict`.

    An existing file is replaced once the new one is complete, not before: whatever interrupts the writing, the old one
    stays whole.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from nn import MLP
    >>> model = MLP(2, [3, 1], activation="tanh")
    >>> with TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/xor.safetensors")
    ...     again = load(f"{folder}/xor.safetensors")
    >>> again
    MLP of [Layer of [TanhNeuron(2), TanhNeuron(2), TanhNeuron(2)], Layer of [LinearNeuron(3)]]
    >>> again([1.0, 0.0]).data == model([1.0, 0.0]).data
    True
    """
    safetensors = _safetensors()
    if not isinstance(model, Module):
        raise TypeError(f"save needs a Module, such as an MLP, not {describe(model)}")
    arrays = {name: finite_array(array, name) for name, array in _named_arrays(model).items()}
    if not arrays:
        raise ValueError(f"this {type(model).__name__} has no parameters to save")
    architecture = {"version": _VERSION, "model": type(model).__name__, "activations": _describe_activations(model)}
    write_file(Path(path), safetensors.numpy.save(arrays, {_METADATA: json.dumps(architecture)}))


def load(path: str | os.PathLike[str]) -> Any:
    """Make the model that was saved to a file: an MLP, a Layer or a Neuron.

    Raises
    ------
    ValueError
        If the file is truncated, damaged or no safetensors file; or if it does not describe a model that can be made
        anew. `load_into` reads files of such models: of PyTorch, of a class of your own, of one with shared parameters
        or an activation that has no name in `nn.ACTIVATIONS` (`functools.partial` of one that has a name is fine).
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from nn import Neuron
    >>> with TemporaryDirectory() as folder:
    ...     save(Neuron(3, activation="sigmoid"), f"{folder}/unit.safetensors")
    ...     load(f"{folder}/unit.safetensors")
    SigmoidNeuron(3)
    """
    try:
        return _rebuild(*_read(path))
    except ValueError as error:
        raise ValueError(f"can't load {os.fspath(path)!r}: {error}") from error


def load_into(model: Module, path: str | os.PathLike[str]) -> None:
    """Set the parameters of a model from a file; on any error none is changed.

    The file may come from `save`, or from PyTorch: its linear layers are taken in their order, whatever
    modules without parameters stand between them, and float32 and float16 become float64.

    Raises
    ------
    ValueError
        If the file is truncated, damaged or no safetensors file; if the number, names or shapes of its tensors don't
        fit the model; if one contains nan, inf or no floats; or if it was saved with other activations.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from nn import Layer
    >>> layer, other = Layer(3, 2), Layer(3, 2)
    >>> with TemporaryDirectory() as folder:
    ...     save(layer, f"{folder}/layer.safetensors")
    ...     load_into(other, f"{folder}/layer.safetensors")
    >>> bool((other.weight == layer.weight).all())
    True
    """
    if not isinstance(model, Module):
        raise TypeError(f"load_into needs a Module, such as an MLP, not {describe(model)}")
    try:
        _assign(model, *_read(path))
    except ValueError as error:
        raise ValueError(f"can't load {os.fspath(path)!r} into this {type(model).__name__}: {error}") from error


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise ImportError("saving and loading need safetensors: pip install 'autograd_mini[train]'") from None
    return safetensors


# Tensors and models.


def _is_sequential(model: Module) -> bool:
    """Tell the models whose layers are all there is to them; a subclass may have parameters besides."""
    return type(model) in (MLP, Layer, Neuron) and all(
        type(layer) is Layer and all(type(neuron) is Neuron for neuron in layer.neurons) for layer in layers_of(model)
    )


def _named_arrays(model: Module) -> Arrays:
    if not _is_sequential(model):
        return model.state_dict()
    arrays: Arrays = {}
    index = 0
    for layer in layers_of(model):
        arrays |= {f"{index}.{name}": array for name, array in layer.state_dict().items()}
        index += 1 if layer.activation is identity else 2
    return arrays


def _by_layer(arrays: Arrays) -> list[Tensors]:
    """Sort the tensors of a `Sequential` by their place in it; check that each belongs to a `Linear`."""
    for name in arrays:
        if not re.fullmatch(r"(0|[1-9][0-9]{0,8})\.(weight|bias)", name):
            raise ValueError(f"unexpected tensor {name!r}: a Sequential of Linears has 0.weight, 0.bias, …")
    layers = []
    for place in sorted({int(name.partition(".")[0]) for name in arrays}):
        weight, bias = arrays.get(f"{place}.weight"), arrays.get(f"{place}.bias")
        if weight is None:
            raise ValueError(f"there is a {place}.bias, but no {place}.weight")
        if weight.ndim != 2 or 0 in weight.shape:
            raise ValueError(f"{place}.weight must have the shape (nout, nin), but has {weight.shape}")
        if bias is not None and bias.shape != weight.shape[:1]:
            raise ValueError(f"{place}.bias must have the shape {weight.shape[:1]}, but has {bias.shape}")
        layers.append((weight, bias))
    return layers


def _outline(layers: Sequence[Tensors]) -> str:
    """Write the shapes of layers: `"3x2, 1x3 without bias"`."""
    return ", ".join(
        "x".join(map(str, weight.shape)) + (" without bias" if bias is None else "") for weight, bias in layers
    )


def _assign(model: Module, arrays: Arrays, architecture: Mapping[str, Any] | None) -> None:
    if not _is_sequential(model):
        try:
            return model.load_state_dict(arrays)
        except KeyError as error:
            raise ValueError(error.args[0]) from None
    layers = layers_of(model)
    found, wanted = _by_layer(arrays), [(layer.weight, layer.bias) for layer in layers]
    if _outline(found) != _outline(wanted):
        raise ValueError(f"the file holds {_outline(found)}, but the model has {_outline(wanted)}")
    theirs = None if architecture is None else architecture["activations"]
    for i, (our, their) in enumerate(zip(_describe_activations(model) or [], theirs or [])):
        if our != their:
            raise ValueError(f"layer {i} was saved with the activation {their!r}, but the model has {our!r}")
    for layer, (weight, bias) in zip(layers, found):
        _fill(layer, weight, bias)


def _rebuild(arrays: Arrays, architecture: Mapping[str, Any] | None) -> Module:
    if architecture is None:
        raise ValueError(
            "it holds tensors alone, without the architecture that save() adds; "
            "make a model of the same shape and call load_into(model, path)"
        )
    kind, activations = architecture["model"], architecture["activations"]
    if activations is None:
        raise ValueError(
            f"it was saved from a {kind} that is a class of its own, shares parameters, or has an activation without "
            "a name in nn.ACTIVATIONS; make the model as it was made then, and call load_into(model, path)"
        )
    tensors = _by_layer(arrays)
    if len(tensors) != len(activations):
        raise ValueError(f"it has {len(tensors)} layers, but {len(activations)} activations")
    layers = []
    for (weight, bias), described in zip(tensors, activations):
        nout, nin = weight.shape
        layer = Layer(nin, nout, activation=_activation_from(described), bias=bias is not None, init="zeros")
        layers.append(_fill(layer, weight, bias))
    match kind, MLP.from_layers(layers), layers:
        case "MLP", network, _:
            return network
        case "Layer", _, [layer]:
            return layer
        case "Neuron", _, [Layer(neurons=[neuron])]:
            return neuron
    raise ValueError(f"its tensors, {_outline(tensors)}, are not those of a {kind}")


def _fill(layer: Layer, weight: NDArray[np.float64], bias: NDArray[np.float64] | None) -> Layer:
    layer.weight = weight
    if bias is not None:
        layer.bias = bias
    return layer


# Activations and their descriptions.


def _describe_activations(model: Module) -> list[Any] | None:
    """Describe each layer's activation; give None where `load` could not make the same model of the descriptions."""
    if not _is_sequential(model):
        return None
    layers = layers_of(model)
    described = [_describe_activation(layer.activation) for layer in layers]
    shared = len(model.parameters()) < sum(array.size for array in _named_arrays(model).values())
    uniform = all(
        neuron.activation is (identity if layer.activation is softmax else layer.activation)
        for layer in layers
        for neuron in layer.neurons
    )
    return None if None in described or shared or not uniform else described


def _describe_activation(activation: Activation) -> Any:
    """Describe an activation: its name, or name and parameters; None without a name."""
    described = describe_activation(activation)
    return list(described) if described and described[1] else described and described[0]


def _activation_from(description: Any) -> Activation:
    """Find the activation that a file describes; it may describe anything."""
    match description:
        case str(name):
            return activation_function(name)
        case [str(name), dict(parameters)] if all(map(is_finite, parameters.values())):
            activation = partial(activation_function(name), **parameters)
            try:
                activation(0.5)
            except TypeError:
                raise ValueError(f"{name} does not take the parameters {describe(parameters)}") from None
            return activation
    raise ValueError(f"expected the name of an activation, but found {describe(description)}")


# Files.


def _read(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, Any] | None]:
    """Read tensors and architecture; refuse a tensor that can't hold parameters."""
    safetensors = _safetensors()
    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {os.fspath(path)!r}")
    arrays: Arrays = {}
    try:
        with safetensors.safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118  (no mapping, in spite of its keys)
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _FLOATS:
                    raise ValueError(f"{name} has the type {dtype}; expected floats: {', '.join(_FLOATS)}")
                arrays[name] = finite_array(file.get_tensor(name), name)
            return arrays, _architecture(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise ValueError(f"it is truncated, damaged or no safetensors file: {error}") from error


def _architecture(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """Read the JSON that `save` has written beside the tensors; None if the file is another program's."""
    if _METADATA not in metadata:
        return None
    try:
        architecture = json.loads(metadata[_METADATA])
    except (ValueError, RecursionError):
        architecture = None
    match architecture:
        case {"version": int(version)} if version != _VERSION:
            raise ValueError(f"it has version {version} of the format, and this package reads version {_VERSION}")
        case {"version": int(), "model": str(), "activations": list() | None}:
            return dict(architecture)
    raise ValueError("its description of the architecture is damaged")
