"""The network as the lecture notes draw it: columns of units, and the weights between them (S0; S2; S4, Figure 1).

The graph of the computation is another picture, `autograd_mini.draw`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import graphviz

from autograd_mini import Drawing, Value, no_grad
from autograd_mini.engine.checks import check_count, describe
from nn.activations import activation_title
from nn.checks import as_inputs
from nn.layer import Layer
from nn.show.views import layers_of

# The colours of autograd_mini's drawings, which the colour-blind can tell apart.
_POSITIVE, _NEGATIVE, _NAN, _ZERO = "#0072B2", "#C44E00", "#A0508A", "#BBBBBB"
_INK, _FAINT = "#222222", "#666666"
_INPUT, _BIAS = "#FFF3C4", "#F4F4F4"
_FONT = "Verdana"

_COLUMN, _ROW, _UNIT, _BIAS_UNIT = 2.3, 0.84, 0.68, 0.38  # distances and diameters in inches
_THINNEST, _THICKEST = 0.6, 4.5
_DEEPEST_TINT = 0.5


@dataclass(frozen=True)
class _Unit:
    """A circle: an input, a hidden unit or an output."""

    key: str
    name: str
    place: int  # in its layer
    row: float


@dataclass(frozen=True)
class _Column:
    """The units of a layer that are drawn, and how many are left out between the last two of them."""

    units: list[_Unit]
    omitted: int
    caption: str


def draw_network(model: Any, x: Any = None, *, edges: str = "weights", limit: int = 8) -> Drawing:
    """Draw a network: a column of units for the inputs and for each layer, an edge for each weight.

    An edge is blue where the weight is positive, orange where it is negative, grey where it is 0,
    and the thicker the larger it is. A bias is the weight of a unit that is always 1. Given an
    example, each unit shows its activation, tinted by sign and size within its column. Weights, and
    after `backward()` their gradients, are the edges' tooltips.

    Parameters
    ----------
    model : MLP, Layer or Neuron
    x : sequence of Value or real number, optional
        One example, to show the activations for.
    edges : {"weights", "gradients"}, optional
        What the edges' width and colour stand for.
    limit : int, optional
        How many rows a column has at most; a larger layer is drawn as its first units, an ellipsis,
        and its last.

    Returns
    -------
    autograd_mini.Drawing
        Shown by Jupyter; saved by `save`.

    Raises
    ------
    ValueError
        If `x` has not as many numbers as the network has inputs, `edges` is something else, or
        `limit` is less than 3.
    TypeError
        If `model` is none of these, or `x` contains something else than numbers.

    Examples
    --------
    >>> from nn import MLP
    >>> draw_network(MLP(2, [3, 1]), x=[1.0, 0.0])
    <Drawing of 8 nodes>
    """
    layers = layers_of(model)
    if edges not in ("weights", "gradients"):
        raise ValueError(f"edges must be 'weights' or 'gradients', not {describe(edges)}")
    if check_count(limit, "limit") < 3:
        raise ValueError(f"limit must be at least 3, for a unit, an ellipsis and a unit, not {limit}")
    activations = None if x is None else _activations(layers, x)
    columns = _columns(layers, limit)
    graph = graphviz.Digraph("network", graph_attr=_GRAPH, node_attr=_NODES, edge_attr=_EDGES)
    nodes = _add_nodes(graph, columns, layers, activations)
    _add_edges(graph, columns, layers, edges)
    return Drawing(str(graph.source), nodes)


# What to draw.


def _activations(layers: Sequence[Layer], x: Any) -> list[list[float]]:
    """Compute the numbers of each column."""
    with no_grad():
        signals = as_inputs(x, len(layers[0].neurons[0].w))
        columns = [signals]
        for layer in layers:
            signals = layer.forward(signals)
            columns.append(signals)
    return [[signal.data for signal in column] for column in columns]


def _columns(layers: Sequence[Layer], limit: int) -> list[_Column]:
    columns = [_column(0, "x", len(layers[0].neurons[0].w), "input", limit)]
    for i, layer in enumerate(layers, start=1):
        is_last = i == len(layers)
        role = "output" if is_last else "hidden" if len(layers) == 2 else f"hidden {i}"
        caption = f"{role}\n{activation_title(layer.activation)}"
        columns.append(_column(i, "y" if is_last else "h", len(layer.neurons), caption, limit))
    return columns


def _column(index: int, letter: str, size: int, caption: str, limit: int) -> _Column:
    """Place a layer's units below each other, centred on row 0, with a row for the ellipsis if it is large."""
    omitted = max(0, size - limit + 1) if size > limit else 0
    places = [*range(size - omitted - 1), size - 1] if omitted else list(range(size))
    rows = len(places) + bool(omitted)
    units = []
    for row, place in enumerate(places):
        name = letter if letter == "y" and size == 1 else f"{letter}{place + 1}"
        down = row + (omitted > 0 and place == size - 1)
        units.append(_Unit(f"c{index}u{place + 1}", name, place, (rows - 1) / 2 - down))
    return _Column(units, omitted, caption)


