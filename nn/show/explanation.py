"""The delta rule made visible: every unit's delta, and the weight gradients that follow from it.

As in From Logistic Regression to Neural Network, CISC6000: Neural Networks, and Chapter 11: Neural Network, the deltas
go from layer to layer by a recurrence. The engine gives the derivatives of activations and loss alone: no graph of the
network is built, and no `.grad` is read or changed.
"""

from __future__ import annotations

import html
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autograd_mini import Value, dot, no_grad, softmax, value_and_grad
from autograd_mini.engine.checks import check_count, describe
from autograd_mini.show.browser import show_file
from autograd_mini.show.format import columns, for_output, number
from autograd_mini.show.stepper import Page, save_page
from nn.activations import ACTIVATIONS, activation_title
from nn.checks import as_array, as_inputs, as_numbers, check_not_negative, is_row, name_in
from nn.layer import Layer
from nn.losses import LOSSES, Loss, loss_function
from nn.mlp import layers_of
from nn.show.network_stepper import network_page
from nn.show.passes import Array, LayerExplanation, Passes
from nn.show.unit_names import unit_names, weight_name

# h'(z) as the notes write it, by means of y = h(z) where that is possible.
_SLOPES = {
    "identity": "1",
    "sigmoid": "y (1 - y)",
    "tanh": "1 - y²",
    "relu": "1 if z > 0, else 0",
    "leaky_relu": "1 if z > 0, else the slope below 0",
    "elu": "1 if z ≥ 0, else y + a",
    "softplus": "σ(z)",
    "softmax": "∂y_k/∂z_j = y_k ([j = k] - y_j)",
}

_LOSS_SLOPES = {
    "half_squared_error": "y - t",
    "mean_squared_error": "2 (y - t)",
    "binary_cross_entropy": "(y - t) / (y (1 - y))",
    "binary_cross_entropy_from_logits": "σ(y) - t",
    "cross_entropy": "-t / y",
    "cross_entropy_from_logits": "softmax(y) - t",
    "hinge": "-t if t y < 1, else 0",
}

# Where the output delta is ŷ - t, for outputs or logits y (Chapter 11: Neural Network, equation 11.6).
_CANONICAL = {
    ("identity", "half_squared_error"),
    ("sigmoid", "binary_cross_entropy"),
    ("identity", "binary_cross_entropy_from_logits"),
    ("softmax", "cross_entropy"),
    ("identity", "cross_entropy_from_logits"),
}

_MOST_TERMS = 6  # of a sum that is written out in full

_CELL = '<td style="text-align:left; white-space:nowrap">'


