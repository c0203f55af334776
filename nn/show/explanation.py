"""The delta rule made visible: every unit's delta, and the weight gradients that follow from it (S0; S3; S4).

The deltas go from layer to layer by the notes' recurrence. Of the engine only local derivatives are asked, those of
activations and of the loss: no graph of the network is built, and no `.grad` is read or changed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import (
    Value,
    dot,
    elu,
    identity,
    leaky_relu,
    no_grad,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
    value_and_grad,
)
from autograd_mini.engine.checks import check_count, describe
from nn.activations import Activation, activation_title
from nn.checks import as_array, as_inputs, as_numbers, is_row
from nn.layer import Layer
from nn.losses import (
    Loss,
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    cross_entropy,
    cross_entropy_from_logits,
    half_squared_error,
    hinge,
    loss_function,
    mean_squared_error,
)
from nn.mlp import MLP
from nn.neuron import Neuron
from nn.show.views import layers_of

Array = NDArray[np.float64]

# h'(z) as the notes write it, by means of y = h(z) where that is possible.
_SLOPES: dict[Any, str] = {
    identity: "1",
    sigmoid: "y (1 - y)",
    tanh: "1 - y²",
    relu: "1 if z > 0, else 0",
    leaky_relu: "1 if z > 0, else the slope below 0",
    elu: "1 if z ≥ 0, else y + a",
    softplus: "σ(z)",
    softmax: "∂y_k/∂z_j = y_k ([j = k] - y_j)",
}

_LOSS_SLOPES: dict[Loss, str] = {
    half_squared_error: "y - t",
    mean_squared_error: "2 (y - t)",
    binary_cross_entropy: "(y - t) / (y (1 - y))",
    binary_cross_entropy_from_logits: "σ(y) - t",
    cross_entropy: "-t / y",
    cross_entropy_from_logits: "softmax(y) - t",
    hinge: "-t if t y < 1, else 0",
}

# Where the output delta is ŷ - t (S4, equation 11.6): how the outputs y become ŷ.
_CANONICAL_LINKS: dict[tuple[Any, Loss], Callable[[list[float]], list[float]]] = {
    (identity, half_squared_error): list,
    (sigmoid, binary_cross_entropy): list,
    (identity, binary_cross_entropy_from_logits): lambda logits: [sigmoid(z) for z in logits],
    (softmax, cross_entropy): list,
    (identity, cross_entropy_from_logits): softmax,
}

_MOST_TERMS = 6  # of a sum that is written out in full

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, eq=False)
class LayerExplanation:
    """One layer's part of a `NetworkExplanation`; arrays are read-only.

    Attributes
    ----------
    activation : str
        The title of the activation h, such as `"Sigmoid"`.
    names, input_names : tuple of str
        What the units, and what they take, are called.
    inputs : array of shape (inputs,)
        The y_i of the layer before, or the example itself.
    weight : array of shape (units, inputs)
    bias : array of shape (units,) or None
    z, y : array of shape (units,)
        The weighted sums, and the outputs y = h(z).
    slope : array of shape (units,), or (units, units) for softmax
        h'(z); of softmax, whose outputs depend on all sums, the derivatives of y_k for z_j at [k, j].
    slope_formula : str
    output_grad : array of shape (units,)
        dE/dy: the loss's own derivatives for the last layer, for any other the sums of w * delta over
        the units that follow (S0, equation 7).
    delta : array of shape (units,)
        dE/dz, which is h'(z) * dE/dy (S0, equations 10 and 11).
    weight_grad : array of shape (units, inputs)
        dE/dw, which is y_i * delta_j (S0, equation 8).
    bias_grad : array of shape (units,) or None
        dE/db, which is delta: a bias is the weight of an input 1 (S2, section 1.2).
    """

    activation: str
    names: tuple[str, ...]
    input_names: tuple[str, ...]
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
class NetworkExplanation:
    """The forward and the backward pass of one example through a network; `explain_network` makes it.

    `print` shows it as text, Jupyter as tables: every number if there are not too many, else shapes
    and norms by layer.

    Attributes
    ----------
    layers : tuple of LayerExplanation
        In the order of the network.
    target : float, int or list
    loss : str
        The name of the loss.
    loss_slope_formula : str
        Its derivative dE/dy as a formula.
    error : float
        E, the loss of this example.
    canonical_delta : array or None
        ŷ - t, if the loss is the one whose canonical link gives the outputs, or takes them for logits
        (S4, equation 11.6); it then equals the last layer's delta.
    limit : int
        The most parameters for which every number is shown.
    """

    layers: tuple[LayerExplanation, ...]
    target: Any
    loss: str
    loss_slope_formula: str
    error: float
    canonical_delta: Array | None
    limit: int

    @property
    def shows_units(self) -> bool:
        """Whether there are few enough parameters to show every unit and weight."""
        parameters = [array for layer in self.layers for array in (layer.weight, layer.bias) if array is not None]
        return sum(array.size for array in parameters) <= self.limit

    def __str__(self) -> str:
        return "\n".join(_text_by_unit(self) if self.shows_units else _text_by_layer(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return _html_by_unit(self) if self.shows_units else _html_by_layer(self)


def explain_network(model: Any, x: Any, target: Any, loss: str | Loss, *, limit: int = 100) -> NetworkExplanation:
    """Explain the gradients of one example by the delta rule of the notes.

    Forward, every unit's weighted sum z and output y; backward, layer by layer from the output, its
    delta and the gradients of its weights (S0, equations 6 to 15; S3, Back propagation of delta; S4,
    equations 11.5 to 11.12). They are those that `backward()` gives from the loss of this example.

    Parameters
    ----------
    model : MLP, Layer or Neuron
    x : sequence of Value or real number
        One example.
    target : real number, or a row of them
        As the loss takes it for one example.
    loss : str or callable
        A key of `nn.LOSSES`, or a function of a batch's outputs and targets.
    limit : int, optional
        The most parameters for which every number is shown; a larger network is shown by layer.

    Returns
    -------
    NetworkExplanation

    Raises
    ------
    ValueError
        If `x` or `target` has the wrong shape, the target contains nan or inf or does not suit the
        loss, the loss is unknown, `limit` is less than 1, or the model computes something else than
        its layers one after another.
    TypeError
        If `model` is none of these, or something else than numbers stands where they should.

    Notes
    -----
    Where a layer is there twice, each place has its own share of the gradient; `backward()` adds them.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(2, activation="sigmoid").with_parameters([1.0, -1.0, 0.0])
    >>> print(explain_network(unit, [2.0, 2.0], 1, loss="half_squared_error"))
    E = 0.125 (half_squared_error) for x = (2, 2), t = 1
    <BLANKLINE>
    Forward: z_j = Σ_i w_ij y_i + b_j, y_j = h(z_j)
      layer 1, Sigmoid
        y: z = 1 · 2 + (-1) · 2 + 0 = 0, y = h(0) = 0.5
    <BLANKLINE>
    Backward: δ_j = ∂E/∂z_j
      layer 1, output deltas: δ_j = h'(z_j) · ∂E/∂y_j, h'(z) = y (1 - y), ∂E/∂y = y - t
        y: δ = 0.25 · (-0.5) = -0.125
      gradients: ∂E/∂w_ij = y_i · δ_j, ∂E/∂b_j = δ_j
        x1 → y: ∂E/∂w = 2 · (-0.125) = -0.25
        x2 → y: ∂E/∂w = 2 · (-0.125) = -0.25
        1 → y: ∂E/∂b = -0.125
    """
    layers, criterion = _stack(model), loss_function(loss)
    check_count(limit, "limit")
    example = [_float(entry) for entry in as_inputs(x, len(layers[0].neurons[0].w))]
    wanted = as_array(target if is_row(target) else [target], "target").tolist()
    wanted = wanted if is_row(target) else wanted[0]
    with no_grad():
        passes = _forward(layers, example)
        outputs = passes[-1][1]
        _check_outputs(model, example, outputs)
    error, output_grad = _loss_gradient(criterion, outputs, wanted)
    explained = _backward(layers, [example, *(y for _, y in passes)], [z for z, _ in passes], output_grad)
    return NetworkExplanation(
        layers=explained,
        target=wanted,
        loss=str(getattr(criterion, "__name__", "loss")),
        loss_slope_formula=_LOSS_SLOPES.get(criterion, "∂E/∂y"),
        error=error,
        canonical_delta=_canonical_delta(layers[-1].activation, criterion, outputs, wanted),
        limit=limit,
    )


# The two passes.


def _stack(model: Any) -> list[Layer]:
    if not isinstance(model, (MLP, Layer, Neuron)):
        raise TypeError(
            "explain_network needs layers one after another, an MLP, a Layer or a Neuron, not "
            f"{describe(model)}; autograd_mini.explain shows any graph node by node"
        )
    return layers_of(model)


def _forward(layers: Sequence[Layer], signals: list[float]) -> list[tuple[list[float], list[float]]]:
    """Compute each layer's z and y."""
    passes = []
    for layer in layers:
        z = [dot(unit.w, signals) if unit.b is None else dot(unit.w, signals, unit.b) for unit in layer.neurons]
        y = softmax(z) if layer.activation is softmax else [layer.activation(s) for s in z]
        signals = [_float(output) for output in y]
        passes.append(([_float(s) for s in z], signals))
    return passes