# The picture in DOT: neato draws every node where it is told to.


_GRAPH = {
    "layout": "neato",
    "outputorder": "edgesfirst",
    "bgcolor": "white",
    "splines": "line",
    "fontname": _FONT,
    "fontsize": "10",
    "fontcolor": _FAINT,
}
_NODES = {
    "shape": "circle",
    "fixedsize": "true",
    "width": str(_UNIT),
    "style": "filled",
    "color": _INK,
    "fontname": _FONT,
    "fontsize": "11",
    "fontcolor": _INK,
}
_EDGES = {"arrowhead": "none"}
_TEXT = {"shape": "plaintext", "fixedsize": "false", "style": "", "fontcolor": _FAINT, "margin": "0"}


def _add_nodes(
    graph: Any, columns: Sequence[_Column], layers: Sequence[Layer], activations: Sequence[Sequence[float]] | None
) -> int:
    """Add units, bias units, ellipses and captions; count the units."""
    top = max(column.units[0].row for column in columns) + 1.1
    nodes = 0
    for i, column in enumerate(columns):
        numbers = None if activations is None else activations[i]
        for unit in column.units:
            fill = _INPUT if i == 0 else "white"
            graph.node(unit.key, pos=_position(i, unit.row), **_unit_attributes(unit, numbers, fill))
        if column.omitted:
            tooltip = f"{column.omitted} more units"
            graph.node(
                f"c{i}more",
                "⋮",
                pos=_position(i, column.units[-1].row + 1),
                tooltip=tooltip,
                **_TEXT | {"fontsize": "20"},
            )
        if i < len(layers) and layers[i].bias is not None:
            place = _position(i, column.units[-1].row - 0.85)
            graph.node(
                f"c{i}bias", "1", pos=place, width=str(_BIAS_UNIT), fillcolor=_BIAS, tooltip="bias", fontsize="10"
            )
            nodes += 1
        graph.node(f"c{i}caption", _escaped(column.caption), pos=_position(i, top), **_TEXT)
        nodes += len(column.units)
    return nodes


def _unit_attributes(unit: _Unit, numbers: Sequence[float] | None, fill: str) -> dict[str, str]:
    if numbers is None:
        return {"label": unit.name, "tooltip": unit.name, "fillcolor": fill}
    number = numbers[unit.place]
    largest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    return {
        "label": f"{unit.name}\\n{_number(number)}",
        "tooltip": f"{unit.name} = {number!r}",
        "fontsize": "10",
        "fillcolor": _tinted(_color(number), _share(number, largest) * _DEEPEST_TINT),
    }


def _add_edges(graph: Any, columns: Sequence[_Column], layers: Sequence[Layer], edges: str) -> None:
    drawn = [edge for i, layer in enumerate(layers) for edge in _edges_into(i + 1, layer, columns)]
    numbers = [parameter.data if edges == "weights" else parameter.grad for _, _, _, parameter in drawn]
    largest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    graph.attr(label=f"edges: {edges}, up to {_number(largest)}\\nblue positive, orange negative", labelloc="b")
    differentiated = any(parameter.grad != 0.0 for _, _, _, parameter in drawn)
    for (tail, head, names, parameter), number in zip(drawn, numbers):
        tooltip = f"{names}: {parameter.data!r}" + (f"\\ngradient {parameter.grad!r}" if differentiated else "")
        width = _THINNEST + (_THICKEST - _THINNEST) * _share(number, largest)
        graph.edge(tail, head, color=_color(number), penwidth=f"{width:.3g}", tooltip=tooltip)


def _edges_into(i: int, layer: Layer, columns: Sequence[_Column]) -> list[tuple[str, str, str, Value]]:
    """List tail, head, description and parameter of the edges from one column to the next."""
    edges = []
    for head in columns[i].units:
        neuron = layer.neurons[head.place]
        for tail in columns[i - 1].units:
            edges.append((tail.key, head.key, f"weight from {tail.name} to {head.name}", neuron.w[tail.place]))
        if neuron.b is not None:
            edges.append((f"c{i - 1}bias", head.key, f"bias of {head.name}", neuron.b))
    return edges


def _position(column: int, row: float) -> str:
    return f"{column * _COLUMN:.3f},{row * _ROW:.3f}!"


def _number(x: float) -> str:
    """Write a number as fits into a unit."""
    return f"{x:z.0f}" if 1e3 <= abs(x) < 1e5 else f"{x:z.3g}"


def _share(number: float, largest: float) -> float:
    if not math.isfinite(number):
        return 1.0
    return abs(number) / largest if largest else 0.0


def _color(number: float) -> str:
    if math.isnan(number):
        return _NAN
    return _POSITIVE if number > 0.0 else _NEGATIVE if number < 0.0 else _ZERO


def _tinted(color: str, share: float) -> str:
    """Mix a colour with white."""
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + (channel - 255) * share):02X}" for channel in channels)


def _escaped(text: str) -> str:
    """Write any text so that Graphviz shows it as it is."""
    return html.escape(text).replace("\\", "\\\\").replace("\n", "\\n")
