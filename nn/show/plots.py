"""Pictures by matplotlib: activation functions, loss curves, decision regions and loss landscapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value, no_grad, sigmoid, softmax, value_and_grad
from autograd_mini.engine.checks import as_float, check_count, describe
from autograd_mini.show.format import COLORS, tinted
from nn.activations import Activation, activation_function, activation_title
from nn.checks import as_numbers, check_sequence, finite_array, is_row
from nn.initializers import random_generator
from nn.losses import LOSSES, THRESHOLDS, Loss, loss_function, loss_name
from nn.metrics import true_class
from nn.module import Module
from nn.train.data import as_arrays
from nn.train.objective import outputs_along_graph

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
_DEEPEST = 0.4  # how much more where a class is certain
_TINT = 0.25  # how much of its colour there is in a region
_JUMP = 0.2  # of a curve's range, from one point to the next
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
    pyplot = import_pyplot()
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
        axes.plot(
            *_with_gaps(xs, curve[:, 1]), color=_ORANGE, linewidth=1.8, linestyle="--", label="derivative", zorder=3
        )
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
    pyplot = import_pyplot()
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
    loss: str | Loss | None = None,
    threshold: float | None = None,
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
    loss : str or callable, optional
        The loss that the model was trained with, which says what its outputs are; the one of its last `fit` unless
        given. Logits and probabilities shade the regions by probability, from even odds to certain.
    threshold : float, optional
        A single output above it says class 1. Unless given, the loss says it: 0 for a logit or a score; 0.5 for a
        probability, and where no loss is known.
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
    pyplot = import_pyplot()
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
    trained_with = loss_name(loss) if loss is not None else getattr(model, "_trained_with", "")
    limit = THRESHOLDS.get(trained_with, 0.5) if threshold is None else as_float(threshold, "threshold")
    if not math.isfinite(limit):
        raise ValueError(f"threshold must be finite, not {threshold}")
    if outputs.shape[1] == 1 and trained_with in ("cross_entropy", "cross_entropy_from_logits"):
        raise ValueError(f"{trained_with} needs an output for each class, but the model gives one")
    if len(check_sequence(y, "y")) != len(points):
        raise ValueError(f"expected a class for each of the {len(points)} examples, but y has the length {len(y)}")
    labels = [_label(label, outputs.shape[1], f"y[{i}]") for i, label in enumerate(np.asarray(y))]
    axes = pyplot.subplots(figsize=(5.6, 4.6), layout="constrained")[1] if ax is None else ax
    chances = _probabilities(outputs, trained_with)
    _fill_regions(axes, xs, ys, _margins(outputs, limit), chances)
    for label in sorted(set(labels)):
        k = max(label, 0)
        chosen = points[[other == label for other in labels]]
        look: dict[str, Any] = {"color": _color(k), "marker": _MARKERS[k % len(_MARKERS)], "label": f"class {label}"}
        axes.scatter(chosen[:, 0], chosen[:, 1], s=30, edgecolor="white", linewidth=0.6, zorder=3, **look)
    names = getattr(X, "columns", ("x1", "x2"))
    axes.set(xlabel=str(names[0]), ylabel=str(names[1]), xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
    axes.legend(loc="best", framealpha=0.9)
    return axes


def plot_loss_landscape(
    model: Module,
    X: Any,
    y: Any,
    loss: str | Loss | None = None,
    ax: Axes | None = None,
    *,
    span: float = 1.0,
    resolution: int = 25,
    seed: int = 0,
) -> Axes:
    """Plot the loss around a model's parameters, along two random directions at right angles.

    Each direction is as long as the vector of all parameters (after Li et al., Visualizing the Loss Landscape of Neural
    Nets, 2018), so that 1 on an axis changes the parameters by about their own size. The star is the model.

    Parameters
    ----------
    model : Module
        It keeps its parameters.
    X, y : array-like
        The examples, as `fit` takes them.
    loss : str or callable, optional
        As for `fit`; the loss of the model's last `fit` unless given.
    ax : matplotlib.axes.Axes, optional
        Where to draw; on a new figure unless given.
    span : float, optional
        How far to go to each side.
    resolution : int, optional
        On how many columns and rows the loss is computed.
    seed : int, optional
        Of the directions.

    Examples
    --------
    >>> from nn import Neuron
    >>> unit = Neuron(1, nonlin=False, seed=1)
    >>> axes = plot_loss_landscape(unit, [[0.0], [1.0]], [0.0, 1.0], "half_squared_error", resolution=5)
    >>> axes.get_title()
    'half_squared_error'
    """
    pyplot = import_pyplot()
    if not isinstance(model, Module):
        raise TypeError(f"model must be a Module, such as an MLP, not {describe(model)}")
    trained_with = getattr(model, "_trained_with", "")
    if loss is None and trained_with not in LOSSES:
        raise ValueError("which loss? the model was not trained by fit with one of nn's losses; give loss=")
    criterion = loss_function(trained_with if loss is None else loss)
    if not (isinstance(span, Real) and 0.0 < span < math.inf):
        raise ValueError(f"span must be a number above 0, not {describe(span)}")
    if check_count(resolution, "resolution") < 2:
        raise ValueError("resolution must be at least 2, not 1")
    inputs, targets = as_arrays(X, y)
    here = np.array([parameter.data for parameter in model.parameters()])
    if here.size < 2:
        raise ValueError(f"a landscape has two directions, but the model has {here.size} parameters: give two or more")
    chance = random_generator(seed)
    first, second = np.array([[chance.gauss() for _ in here] for _ in range(2)])
    second -= (first @ second) / (first @ first) * first
    size = np.linalg.norm(here) or 1.0
    first, second = (direction / (np.linalg.norm(direction) or 1.0) * size for direction in (first, second))
    steps = np.linspace(-span, span, resolution)
    heights = np.array(
        [[_loss_at(model, here + a * first + b * second, inputs, targets, criterion) for a in steps] for b in steps]
    )
    axes = pyplot.subplots(figsize=(5.6, 4.6), layout="constrained")[1] if ax is None else ax
    finite = np.ma.masked_invalid(heights)
    filled = axes.contourf(steps, steps, finite, levels=24, cmap="viridis")
    axes.contour(steps, steps, finite, levels=12, colors="white", linewidths=0.5, alpha=0.6)
    axes.plot(0.0, 0.0, marker="*", color="white", markeredgecolor="black", markersize=14, label="the model")
    axes.figure.colorbar(filled, ax=axes, label="loss")
    axes.set(xlabel="first direction", ylabel="second direction", title=loss_name(criterion))
    return axes


def _loss_at(
    model: Module, numbers: NDArray[np.float64], inputs: NDArray[Any], targets: NDArray[Any], criterion: Loss
) -> float:
    moved = model.with_parameters(numbers.tolist())
    loss = criterion(outputs_along_graph(moved, inputs), targets.tolist())
    return float(loss.data if isinstance(loss, Value) else loss)


def _with_gaps(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interrupt a curve where it jumps, which is no vertical line of the function's: steps far above all others."""
    steps = np.abs(np.diff(ys))
    jumps = np.flatnonzero(steps > _JUMP * max(np.ptp(ys), 1e-300)) + 1
    return np.insert(xs, jumps, np.nan), np.insert(ys, jumps, np.nan)