@dataclass(frozen=True, eq=False, repr=False)
class NetworkExplanation(Passes):
    """The forward and the backward pass of one example through a network; `explain_network` makes it.

    `print` shows it as text, Jupyter as tables: how every number is computed if there are not too many, else shapes and
    norms by layer.

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
        ŷ - t, which is the last layer's delta if the last activation is the loss's canonical link, or if the loss
        takes logits of linear units (Chapter 11: Neural Network, equation 11.6).
    limit : int
        The most parameters for which every number is shown.
    lr : float or None
        The learning rate of the step that follows; None if no step is shown.
    after : NetworkExplanation or None
        The same example after this step.
    """

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that steps through the network: one file that needs no network and no other file.

        The path ends with .html. An existing file is replaced only once the page is complete. A network with more
        parameters than `limit` is a ValueError.
        """
        return save_page(self._page, path)

    def show(self) -> None:
        """Open that page in the web browser, from a temporary file; a RuntimeError says if there is none."""
        show_file(self._page().html().encode(), ".html")

    def _page(self) -> Page:
        if _size(self) > self.limit:
            raise ValueError(
                f"too large to step through, with {_size(self)} parameters and limit={self.limit}: a higher limit= "
                "allows more, and print shows it by layer"
            )
        return network_page(self)

    def __str__(self) -> str:
        paragraphs = []
        for paragraph, tables in _contents(self):
            lines = [paragraph]
            for caption, rows in tables:
                if caption:
                    lines += [f"  {caption}", *(f"    {name}: {', '.join(cells)}" for name, *cells in rows)]
                else:
                    lines += [f"  {line}" for line in columns(rows, "  ")]
            paragraphs.append("\n".join(lines))
        return for_output("\n\n".join(paragraphs))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = []
        for paragraph, tables in _contents(self):
            parts.append(f"<p>{_markup(paragraph)}</p>")
            for caption, rows in tables:
                parts.append(f'<table><caption style="text-align:left">{_markup(caption)}</caption><tbody>')
                for row in rows:
                    name, *cells = map(_markup, row)
                    start, end = ("<th>", "</th>") if row is rows[0] and not caption else (_CELL, "</td>")
                    cells_of_row = "".join(f"{start}{cell}{end}" for cell in cells)
                    parts.append(f'<tr><th scope="row">{name}</th>{cells_of_row}</tr>')
                parts.append("</tbody></table>")
        return f"<div>{''.join(parts)}</div>"


def explain_network(
    model: Any, x: Any, target: Any, loss: str | Loss, *, lr: float | None = None, limit: int = 100
) -> NetworkExplanation:
    """Explain the gradients of one example by the delta rule of the notes.

    Forward, every unit's weighted sum z and output y; backward, layer by layer from the output, its
    delta and the gradients of its weights. They are the gradients that `backward()` gives from the loss
    of this example. The rule is that of From Logistic Regression to Neural Network, equations 6 to 15; CISC6000:
    Neural Networks, Back propagation of delta; and Chapter 11: Neural Network, equations 11.5 to 11.12.

    Where a layer is there twice, each place has its own share of the gradient; `backward()` adds them.

    Parameters
    ----------
    model : MLP, Layer or Neuron
        Must compute its layers one after another.
    x : sequence of Value or real number
        One example.
    target : real number, or a row of them
        As the loss takes it for one example.
    loss : str or callable
        A key of `nn.LOSSES`, or a function of a batch's outputs and targets.
    lr : float, optional
        A learning rate. With it the update of the weights is shown too, and the next step: the loss of the same
        example after it. The model itself keeps its weights.
    limit : int, optional
        The most parameters for which every number is shown; a larger network is shown by layer.

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
        x₁ → y: ∂E/∂w = 2 · (-0.125) = -0.25
        x₂ → y: ∂E/∂w = 2 · (-0.125) = -0.25
        1 → y: ∂E/∂b = -0.125
    """
    layers, criterion = layers_of(model), loss_function(loss)
    check_count(limit, "limit")
    example = as_numbers(as_inputs(x, len(layers[0].neurons[0].w)))
    wanted = as_array(target if is_row(target) else [target], "target").tolist()
    wanted = wanted if is_row(target) else wanted[0]
    with no_grad():
        sums, signals = _forward(layers, example)
        outputs = signals[-1]
        _check_outputs(model, example, outputs)
    error, slopes = value_and_grad(lambda y: criterion([y if len(y) > 1 else y[0]], [wanted]))(outputs)
    explained = _backward(layers, sums, signals, np.array(slopes))
    loss_name = name_in(LOSSES, criterion)
    link = (name_in(ACTIVATIONS, layers[-1].activation), loss_name)
    after = None
    if lr is not None:
        if check_not_negative(lr, "lr") == 0.0:
            raise ValueError("lr must be above 0: with 0 no weight moves")
        after = explain_network(_moved(model, layers, explained, lr), x, target, loss, limit=limit)
    return NetworkExplanation(
        layers=explained,
        target=wanted,
        loss=str(getattr(criterion, "__name__", "loss")),
        loss_slope_formula=_LOSS_SLOPES.get(loss_name, "∂E/∂y"),
        error=float(error),
        canonical_delta=explained[-1].delta if link in _CANONICAL else None,
        limit=limit,
        lr=lr,
        after=after,
    )


def _moved(model: Any, layers: Sequence[Layer], explained: Sequence[LayerExplanation], lr: float) -> Any:
    """Copy a model with its parameters after a step of gradient descent; gradients of shared ones add up."""
    slopes: dict[Value, float] = defaultdict(float)
    for layer, found in zip(layers, explained):
        for j, unit in enumerate(layer.neurons):
            for weight, slope in zip(unit.w, found.weight_grad[j]):
                slopes[weight] += float(slope)
            if unit.b is not None:
                slopes[unit.b] += float(found.delta[j])
    return model.with_parameters([parameter.data - lr * slopes[parameter] for parameter in model.parameters()])


# The two passes.


def _forward(layers: Sequence[Layer], example: list[float]) -> tuple[list[list[float]], list[list[float]]]:
    """Compute the sums z of each layer, and the signals: the example, then the outputs y of each layer."""
    sums, signals = [], [example]
    for layer in layers:
        x = signals[-1]
        z = [dot(unit.w, x) if unit.b is None else dot(unit.w, x, unit.b) for unit in layer.neurons]
        signals.append(as_numbers(softmax(z) if layer.activation is softmax else [layer.activation(s) for s in z]))
        sums.append(as_numbers(z))
    return sums, signals


def _check_outputs(model: Any, example: list[float], outputs: list[float]) -> None:
    """Refuse a subclass that does not go through its layers in their order: another recurrence would hold for it."""
    given = as_numbers(model(example))
    if not np.array_equal(given if is_row(given) else [given], outputs, equal_nan=True):
        raise ValueError(
            f"this {type(model).__name__} computes something else than its layers one after another, {describe(given)} "
            f"where they give {outputs if is_row(given) else outputs[0]}: the delta rule does not hold for it; "
            "autograd_mini.explain shows any graph node by node"
        )


def _backward(
    layers: Sequence[Layer], sums: Sequence[list[float]], signals: Sequence[list[float]], output_grad: Array
) -> tuple[LayerExplanation, ...]:
    """Go back through the layers: each delta follows from the deltas of the next layer."""
    explained: list[LayerExplanation] = []
    names = unit_names(layers)
    with np.errstate(all="ignore"):  # inf * 0 is nan, as in the engine
        for i in reversed(range(len(layers))):
            layer = layers[i]
            inputs, z, y = np.array(signals[i]), np.array(sums[i]), np.array(signals[i + 1])
            bare = getattr(layer.activation, "func", layer.activation)  # a partial's function
            weight = np.array([as_numbers(unit.w) for unit in layer.neurons])
            bias = np.array([as_numbers(unit.b) for unit in layer.neurons if unit.b is not None])
            if layer.activation is softmax:
                slope = np.diag(y) - np.outer(y, y)
            else:
                slope = np.array([value_and_grad(layer.activation)(s)[1] for s in z.tolist()])
            delta = slope * output_grad if slope.ndim == 1 else output_grad @ slope
            explained.append(
                LayerExplanation(
                    activation=activation_title(layer.activation),
                    names=names[i + 1],
                    input_names=names[i],
                    weight_names=tuple(
                        tuple(weight_name(layers, i, j, k) for k in range(len(unit.w)))
                        for j, unit in enumerate(layer.neurons)
                    ),
                    bias_names=tuple(weight_name(layers, i, j, None) for j in range(len(layer.neurons)) if bias.size),
                    inputs=inputs,
                    weight=weight,
                    bias=bias if bias.size else None,
                    z=z,
                    y=y,
                    slope=slope,
                    slope_formula=_SLOPES.get(name_in(ACTIVATIONS, bare), "h'(z)"),
                    output_grad=output_grad,
                    delta=delta,
                    weight_grad=np.outer(delta, inputs),
                    bias_grad=delta.copy() if bias.size else None,
                )
            )
            output_grad = delta @ weight
    return tuple(reversed(explained))


# What both forms of the explanation say: paragraphs, each with tables below it, and the cells of their rows.

Row = list[str]
Table = tuple[str, list[Row]]  # its caption and its rows

_number = partial(number, digits=4)

_FORWARD = "Forward: z_j = Σ_i w_ij y_i + b_j, y_j = h(z_j)"
_BACKWARD = "Backward: δ_j = ∂E/∂z_j"
_BY_LAYER = (
    "Norms by layer, from the output back: δ = h'(z) · ∂E/∂y, ∂E/∂W = δ yᵀ, and Wᵀ δ is ∂E/∂y of the layer before"
)


def _contents(network: NetworkExplanation) -> list[tuple[str, list[Table]]]:
    """List the paragraphs with their tables: every number, or norms by layer where there are too many."""
    layers, last = network.layers, len(network.layers)
    x, t = layers[0].inputs.tolist(), network.target
    title = f"E = {_number(network.error)} ({network.loss}) for x = {_row(x)}, t = {_row(t)}"
    if _size(network) > network.limit:
        norms = [_norms(i, layer) for i, layer in reversed(list(enumerate(layers, start=1)))]
        head = ["layer", "h", "W", "‖z‖", "‖y‖", "‖δ‖", "‖∂E/∂W‖"]
        return [(title, []), (_BY_LAYER, [("", [head, *norms])]), *((note, []) for note in _canonical(network))]
    backward: list[Table] = []
    for i in range(last, 0, -1):
        layer = layers[i - 1]
        deltas = [[name, _delta(network, i, j)] for j, name in enumerate(layer.names)]
        if i == last:
            deltas += [note.split(": ", 1) for note in _canonical(network)]
        rule = "∂E/∂w_ij = y_i · δ_j" + ("" if layer.bias is None else ", ∂E/∂b_j = δ_j")
        backward.append((f"layer {i}, {'output' if i == last else 'hidden'} deltas: {_delta_rule(network, i)}", deltas))
        backward.append((f"gradients: {rule}", _gradients(layer)))
    forward = [
        (f"layer {i}, {layer.activation}", [[name, *_sums(layer, j)] for j, name in enumerate(layer.names)])
        for i, layer in enumerate(layers, start=1)
    ]
    return [(title, []), (_FORWARD, forward), (_BACKWARD, backward), *_step(network)]


def _size(network: NetworkExplanation) -> int:
    """Count the parameters."""
    return sum(layer.weight.size + (0 if layer.bias is None else layer.bias.size) for layer in network.layers)


def _step(network: NetworkExplanation) -> list[tuple[str, list[Table]]]:
    """Write the step that follows: each parameter moves against its gradient, by the learning rate."""
    if network.after is None or network.lr is None:
        return []
    lr, rows = _factor(network.lr), []
    for layer in network.layers:
        names = [*sum(layer.weight_names, ()), *layer.bias_names]
        weights = [*layer.weight.flat, *([] if layer.bias is None else layer.bias)]
        slopes = [*layer.weight_grad.flat, *([] if layer.bias_grad is None else layer.bias_grad)]
        rows += [
            [name, f"{_number(w)} - {lr} · {_factor(slope)} = {_number(w - network.lr * slope)}"]
            for name, w, slope in zip(names, weights, slopes)
        ]
    title = f"Update with the learning rate η = {_number(network.lr)}: w ← w - η · ∂E/∂w"
    return [(title, [("every weight and bias", rows)]), (f"After it E = {_number(network.after.error)}", [])]


def _norms(i: int, layer: LayerExplanation) -> Row:
    norms = [float(np.linalg.norm(numbers)) for numbers in (layer.z, layer.y, layer.delta, layer.weight_grad)]
    return [str(i), layer.activation, " x ".join(map(str, layer.weight.shape)), *map(_number, norms)]


def _canonical(network: NetworkExplanation) -> list[str]:
    if network.canonical_delta is None:
        return []
    numbers = network.canonical_delta.tolist()
    return [f"canonical link: δ = ŷ - t = {_row(numbers if len(numbers) > 1 else numbers[0])}"]


def _sums(layer: LayerExplanation, j: int) -> Row:
    """Write how a unit's z and y come about."""
    z, y = _number(layer.z[j]), _number(layer.y[j])
    total = _products(layer.weight[j], layer.inputs) + ("" if layer.bias is None else f" + {_factor(layer.bias[j])}")
    return [f"z = {total} = {z}", f"y = {f'softmax(z)_{j + 1}' if layer.slope.ndim == 2 else f'h({z})'} = {y}"]


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