def _float(number: Any) -> float:
    """Read a parameter or a result; `with_parameters` may have put a number in the place of a Value."""
    return number.data if isinstance(number, Value) else float(number)


def _check_outputs(model: Any, example: list[float], outputs: list[float]) -> None:
    """Refuse a subclass that does not go through its layers in their order: another recurrence would hold for it."""
    given = as_numbers(model(example))
    if not np.array_equal(given if is_row(given) else [given], outputs, equal_nan=True):
        raise ValueError(
            f"this {type(model).__name__} computes something else than its layers one after another, {describe(given)} "
            f"where they give {outputs if is_row(given) else outputs[0]}: the delta rule does not hold for it; "
            "autograd_mini.explain shows any graph node by node"
        )


def _loss_gradient(criterion: Loss, outputs: list[float], target: Any) -> tuple[float, Array]:
    """Compute E and dE/dy."""
    if len(outputs) == 1:
        error, slope = value_and_grad(lambda y: criterion([y], [target]))(outputs[0])
        return float(error), np.array([slope])
    error, slopes = value_and_grad(lambda row: criterion([row], [target]))(outputs)
    return float(error), np.array(slopes)


def _backward(
    layers: Sequence[Layer], signals: Sequence[list[float]], sums: Sequence[list[float]], output_grad: Array
) -> tuple[LayerExplanation, ...]:
    """Go back through the layers: each delta from those of the layer that follows."""
    explained: list[LayerExplanation] = []
    with np.errstate(all="ignore"):  # inf * 0 is nan, as in the engine
        for i in reversed(range(len(layers))):
            layer, inputs = layers[i], np.array(signals[i])
            weight, bias = _parameters(layer)
            z, y = np.array(sums[i]), np.array(signals[i + 1])
            slope = _slope(layer.activation, z, y)
            delta = slope * output_grad if slope.ndim == 1 else output_grad @ slope
            explained.append(
                LayerExplanation(
                    activation=activation_title(layer.activation),
                    names=_unit_names(i + 1, layers),
                    input_names=_unit_names(i, layers),
                    inputs=inputs,
                    weight=weight,
                    bias=bias,
                    z=z,
                    y=y,
                    slope=slope,
                    slope_formula=_SLOPES.get(_bare(layer.activation), "h'(z)"),
                    output_grad=output_grad,
                    delta=delta,
                    weight_grad=np.outer(delta, inputs),
                    bias_grad=None if bias is None else delta.copy(),
                )
            )
            output_grad = delta @ weight
    return tuple(reversed(explained))


