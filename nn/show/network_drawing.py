"""The network as the lecture notes draw it: columns of units, and the weights between them.

As in From Logistic Regression to Neural Network, Neural Networks, chapter 1, and Chapter 11: Neural Network, Figure 1.
The graph of the computation is another picture, `autograd_mini.draw`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from autograd_mini import Drawing, Value, no_grad
from autograd_mini.engine.checks import check_count, describe
from autograd_mini.show.format import (
    COLORS,
    FAINT,
    FONT,
    INK,
    INPUT,
    RESULT,
    dot_text,
    largest,
    number,
    share,
    sign,
    tinted,
)
from nn.activations import activation_title
from nn.checks import as_inputs
from nn.layer import Layer
from nn.mlp import layers_of
from nn.show.unit_names import unit_names

_COLUMN, _ROW, _UNIT, _BIAS_UNIT = 2.3, 0.84, 0.68, 0.38  # distances and diameters in inches
_THINNEST, _THICKEST = 0.6, 4.5
_DEEPEST_TINT = 0.5
_LONE_TINT = 0.15  # of a unit that has no other to be compared with
_DIGITS = 3  # fit into a unit
_FEW, _MANY = 24, 60  # edges: so few have numbers, and of more than so many the weak ones fade
_FADED = "30"  # the opacity, in hexadecimal


def draw_network(
    model: Any, x: Any = None, *, edges: str = "weights", labels: bool | None = None, limit: int = 8
) -> Drawing:
    """Draw a network: a column of units for the inputs and for each layer, an edge for each weight.

    An edge is blue where the weight is positive, orange where it is negative, grey where it is 0,
    and the thicker the larger it is. A bias is the weight of a unit that is always 1. Given an
    example, each unit shows its activation, tinted by sign and size within its column; a unit that stands alone has the
    lightest tint. Weights, and after `backward()` their gradients, are the edges' tooltips. Of more than sixty edges
    the weak ones fade, so that the strong ones are seen.

    Parameters
    ----------
    model : MLP, Layer or Neuron
    x : sequence of Value or real number, optional
        One example, to show the activations for.
    edges : {"weights", "gradients"}, optional
        What the edges' width and colour stand for.
    labels : bool, optional
        Whether each edge has its number beside it; where there are at most 24 edges, unless given.
    limit : int, optional
        How many rows a column has at most; a larger layer is drawn as its first units, an ellipsis,
        and its last.

    Examples
    --------
    >>> from nn import MLP
    >>> draw_network(MLP(2, [3, 1]), x=[1.0, 0.0])
    <Drawing of 8 nodes>
    """
    import graphviz

    layers = layers_of(model)
    if edges not in ("weights", "gradients"):
        raise ValueError(f"edges must be 'weights' or 'gradients', not {describe(edges)}")
    if check_count(limit, "limit") < 3:
        raise ValueError(f"limit must be at least 3, for a unit, an ellipsis and a unit, not {limit}")
    names = unit_names(layers)
    columns = [_places(len(column), limit) for column in names]
    graph = graphviz.Digraph("network", graph_attr=_GRAPH, node_attr=_NODES, edge_attr=_EDGES)
    _add_units(graph, columns, names, None if x is None else _activations(layers, x))
    _add_captions(graph, columns, layers)
    drawn = list(_weights(columns, names, layers))
    numbers = [weight.data if edges == "weights" else weight.grad for *_, weight in drawn]
    most = largest(numbers)
    graph.attr(label=f"edges: {edges}, up to {number(most, _DIGITS)}\\nblue positive, orange negative", labelloc="b")
    differentiated = any(weight.grad != 0.0 for *_, weight in drawn)
    if labels is None:
        labels = len(drawn) <= _FEW
    ranked = sorted(map(abs, numbers), reverse=True)
    weak = ranked[_MANY] if len(ranked) > _MANY else -1.0
    for (tail, head, what, weight), strength in zip(drawn, numbers):
        tooltip = f"{what}: {weight.data!r}" + (f"\\ngradient {weight.grad!r}" if differentiated else "")
        width = _THINNEST + (_THICKEST - _THINNEST) * share(strength, most)
        color = COLORS[sign(strength)]
        look = {"color": color, "penwidth": f"{width:.3g}"}
        if abs(strength) <= weak:
            look = {"color": color + _FADED, "penwidth": f"{_THINNEST:.3g}"}
        graph.edge(tail, head, tooltip=tooltip, **look)
    if labels:
        _add_numbers(graph, columns, drawn, numbers)
    units = sum(place is not None for column in columns for place in column)
    return Drawing(str(graph.source), units + sum(layer.bias is not None for layer in layers))


# What to draw.


def _activations(layers: Sequence[Layer], x: Any) -> list[list[float]]:
    """Compute the numbers of each column."""
    with no_grad():
        columns = [as_inputs(x, len(layers[0].neurons[0].w))]
        for layer in layers:
            columns.append(layer.forward(columns[-1]))
    return [[signal.data for signal in column] for column in columns]


def _places(size: int, limit: int) -> list[int | None]:
    """List the units of a column that are drawn, one below the other; None stands for the units left out."""
    return [*range(size)] if size <= limit else [*range(limit - 2), None, size - 1]


def _weights(
    columns: Sequence[Sequence[int | None]], names: Sequence[Sequence[str]], layers: Sequence[Layer]
) -> Iterator[tuple[str, str, str, Value]]:
    """Give tail, head, description and parameter of each edge."""
    for i, layer in enumerate(layers):
        tails, heads = ([place for place in column if place is not None] for column in columns[i : i + 2])
        for head in heads:
            neuron, key, name = layer.neurons[head], f"c{i + 1}u{head + 1}", names[i + 1][head]
            for tail in tails:
                yield f"c{i}u{tail + 1}", key, f"weight from {names[i][tail]} to {name}", neuron.w[tail]
            if neuron.b is not None:
                yield f"c{i}bias", key, f"bias of {name}", neuron.b


# The picture in DOT: neato draws every node where it is told to.


_FONT = {"fontname": FONT, "fontsize": "10", "fontcolor": FAINT}
_GRAPH = {"layout": "neato", "outputorder": "edgesfirst", "bgcolor": "white", "splines": "line", **_FONT}
_CIRCLE = {"shape": "circle", "fixedsize": "true", "width": str(_UNIT), "style": "filled", "color": INK}
_NODES = _CIRCLE | _FONT | {"fontsize": "11", "fontcolor": INK}
_EDGES = {"arrowhead": "none"}
_TEXT = {"shape": "plaintext", "fixedsize": "false", "style": "", "fontcolor": FAINT, "margin": "0"}


def _add_units(
    graph: Any,
    columns: Sequence[Sequence[int | None]],
    names: Sequence[Sequence[str]],
    activations: Sequence[Sequence[float]] | None,
) -> None:
    """Add a circle for each unit, and an ellipsis for the units left out."""
    for i, column in enumerate(columns):
        for row, place in enumerate(column):
            pos = _position(i, column, row)
            if place is None:
                left_out = len(names[i]) - len(column) + 1
                graph.node(f"c{i}more", "⋮", pos=pos, tooltip=f"{left_out} more units", **_TEXT | {"fontsize": "20"})
                continue
            name, fill = names[i][place], INPUT if i == 0 else "white"
            look = {"label": name, "tooltip": name, "fillcolor": fill}
            if activations is not None:
                x = activations[i][place]
                alone = len(activations[i]) == 1
                tint = share(x, largest(activations[i])) * (_LONE_TINT if alone else _DEEPEST_TINT)
                look["label"] = f"{name}\\n{number(x, _DIGITS)}"
                look |= {"tooltip": f"{name} = {x!r}", "fontsize": "10", "fillcolor": tinted(COLORS[sign(x)], tint)}
            graph.node(f"c{i}u{place + 1}", pos=pos, **look)


def _add_captions(graph: Any, columns: Sequence[Sequence[int | None]], layers: Sequence[Layer]) -> None:
    """Add a caption above each column, and below it the unit whose weights are the biases."""
    tallest = max(columns, key=len)
    for i, column in enumerate(columns):
        role = "input" if i == 0 else "output" if i == len(layers) else "hidden" if len(layers) == 2 else f"hidden {i}"
        caption = role if i == 0 else f"{role}\n{activation_title(layers[i - 1].activation)}"
        graph.node(f"c{i}caption", dot_text(caption), pos=_position(i, tallest, -1.1), **_TEXT)
        if i < len(layers) and layers[i].bias is not None:
            look = {"width": str(_BIAS_UNIT), "fillcolor": RESULT, "tooltip": "bias", "fontsize": "10"}
            graph.node(f"c{i}bias", "1", pos=_position(i, column, len(column) - 0.15), **look)


def _add_numbers(
    graph: Any,
    columns: Sequence[Sequence[int | None]],
    drawn: Sequence[tuple[str, str, str, Value]],
    numbers: Sequence[float],
) -> None:
    """Add each edge's number on its edge, near the tail, where the numbers of a gap stand one below the other."""
    places: dict[str, tuple[int, float]] = {}
    for i, column in enumerate(columns):
        places |= {f"c{i}u{place + 1}": (i, row) for row, place in enumerate(column) if place is not None}
        places[f"c{i}bias"] = (i, len(column) - 0.15)
    ends = [[_point(i, columns[i], row) for i, row in (places[tail], places[head])] for tail, head, _, _ in drawn]
    parts = [_best_part([end for end in ends if end[0][0] == x]) for x in (i * _COLUMN for i in range(len(columns)))]
    for k, (((x0, y0), (x1, y1)), strength) in enumerate(zip(ends, numbers)):
        part = parts[round(x0 / _COLUMN)]
        look = _TEXT | {"fontsize": "9", "fontcolor": COLORS[sign(strength)], "style": "filled", "fillcolor": "white"}
        look |= {"color": "none", "height": "0", "width": "0", "margin": "0.01", "tooltip": repr(strength)}
        pos = f"{x0 + part * (x1 - x0):.3f},{y0 + part * (y1 - y0):.3f}!"
        graph.node(f"number{k}", number(strength, _DIGITS), pos=pos, **look)


def _best_part(ends: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Find the part of the way on which the numbers of a gap's edges stand farthest apart."""

    def least_gap(part: float) -> float:
        heights = sorted(y0 + part * (y1 - y0) for (_, y0), (_, y1) in ends)
        return min((b - a for a, b in pairwise(heights)), default=0.0)

    return max((0.26 + 0.02 * k for k in range(24)), key=least_gap)


def _point(i: int, column: Sequence[int | None], row: float) -> tuple[float, float]:
    return i * _COLUMN, ((len(column) - 1) / 2 - row) * _ROW


def _position(i: int, column: Sequence[int | None], row: float) -> str:
    """Place a row of a column, whose middle is at height 0."""
    x, y = _point(i, column, row)
    return f"{x:.3f},{y:.3f}!"
