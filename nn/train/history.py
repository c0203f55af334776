"""History: what training recorded after each epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

from autograd_mini.engine.checks import describe
from nn.module import Module
from nn.show.animation import Animation, animate_training
from nn.show.plots import plot_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_FRAMES, _LARGEST = 32, 10_000  # snapshots, and numbers in each
_COLUMNS = ("loss", "metric", "validation_loss", "validation_metric", "lr", "seconds")


@dataclass(repr=False, eq=False)
class History:
    """The course of a training, one entry for each epoch in each list.

    Attributes
    ----------
    loss : list of float
        The loss with the L2 term: the mean over the epoch's examples, each measured before the step of its batch. So
        for a single batch it is the loss of the parameters before the epoch.
    metric : list of float
        The metric of the same outputs; empty without a metric.
    validation_loss, validation_metric : list of float
        Loss and metric of the validation data after the epoch; empty without validation data.
    lr : list of float
        The learning rate of the epoch's last step.
    seconds : list of float
        How long each epoch took.
    metric_name : str
    stopped : str
        Why training ended; empty while it goes on.
    engine : str
        How training ran: `"jit"`, or `"plain"` along the graph; empty before the first step.
    why_plain : str
        Why not through jit; empty if `fit` was called with `jit=False`.
    best_epoch : int
        The epoch, counted from 1, of the lowest validation loss, or without validation data of the
        lowest loss; 0 if there is none.

    Examples
    --------
    >>> history = History(metric_name="accuracy")
    >>> history.record(loss=0.7, lr=0.1, seconds=0.02, metric=0.5)
    >>> history.record(loss=0.4, lr=0.1, seconds=0.02, metric=0.75)
    >>> history
    History(2 epochs: loss 0.4, accuracy 0.75; in training)
    """

    metric_name: str = "metric"
    loss: list[float] = field(default_factory=list)
    metric: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_metric: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""
    engine: str = ""
    why_plain: str = ""
    best_epoch: int = 0
    _lowest: float = math.inf
    _snapshots: list[tuple[int, Any]] = field(default_factory=list)  # parameters after some epochs, 0 for the start

    def record(
        self,
        *,
        loss: float,
        lr: float,
        seconds: float,
        metric: float | None = None,
        validation_loss: float | None = None,
        validation_metric: float | None = None,
    ) -> None:
        """Add an epoch."""
        numbers = (loss, metric, validation_loss, validation_metric, lr, seconds)
        for name, number in zip(_COLUMNS, numbers):
            if number is not None:
                getattr(self, name).append(number)
        monitored = loss if validation_loss is None else validation_loss
        if monitored < self._lowest:
            self._lowest, self.best_epoch = monitored, len(self)

    def keep(self, numbers: Sequence[float]) -> None:
        """Keep the parameters after the latest epoch for `animate`: of all epochs at most 32, evenly spread."""
        if len(numbers) > _LARGEST:
            return
        stride = 1 if len(self._snapshots) < 2 else self._snapshots[1][0] - self._snapshots[0][0]
        if len(self) % stride == 0:
            self._snapshots.append((len(self), numbers))
        if len(self._snapshots) > _FRAMES:
            del self._snapshots[1::2]

    def animate(self, model: Module | None = None, X: Any = None, y: Any = None, *, seconds: float = 0.15) -> Animation:
        """Animate the training: the loss curve, and beside it the regions of the classes as they come about.

        `model` is the model that was trained, with two features; `X` and `y` are as for `plot_decision_regions`. The
        animation has at most 32 pictures, each of which stands for so many `seconds`. Jupyter shows it; `save` writes
        a .gif or an .html. Of models with more than 10,000 parameters nothing is kept to be animated.

        Examples
        --------
        >>> from nn import Neuron, fit
        >>> X, y, unit = [[0, 0], [1, 1]], [0, 1], Neuron(2, activation="sigmoid", seed=1)
        >>> history = fit(unit, X, y, loss="binary_cross_entropy", epochs=3)
        >>> film = history.animate(unit, X, y)
        """
        if not self._snapshots or not self:
            raise ValueError("there is nothing to animate: fit keeps what it takes, for up to 10,000 parameters")
        if (model is None) != (X is None) or (model is None) != (y is None):
            raise ValueError("give model, X and y together, or none of them for the loss curve alone")
        if model is not None and not isinstance(model, Module):
            raise TypeError(f"model must be the Module that was trained, not {describe(model)}")
        if model is not None and len(model.parameters()) != len(self._snapshots[0][1]):
            raise ValueError("this model has another number of parameters than the model that was trained")
        if not (isinstance(seconds, Real) and 0.01 <= seconds <= 60):
            raise ValueError(f"seconds must be a number from 0.01 to 60, not {seconds!r}")
        return animate_training(self.loss, self._snapshots, model, X, y, float(seconds))

    def as_dict(self) -> dict[str, list[float]]:
        """Copy what was recorded into a dict of lists of one length, as `pandas.DataFrame` takes it.

        Examples
        --------
        >>> history = History()
        >>> history.record(loss=0.7, lr=0.1, seconds=0.02)
        >>> history.as_dict()
        {'loss': [0.7], 'lr': [0.1], 'seconds': [0.02]}
        """
        return {name: list(getattr(self, name)) for name in _COLUMNS if getattr(self, name)}

    def plot(self, what: str = "loss", ax: Axes | None = None) -> Axes:
        """Plot the curves of training and, if there are any, of validation; they part where a model overfits.

        The axes are new ones unless given; `what` is "loss" or "metric".

        Examples
        --------
        >>> history = History()
        >>> history.record(loss=0.7, lr=0.1, seconds=0.02, validation_loss=0.8)
        >>> [line.get_label() for line in history.plot().lines]
        ['training', 'validation']
        """
        if what not in ("loss", "metric"):
            raise ValueError(f"what must be 'loss' or 'metric', not {what!r}")
        of_training, of_validation = getattr(self, what), getattr(self, f"validation_{what}")
        if not of_training:
            raise ValueError(f"there is nothing to plot: no {what} was recorded")
        curves = {"training": of_training, "validation": of_validation}
        name = self.metric_name if what == "metric" else "loss"
        return plot_curves({label: curve for label, curve in curves.items() if curve}, ax, ylabel=name)

    def latest(self) -> str:
        """Write the last epoch's figures, as the progress bar shows them."""
        shown = {
            "loss": self.loss,
            self.metric_name: self.metric,
            "validation loss": self.validation_loss,
            f"validation {self.metric_name}": self.validation_metric,
        }
        return ", ".join(f"{name} {numbers[-1]:.4g}" for name, numbers in shown.items() if numbers)

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        epochs = f"{len(self)} epoch{'' if len(self) == 1 else 's'}"
        figures = f": {self.latest()}" if self.loss else ""
        along = f"; along the graph: {self.why_plain}" if self.why_plain else ""
        return f"History({epochs}{figures}; {self.stopped or 'in training'}{along})"
