"""The contract of jit: whose a model and its loss are, whether they have changed, and whether the numbers agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Real
from traceback import walk_tb
from types import TracebackType
from typing import Any

import numpy as np

import autograd_mini
from autograd_mini import TracingError, Value
from nn.activations import activation_title
from nn.checks import name_in
from nn.layer import Layer
from nn.losses import LOSSES, Loss
from nn.mlp import MLP
from nn.module import Module, all_parts, is_parameter
from nn.neuron import Neuron

# How far compiled numbers may be from the graph's: relative to the largest, and absolutely.
_RELATIVE, _ABSOLUTE = 1e-10, 1e-13


def foreign_part(model: Module, loss: Loss | None = None) -> str:
    """Name a part of model or loss that is not nn's own; only its author knows whether it is a pure function."""
    if loss is not None and not name_in(LOSSES, loss):
        return f"the loss {getattr(loss, '__name__', type(loss).__name__)}"
    kind = type(model)
    if kind not in (MLP, Layer, Neuron) or any(hasattr(kind, name) for name in vars(model)):  # a method replaced
        return f"this {kind.__name__}"
    activation = getattr(model, "activation", autograd_mini.identity)
    if not _is_own_function(activation):
        return f"the activation {activation_title(activation)}"
    parts = getattr(model, "layers", None) or getattr(model, "neurons", [])
    return next(filter(None, map(foreign_part, parts)), "")


def _is_own_function(function: Any) -> bool:
    if isinstance(function, partial):
        options = [*function.args, *function.keywords.values()]
        return _is_own_function(function.func) and all(isinstance(option, Real) for option in options)
    return getattr(autograd_mini, getattr(function, "__name__", ""), None) is function


class Structure:
    """Notices changes of a model: which parts it consists of, and the data of Values that are no parameters."""

    def __init__(self, model: Module) -> None:
        self._parts = all_parts(model)  # kept, so that no other object gets the identity of one
        constants = (part for part in self._parts if isinstance(part, Value) and not is_parameter(part))
        self._key = list(map(id, self._parts)), [constant.data for constant in constants]

    def is_of(self, model: Module) -> bool:
        """Tell whether a model still has these parts and constants."""
        return self._key == Structure(model)._key


@contextmanager
def compiling() -> Iterator[None]:
    """Say of a refusal what it refuses, with the user's frames alone in the traceback below this one."""
    try:
        yield
    except TracingError as error:
        traceback = None
        for frame, line in reversed(list(walk_tb(error.__traceback__))):
            if str(frame.f_globals.get("__name__")).partition(".")[0] not in ("autograd_mini", "nn", "contextlib"):
                traceback = TracebackType(traceback, frame, frame.f_lasti, line)
        message = f"jit=True can't compile this model or loss: {error}"
        raise TracingError(message).with_traceback(traceback) from None


def check_same(what: str, found: Any, expected: Any) -> None:
    """Refuse a user's model or loss whose compiled numbers are not the graph's."""
    expected = np.asarray(expected)
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    if not np.allclose(found, expected, rtol=0.0, atol=_RELATIVE * scale + _ABSOLUTE, equal_nan=True):
        raise ValueError(
            f"with jit=True the {what} would differ from the graph's: model and loss must be pure functions of "
            "parameters and examples, and the loss the mean over the examples"
        )


def check_mean(metric: Callable[[Any, Any], float], outputs: list[Any], targets: list[Any]) -> None:
    """Refuse a metric that is not the mean over its examples: it can't be measured by chunk."""
    half, n = len(outputs) // 2, len(outputs)
    if not half:
        return
    parts = [metric(outputs[i:j], targets[i:j]) * (j - i) for i, j in ((0, half), (half, n))]
    if not np.isclose(sum(parts) / n, metric(outputs, targets), rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True):
        raise ValueError(
            "of Dask's rows a metric is measured by chunk, so it must be the mean over the examples, and this one is "
            "not; predict gives a Dask array, of which other figures can be computed"
        )