def _parameters(layer: Layer) -> tuple[Array, Array | None]:
    weight = np.array([[_float(w) for w in unit.w] for unit in layer.neurons])
    biases = [_float(unit.b) for unit in layer.neurons if unit.b is not None]
    return weight, np.array(biases) if biases else None


def _slope(activation: Activation, z: Array, y: Array) -> Array:
    """Compute h'(z)."""
    if activation is softmax:
        return np.diag(y) - np.outer(y, y)
    return np.array([value_and_grad(activation)(s)[1] for s in z.tolist()])


def _bare(activation: Activation) -> Activation:
    return activation.func if isinstance(activation, partial) else activation


def _canonical_delta(activation: Activation, criterion: Loss, outputs: list[float], target: Any) -> Array | None:
    link = _CANONICAL_LINKS.get((activation, criterion))
    if link is None:
        return None
    if is_row(target):
        wanted = np.array(target, dtype=np.float64)
    else:
        wanted = np.eye(len(outputs))[int(target)] if len(outputs) > 1 else np.array([target], dtype=np.float64)
    return np.array(link(outputs)) - wanted


def _unit_names(column: int, layers: Sequence[Layer]) -> tuple[str, ...]:
    """Name the units of a column as `draw_network` does, and of several hidden layers which one they are in."""
    if column == 0:
        return tuple(f"x{i + 1}" for i in range(len(layers[0].neurons[0].w)))
    size = len(layers[column - 1].neurons)
    if column < len(layers):
        layer = f"⁽{str(column).translate(_SUPERSCRIPTS)}⁾" if len(layers) > 2 else ""  # as S2 has it, section 1.5
        return tuple(f"h{i + 1}{layer}" for i in range(size))
    return ("y",) if size == 1 else tuple(f"y{i + 1}" for i in range(size))


