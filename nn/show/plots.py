"""Pictures by matplotlib: activation functions, loss curves and decision regions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import no_grad, softmax, value_and_grad
from autograd_mini.engine.checks import check_count, describe
from autograd_mini.show.format import COLORS, tinted
from nn.activations import Activation, activation_function, activation_title
from nn.checks import as_numbers, check_sequence, finite_array, is_row
from nn.metrics import true_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE_1 = ("sigmoid", "tanh", "relu", "leaky_relu", "softplus", "elu")  # in its order

# The drawings' colours, and more of Okabe and Ito's palette; each class has a marker besides.
_BLUE, _ORANGE = COLORS["positive"], COLORS["negative"]
_COLORS = (_ORANGE, _BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#666666")
_MARKERS = "os^Dv<>P"
_LINE_COLORS = (_BLUE, _ORANGE, *_COLORS[2:])
_LINES = ("-", "--", "-.", ":")
_FAINT = "#BBBBBB"

_POINTS = 401  # along the x axis of a curve; odd, so that the kink at 0 is one of them
_TINT = 0.25  # how much of its colour there is in a region
_MARGIN = 0.1  # around the examples, as a part of their range


def plot_activations(
    activations: Iterable[str | Activation] = FIGURE_1, *, xlim: tuple[float, float] = (-4.0, 4.0)
) -> Figure:
    """Plot activation functions and their derivatives as the engine computes them, from `xlim[0]` to `xlim[1]`.

    The functions are names in `nn.ACTIVATIONS` or functions of a Value; the six of From Logistic Regression to Neural
    Network, Figure 1, unless given. Each has its own axes in the figure. The first line on them is the function, the
    second its derivative.

    Examples
    --------
    >>> figure = plot_activations(["relu", "tanh"])
    >>> [axes.get_title() for axes in figure.axes]
    ['ReLU', 'Tanh']
    """
    pyplot = _pyplot()
    names = [activations] if isinstance(activations, str) else list(activations)
    functions = [activation_function(name) for name in names]
    if not functions:
        raise ValueError("there is no activation function to plot")
    if softmax in functions:
        raise ValueError("softmax is a function of a whole layer's outputs, not of one x, and has no curve")
    low, high = finite_array(xlim, "xlim", (2,))
    if not low < high:
        raise ValueError(f"xlim must go from a lower to a higher number, not from {low} to {high}")
    xs = np.linspace(low, high, _POINTS)
    columns = min(3, len(functions))
    rows = math.ceil(len(functions) / columns)
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(3.4 * columns, 2.6 * rows + 0.4), squeeze=False, layout="constrained"
    )
    for axes, function in zip(grid.flat, functions):
        curve = np.array([value_and_grad(function)(x) for x in xs.tolist()])
        axes.plot(xs, curve[:, 0], color=_BLUE, linewidth=2.2, label="function", zorder=3)
        axes.plot(xs, curve[:, 1], color=_ORANGE, linewidth=1.8, linestyle="--", label="derivative", zorder=3)
        axes.axhline(0.0, color=_FAINT, linewidth=0.8)
        axes.axvline(0.0, color=_FAINT, linewidth=0.8)
        axes.set_title(activation_title(function))
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(functions) :]:
        axes.remove()
    figure.legend(handles=grid[0, 0].get_lines()[:2], loc="outside lower center", ncols=2, frameon=False)
    return figure  # type: ignore[no-any-return]


def plot_curves(curves: Mapping[str, Sequence[float]], ax: Axes | None = None, *, ylabel: str = "loss") -> Axes:
    """Plot what was measured after each epoch, such as the losses on training and validation data.

    Parameters
    ----------
    curves : mapping from str to sequence of float
        The name of each curve, and its numbers for the epochs 1, 2, ...; nans leave gaps.
    ax : matplotlib.axes.Axes, optional
        Where to draw; on a new figure unless given.
    ylabel : str, optional
        What the numbers are.

    Examples
    --------
    >>> axes = plot_curves({"training": [0.9, 0.5, 0.3], "validation": [1.0, 0.7, 0.8]})
    >>> len(axes.lines)
    2
    """
    pyplot = _pyplot()
    if not isinstance(curves, Mapping):
        raise TypeError(f"curves must be a mapping from names to numbers, not {describe(curves)}")
    numbers = {str(name): _curve(curve, f"the curve {name!r}") for name, curve in curves.items()}
    if not numbers:
        raise ValueError("there is no curve to plot")
    axes = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")[1] if ax is None else ax
    for i, (name, ys) in enumerate(numbers.items()):
        look: dict[str, Any] = {"color": _LINE_COLORS[i % len(_LINE_COLORS)], "linestyle": _LINES[i % len(_LINES)]}
        marker = "o" if len(ys) == 1 else None
        axes.plot(np.arange(1, len(ys) + 1), ys, label=name, linewidth=2, marker=marker, **look)
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def plot_decision_regions(
    model: Callable[[Any], Any],
    X: Any,
    y: Any,
    ax: Axes | None = None,
    *,
    threshold: float = 0.5,
    resolution: int = 100,
) -> Axes:
    """Plot which class a model predicts where in the plane, and the examples in the colours of their classes.

    Parameters
    ----------
    model : callable
        Takes two features; gives one output, or one for each class, of which the largest says the
        class. It is evaluated without recording a graph.
    X : array-like of shape (n, 2)
        The examples. A pandas frame's column names become the axes' labels.
    y : array-like of shape (n,) or (n, classes)
        For each example its class: 0 or 1, or -1 or 1, for one output; counted from 0, or a row
        whose largest entry says it, for several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; on a new figure unless given.
    threshold : float, optional
        A single output above it says class 1: 0.5 for a probability; 0 for a logit or a score.
    resolution : int, optional
        Along how many columns and rows the model is evaluated.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(2, activation="sigmoid", seed=1)
    >>> axes = plot_decision_regions(unit, [[0, 0], [1, 1]], [0, 1], resolution=10)
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('x1', 'x2')
    """
    pyplot = _pyplot()
    if not callable(model):
        raise TypeError(f"model must be a function of two features, not {describe(model)}")
    points = finite_array(X, "X")
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"X must have a row of two features for each example, but has the shape {points.shape}")
    if check_count(resolution, "resolution") < 2:
        raise ValueError("resolution must be at least 2, not 1")
    xs, ys = _ticks(points[:, 0], resolution), _ticks(points[:, 1], resolution)
    with no_grad():
        rows = [as_numbers(model([a, b])) for b in ys.tolist() for a in xs.tolist()]
    outputs = finite_array([row if is_row(row) else [row] for row in rows], "what the model gives")
    if len(check_sequence(y, "y")) != len(points):
        raise ValueError(f"expected a class for each of the {len(points)} examples, but y has the length {len(y)}")
    labels = [_label(label, outputs.shape[1], f"y[{i}]") for i, label in enumerate(np.asarray(y))]
    axes = pyplot.subplots(figsize=(5.6, 4.6), layout="constrained")[1] if ax is None else ax
    _fill_regions(axes, xs, ys, _margins(outputs, threshold))
    for label in sorted(set(labels)):
        k = max(label, 0)
        chosen = points[[other == label for other in labels]]
        look: dict[str, Any] = {"color": _color(k), "marker": _MARKERS[k % len(_MARKERS)], "label": f"class {label}"}
        axes.scatter(chosen[:, 0], chosen[:, 1], s=30, edgecolor="white", linewidth=0.6, zorder=3, **look)
    names = getattr(X, "columns", ("x1", "x2"))
    axes.set(xlabel=str(names[0]), ylabel=str(names[1]), xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
    axes.legend(loc="best", framealpha=0.9)
    return axes


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("plotting needs matplotlib: pip install 'autograd_mini[plot]'") from None
    return pyplot


def _curve(numbers: Any, role: str) -> NDArray[np.float64]:
    try:
        curve = np.array(check_sequence(numbers, role), dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{role} must be a sequence of numbers, not {describe(numbers)}") from None
    if curve.ndim != 1 or curve.size == 0:
        raise ValueError(f"{role} must have one number for each epoch, but has the shape {curve.shape}")
    return curve


# Decision regions.


def _ticks(feature: NDArray[np.float64], resolution: int) -> NDArray[np.float64]:
    low, high = feature.min(), feature.max()
    around = _MARGIN * (high - low) or 1.0  # all examples may have the same
    return np.linspace(low - around, high + around, resolution)


def _label(label: Any, outputs: int, role: str) -> int:
    return -1 if outputs == 1 and not is_row(label) and label == -1 else true_class(label, outputs, role)


def _margins(outputs: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Give each class's lead over the other classes at each point: above 0 for the predicted class, even in a tie."""
    scores = np.column_stack([threshold - outputs, outputs - threshold]) if outputs.shape[1] == 1 else outputs
    others = [np.delete(scores, k, axis=1).max(axis=1) for k in range(scores.shape[1])]
    margins = scores - np.column_stack(others)
    wins = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    barely = np.finfo(np.float64).tiny
    ahead: NDArray[np.float64] = np.where(wins, np.maximum(margins, barely), np.minimum(margins, -barely))
    return ahead


def _fill_regions(axes: Axes, xs: NDArray[np.float64], ys: NDArray[np.float64], margins: NDArray[np.float64]) -> None:
    """Fill each class's region up to the line where it stops being ahead, interpolated between the points."""
    for k, column in enumerate(margins.T):
        margin = column.reshape(len(ys), len(xs))
        if margin.max() > 0.0:
            regions = axes.contourf(xs, ys, margin, levels=[0.0, margin.max() * 2.0], colors=[tinted(_color(k), _TINT)])
            regions.set_gid(f"region of class {k}")
        if margin.max() > 0.0 > margin.min():
            axes.contour(xs, ys, margin, levels=[0.0], colors="white", linewidths=1.5)


def _color(k: int) -> str:
    return _COLORS[k % len(_COLORS)]
