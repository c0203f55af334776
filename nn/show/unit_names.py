"""The names of a network's inputs, units, weights and biases, in texts and pictures.

A weight from the unit i of one layer to the unit j of the next is w_ij (From Logistic Regression to Neural Network,
equation 7), and the layer stands above it (Neural Networks, chapter 1, section 1.5): w₁₂⁽¹⁾.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from autograd_mini import Scalar, Value, identity, softmax
from autograd_mini.show.format import superscript
from autograd_mini.show.names import NAMERS
from nn.activations import ACTIVATIONS, Activation
from nn.checks import name_in
from nn.layer import Layer
from nn.mlp import MLP, layers_of
from nn.module import Module, all_parts, living_modules, own_parts, parts_of
from nn.neuron import Neuron

_LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def subscript(*places: int) -> str:
    """Write places as one subscript, with commas where a place has two digits: `₁₂`, `₁,₁₂`."""
    comma = "," if max(places) > 9 else ""
    return comma.join(str(place).translate(_LOW) for place in places)


def unit_names(layers: Sequence[Layer]) -> list[tuple[str, ...]]:
    """Name the inputs, and the units of each layer; the units of hidden layers say which layer they are in.

    Examples
    --------
    >>> from nn import MLP
    >>> unit_names(MLP(2, [2, 1]).layers)
    [('x₁', 'x₂'), ('h₁⁽¹⁾', 'h₂⁽¹⁾'), ('y',)]
    >>> unit_names(MLP(1, [1, 2]).layers)
    [('x₁',), ('h₁⁽¹⁾',), ('y₁', 'y₂')]
    """
    sizes = [len(layers[0].neurons[0].w), *(len(layer.neurons) for layer in layers)]
    last = len(layers)
    names = [tuple(f"x{subscript(k + 1)}" for k in range(sizes[0]))]
    for i in range(1, last):
        names.append(tuple(f"h{subscript(k + 1)}{superscript(i)}" for k in range(sizes[i])))
    return [*names, ("y",) if sizes[last] == 1 else tuple(f"y{subscript(k + 1)}" for k in range(sizes[last]))]


def weight_name(layers: Sequence[Layer], layer: int, head: int, tail: int | None) -> str:
    """Name a weight of a unit, by the places of layer, unit and input, counted from 0; a bias has no input.

    Examples
    --------
    >>> from nn import MLP
    >>> layers = MLP(2, [2, 1]).layers
    >>> weight_name(layers, 0, 1, 0), weight_name(layers, 1, 0, None)
    ('w₁₂⁽¹⁾', 'b₁⁽²⁾')
    """
    above = superscript(layer + 1) if len(layers) > 1 else ""
    if len(layers) == 1 and len(layers[0].neurons) == 1:
        return "b" if tail is None else f"w{subscript(tail + 1)}"
    return f"b{subscript(head + 1)}{above}" if tail is None else f"w{subscript(tail + 1, head + 1)}{above}"


def names_in_graph(order: Sequence[Value]) -> dict[Value, str]:
    """Name the nodes of a graph that belong to living models: parameters, inputs, weighted sums and outputs.

    Where several models share parameters, the model whose parameters are all in the graph comes first, and of two such
    models the larger one.

    Examples
    --------
    >>> from autograd_mini import topological_order
    >>> from nn import Neuron
    >>> unit = Neuron(2)
    >>> list(names_in_graph(topological_order(unit([1.0, 2.0]))).values())
    ['w₁', 'w₂', 'b', 'x₁', 'x₂', 'z', 'y']
    """
    leaves = {node for node in order if node.is_leaf}
    owners: list[tuple[float, int, dict[Value, str]]] = []
    for module in _whole_models(leaves):
        try:
            own = dict(_parameter_names(module))
            found = {parameter: name for parameter, name in own.items() if parameter in leaves}
            units = _unit_names(module, order)
        except Exception:  # half made, or taken apart: no reason to show no other graph
            continue
        if found:
            owners.append((len(found) / len(own), len(found), found | units))
    names: dict[Value, str] = {}
    for _, _, found in sorted(owners, key=lambda owner: owner[:2], reverse=True):
        names = found | names
    return names


NAMERS.append(names_in_graph)


def _whole_models(leaves: Set[Value]) -> Iterator[Module]:
    """Give the living modules that are no part of another one and have a parameter among the leaves; none is traced."""
    modules = living_modules()
    parts = {id(part) for module in modules for part in own_parts(module) if isinstance(part, Module)}
    for module in modules:
        if id(module) not in parts:
            values = [part for part in all_parts(module) if isinstance(part, Scalar)]
            if all(type(value) is Value for value in values) and not leaves.isdisjoint(values):
                yield module


def _networks_in(thing: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Give the networks among the parts of a module, and its parameters outside of them, each with its path."""
    if isinstance(thing, (MLP, Layer, Neuron, Value)):
        yield path, thing
        return
    for name, part in parts_of(thing):
        yield from _networks_in(part, f"{path}.{name}" if path else str(name))


