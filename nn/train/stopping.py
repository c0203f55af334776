"""When training ends: the rules that `fit` is given, judged after each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autograd_mini.engine.checks import check_count, describe
from nn.checks import check_not_negative, check_positive
from nn.train.history import History

Callback = Callable[[History], Any]


@dataclass(frozen=True)
class StoppingRules:
    """The rules of one training, as `fit` documents them; None where there is none."""

    epochs: int | None = None
    tol: float | None = None
    patience: int | None = None
    max_seconds: float | None = None
    callback: Callback | None = None

    def __post_init__(self) -> None:
        checks: dict[str, Callable[[Any, str], float]] = {
            "epochs": check_count,
            "tol": check_not_negative,
            "patience": check_count,
            "max_seconds": check_positive,
        }
        for name, check in checks.items():
            if (rule := getattr(self, name)) is not None:
                check(rule, name)
        if self.callback is not None and not callable(self.callback):
            raise TypeError(f"callback must be a function of the history, not {describe(self.callback)}")

    @property
    def are_none(self) -> bool:
        """Whether nothing but the data's end or Ctrl-C would ever end training."""
        return all(rule is None for rule in vars(self).values())

    def time_is_over(self, elapsed: float) -> bool:
        """Tell whether no further step should be done."""
        return self.max_seconds is not None and elapsed >= self.max_seconds

    def reason_to_stop(self, history: History, elapsed: float) -> str:
        """Call the callback, then say why training should end after this epoch; empty if it should go on."""
        if self.callback is not None and self.callback(history):
            return self.callback.reason if isinstance(self.callback, Stall) else "the callback asked for it"
        if self.tol is not None and _last_change(history.loss) <= self.tol:
            return f"the loss changed by no more than tol = {self.tol:g}"
        if self.patience is not None and len(history) - history.best_epoch >= self.patience:
            loss = "validation loss" if history.validation_loss else "loss"
            return f"no lower {loss} for patience = {self.patience} epochs"
        if self.time_is_over(elapsed):
            return f"max_seconds = {self.max_seconds:g} are over"
        if len(history) == self.epochs:
            return f"epochs = {self.epochs} are done"
        return ""


@dataclass
class Stall:
    """scikit-learn's rule, a callback: stop when more than `epochs` in a row lowered no loss by `tol`.

    The loss is that of the validation data if there are any, and is compared with the lowest one before. The rule looks
    at nothing but the history, so `fit` need not watch what it does to the model.
    """

    tol: float
    epochs: int
    lowest: float = math.inf
    count: int = 0

    @property
    def reason(self) -> str:
        """Say why training ended by this rule."""
        return f"no loss lower by tol = {self.tol:g} in more than {self.epochs} epochs"

    def __call__(self, history: History) -> bool:
        loss = (history.validation_loss or history.loss)[-1]
        self.count = self.count + 1 if loss > self.lowest - self.tol else 0
        self.lowest = min(self.lowest, loss)
        return self.count > self.epochs


def _last_change(losses: list[float]) -> float:
    return abs(losses[-1] - losses[-2]) if len(losses) > 1 else math.inf