def _delta(network: NetworkExplanation, i: int, j: int) -> str:
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


def _gradients(layer: LayerExplanation) -> list[Row]:
    """Write how the gradient of each weight and bias comes about."""
    rows = []
    for j, name in enumerate(layer.names):
        for i, tail in enumerate(layer.input_names):
            product = f"{_factor(layer.inputs[i])} · {_factor(layer.delta[j])}"
            rows.append([f"{tail} → {name}", f"∂E/∂w = {product} = {_number(layer.weight_grad[j, i])}"])
        if layer.bias_grad is not None:
            rows.append([f"1 → {name}", f"∂E/∂b = {_number(layer.bias_grad[j])}"])
    return rows


def _products(left: Iterable[float], right: Iterable[float]) -> str:
    return " + ".join(_first_and_last([f"{_factor(a)} · {_factor(b)}" for a, b in zip(left, right)]))


def _row(numbers: Any) -> str:
    if not is_row(numbers):
        return _number(numbers)
    return f"({', '.join(_first_and_last([_number(x) for x in numbers]))})"


def _first_and_last(parts: Row) -> Row:
    return parts if len(parts) <= _MOST_TERMS else [*parts[: _MOST_TERMS - 2], "…", parts[-1]]


def _factor(x: float) -> str:
    """Write a number that may stand beside an operator, in brackets if it starts with a sign."""
    written = _number(x)
    return f"({written})" if written.startswith("-") else written


def _markup(formula: str) -> str:
    """Write a formula's indices as such: w_ij."""
    return re.sub(r"(\)|(?<!\w)[^\W_])_([a-z]+|\d+)\b", r"\1<sub>\2</sub>", html.escape(formula))