# What both forms of the explanation say.

_FORWARD = "Forward: z_j = Σ_i w_ij y_i + b_j, y_j = h(z_j)"
_BACKWARD = "Backward: δ_j = ∂E/∂z_j"
_BY_LAYER = (
    "Norms by layer, from the output back: δ = h'(z) · ∂E/∂y, ∂E/∂W = δ yᵀ, and Wᵀ δ is ∂E/∂y of the layer before"
)
_LAYER_COLUMNS = ("layer", "h", "W", "‖z‖", "‖y‖", "‖δ‖", "‖∂E/∂W‖")


def _title(network: NetworkExplanation) -> str:
    x, t = network.layers[0].inputs.tolist(), network.target
    return (
        f"E = {_number(network.error)} ({network.loss}) for x = {_row(x)}, t = {_row(t) if is_row(t) else _number(t)}"
    )


def _deltas_title(network: NetworkExplanation, i: int) -> str:
    return f"layer {i}, {'output' if i == len(network.layers) else 'hidden'} deltas"


def _delta_rule(network: NetworkExplanation, i: int) -> str:
    """Write the formula of a layer's deltas; layers are counted from 1."""
    layer, is_last = network.layers[i - 1], i == len(network.layers)
    rule = f"δ_j = h'(z_j) · {'∂E/∂y_j' if is_last else 'Σ_k w_jk δ_k'}"
    if layer.slope.ndim == 2:
        rule = f"δ_j = Σ_k ∂y_k/∂z_j · {'∂E/∂y_k' if is_last else '(Σ_l w_kl δ_l)'}, {layer.slope_formula}"
    elif layer.slope_formula != "h'(z)":
        rule += f", h'(z) = {layer.slope_formula}"
    if is_last and network.loss_slope_formula != "∂E/∂y":
        rule += f", ∂E/∂y = {network.loss_slope_formula}"
    return rule


def _gradient_rule(layer: LayerExplanation) -> str:
    return "∂E/∂w_ij = y_i · δ_j" + ("" if layer.bias is None else ", ∂E/∂b_j = δ_j")


def _canonical_note(network: NetworkExplanation) -> list[str]:
    if network.canonical_delta is None:
        return []
    numbers = network.canonical_delta.tolist()
    return [f"canonical link (S4, 11.6): δ = ŷ - t = {_number(numbers[0]) if len(numbers) == 1 else _row(numbers)}"]


def _layer_rows(network: NetworkExplanation) -> list[list[str]]:
    rows = []
    for i, layer in reversed(list(enumerate(network.layers, start=1))):
        norms = [float(np.linalg.norm(numbers)) for numbers in (layer.z, layer.y, layer.delta, layer.weight_grad)]
        shape = " x ".join(map(str, layer.weight.shape))
        rows.append([str(i), layer.activation, shape, *map(_number, norms)])
    return rows


# Text.


def _text_by_unit(network: NetworkExplanation) -> list[str]:
    lines = [_title(network), "", _FORWARD]
    for i, layer in enumerate(network.layers, start=1):
        lines.append(f"  layer {i}, {layer.activation}")
        lines += [f"    {name}: {_forward_line(layer, j)}" for j, name in enumerate(layer.names)]
    lines += ["", _BACKWARD]
    for i in range(len(network.layers), 0, -1):
        layer = network.layers[i - 1]
        lines.append(f"  {_deltas_title(network, i)}: {_delta_rule(network, i)}")
        lines += [f"    {name}: {_delta_line(network, i, j)}" for j, name in enumerate(layer.names)]
        if i == len(network.layers):
            lines += [f"    {note}" for note in _canonical_note(network)]
        lines.append(f"  gradients: {_gradient_rule(layer)}")
        lines += [f"    {line}" for line in _gradient_lines(layer)]
    return lines