def _parameter_names(module: Module) -> Iterator[tuple[Value, str]]:
    for place, part in _networks_in(module, ""):
        if isinstance(part, Value):
            yield part, place
            continue
        layers, prefix = layers_of(part), f"{place}." if place else ""
        for i, layer in enumerate(layers):
            for j, neuron in enumerate(layer.neurons):
                for k, weight in enumerate(neuron.w):
                    yield weight, prefix + weight_name(layers, i, j, k)
                if neuron.b is not None:
                    yield neuron.b, prefix + weight_name(layers, i, j, None)


def _unit_names(module: Module, order: Sequence[Value]) -> dict[Value, str]:
    """Name inputs, weighted sums and outputs of the networks in a module, wherever the graph has them."""
    names: dict[Value, str] = {}
    for place, part in _networks_in(module, ""):
        if isinstance(part, Value):
            continue
        layers, prefix = layers_of(part), f"{place}." if place else ""
        columns = unit_names(layers)
        units = {unit.w[0]: (i, j, unit) for i, layer in enumerate(layers) for j, unit in enumerate(layer.neurons)}
        sums: dict[Value, tuple[int, int]] = {}
        for node in order:
            operands = node.operands
            i, j, unit = units.get(operands[0], (0, 0, None)) if operands else (0, 0, None)
            if unit is None or len(operands) < 2 * len(unit.w) or not all(a is b for a, b in zip(operands, unit.w)):
                continue
            sums[node] = i, j
            for x, name in zip(operands[len(unit.w) : 2 * len(unit.w)], columns[i]):
                names[x] = prefix + name
            if layers[i].activation is identity:
                names[node] = prefix + columns[i + 1][j]
            else:
                names[node] = prefix + columns[i + 1][j].replace(columns[i + 1][j][0], "z", 1)
        names |= {node: prefix + columns[-1][j] for node, j in _outputs(layers, sums, order)}
    return names


def _outputs(
    layers: Sequence[Layer], sums: Mapping[Value, tuple[int, int]], order: Sequence[Value]
) -> Iterator[tuple[Value, int]]:
    """Find the outputs of the last layer, which no further layer takes, by the operation of its activation."""
    activation, last = layers[-1].activation, len(layers) - 1
    operation = _operation_of(activation)
    for node in order:
        if node.op is None or node.op is not operation:
            continue
        below = node.operands[0]
        while activation is softmax and below not in sums and below.operands:
            below = below.operands[0]  # quotient, power, distance to the largest
        i, j = sums.get(below, (-1, -1))
        if i == last:
            yield node, j


def _operation_of(activation: Activation) -> Any:
    """Give the operation that an activation ends in, or None if it takes several or is a user's own."""
    if activation is softmax:
        return softmax([Value(0.0), Value(0.0)])[0].op
    if not name_in(ACTIVATIONS, getattr(activation, "func", activation)):  # a partial's function
        return None  # a user's function is not called behind the user's back
    x = Value(0.0)
    result = activation(x)
    return result.op if result.operands and result.operands[0] is x else None