def import_pyplot() -> Any:
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


def _probabilities(outputs: NDArray[np.float64], trained_with: str) -> NDArray[np.float64] | None:
    """Give each class's probability at each point; None if the outputs are no logits and no probabilities."""
    if outputs.shape[1] == 1 and trained_with in ("binary_cross_entropy", "binary_cross_entropy_from_logits"):
        of_one = outputs[:, 0]
        if trained_with == "binary_cross_entropy_from_logits":
            of_one = np.array([sigmoid(z) for z in of_one.tolist()])
        return np.column_stack([1.0 - of_one, of_one])
    if trained_with == "cross_entropy":
        return outputs
    return np.array([softmax(row) for row in outputs.tolist()]) if trained_with == "cross_entropy_from_logits" else None


def _fill_regions(
    axes: Axes,
    xs: NDArray[np.float64],
    ys: NDArray[np.float64],
    margins: NDArray[np.float64],
    chances: NDArray[np.float64] | None,
) -> None:
    """Fill each class's region up to the line where it stops being ahead, interpolated between the points.

    With probabilities the colour is the deeper the more certain the class is.
    """
    for k, column in enumerate(margins.T):
        margin = column.reshape(len(ys), len(xs))
        if margin.max() > 0.0:
            regions = axes.contourf(xs, ys, margin, levels=[0.0, margin.max() * 2.0], colors=[tinted(_color(k), _TINT)])
            regions.set_gid(f"region of class {k}")
            if chances is not None:
                even = 1.0 / chances.shape[1]
                sure = np.clip((chances[:, k].reshape(margin.shape) - even) / (1.0 - even), 0.0, 1.0)
                shade = np.ones((*margin.shape, 4))
                shade[..., :3] = [int(_color(k)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
                shade[..., 3] = np.where(margin > 0.0, _DEEPEST * sure, 0.0)
                extent = (xs[0], xs[-1], ys[0], ys[-1])
                image = axes.imshow(
                    shade, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=1.5
                )
                image.set_gid(f"probability of class {k}")
        if margin.max() > 0.0 > margin.min():
            axes.contour(xs, ys, margin, levels=[0.0], colors="white", linewidths=1.5)


def _color(k: int) -> str:
    return _COLORS[k % len(_COLORS)]