def _text_by_layer(network: NetworkExplanation) -> list[str]:
    rows = [list(_LAYER_COLUMNS), *_layer_rows(network)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return [_title(network), "", _BY_LAYER, *(f"  {row}".rstrip() for row in table), *_canonical_note(network)]


def _forward_line(layer: LayerExplanation, j: int) -> str:
    """Write how a unit's z and y come about."""
    z, y = _number(layer.z[j]), _number(layer.y[j])
    total = _products(layer.weight[j], layer.inputs) + ("" if layer.bias is None else f" + {_factor(layer.bias[j])}")
    return f"z = {total} = {z}, y = {f'softmax(z)_{j + 1}' if layer.slope.ndim == 2 else f'h({z})'} = {y}"


def _delta_line(network: NetworkExplanation, i: int, j: int) -> str:
    """Write how a unit's delta comes about."""
    layer = network.layers[i - 1]
    if layer.slope.ndim == 2:
        product = _products(layer.slope[:, j], layer.output_grad)
    elif i == len(network.layers):
        product = f"{_factor(layer.slope[j])} · {_factor(layer.output_grad[j])}"
    else:
        following = network.layers[i]
        product = f"{_factor(layer.slope[j])} · ({_products(following.weight[:, j], following.delta)})"
    return f"δ = {product} = {_number(layer.delta[j])}"


def _gradient_lines(layer: LayerExplanation) -> list[str]:
    """Write how the gradient of each weight and bias comes about."""
    lines = []
    for j, name in enumerate(layer.names):
        delta = layer.delta[j]
        for i, tail in enumerate(layer.input_names):
            product = f"{_factor(layer.inputs[i])} · {_factor(delta)}"
            lines.append(f"{tail} → {name}: ∂E/∂w = {product} = {_number(layer.weight_grad[j, i])}")
        if layer.bias_grad is not None:
            lines.append(f"1 → {name}: ∂E/∂b = {_number(layer.bias_grad[j])}")
    return lines


def _products(left: Iterable[float], right: Iterable[float]) -> str:
    terms = [f"{_factor(a)} · {_factor(b)}" for a, b in zip(left, right)]
    return " + ".join(_shortened(terms))


def _row(numbers: Sequence[float]) -> str:
    return f"({', '.join(_shortened([_number(number) for number in numbers]))})"


def _shortened(parts: list[str]) -> list[str]:
    return parts if len(parts) <= _MOST_TERMS else [*parts[: _MOST_TERMS - 2], "…", parts[-1]]


def _number(x: float) -> str:
    """Write a number with 4 significant digits, and more only where the integer part has more."""
    return f"{x:z.0f}" if 1e3 <= abs(x) < 1e6 else f"{x:z.4g}"


def _factor(x: float) -> str:
    return f"({_number(x)})" if _number(x).startswith("-") else _number(x)


# Tables.


def _html_by_unit(network: NetworkExplanation) -> str:
    parts = [f"<p>{html.escape(_title(network))}</p>", f"<p>{_markup(_FORWARD)}</p>"]
    for i, layer in enumerate(network.layers, start=1):
        rows = [[name, _number(z), _number(y)] for name, z, y in zip(layer.names, layer.z, layer.y)]
        parts.append(_table(f"layer {i}, {layer.activation}", ["unit", "z", "y"], rows))
    parts.append(f"<p>{_markup(_BACKWARD)}</p>")
    parts += [_delta_table(network, i) for i in range(len(network.layers), 0, -1)]
    return f"<div>{''.join(parts)}</div>"


def _html_by_layer(network: NetworkExplanation) -> str:
    lines = [_title(network), *_canonical_note(network), _BY_LAYER]
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f"<div>{paragraphs}{_table('norms by layer', _LAYER_COLUMNS, _layer_rows(network))}</div>"


def _delta_table(network: NetworkExplanation, i: int) -> str:
    """Tabulate a layer's deltas, a row for each unit, beside the gradients of its weights."""
    layer = network.layers[i - 1]
    notes = _canonical_note(network) if i == len(network.layers) else []
    columns: dict[str, Iterable[float]] = {} if layer.slope.ndim == 2 else {"h'(z)": layer.slope}
    columns |= {"∂E/∂y": layer.output_grad, "δ": layer.delta}
    columns |= {f"∂E/∂w from {name}": grads for name, grads in zip(layer.input_names, layer.weight_grad.T)}
    columns |= {} if layer.bias_grad is None else {"∂E/∂b": layer.bias_grad}
    rows = zip(layer.names, *(map(_number, numbers) for numbers in columns.values()))
    rules = _markup("; ".join([_delta_rule(network, i), _gradient_rule(layer), *notes]))
    return f"{_table(_deltas_title(network, i), ['unit', *columns], rows)}<p>{rules}</p>"


def _markup(formula: str) -> str:
    """Write a formula's indices as such: w_ij."""
    return re.sub(r"_([a-z]+)", r"<sub>\1</sub>", html.escape(formula))


def _table(caption: str, columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a plain table of texts; its first column names the rows."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(f"<td>{html.escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return (
        f'<table><caption style="text-align:left">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
