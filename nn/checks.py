"""Checks of arguments that several modules share, and how their messages name what was wrong."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Value, identity

T = TypeVar("T")


def describe(thing: object) -> str:
    """Name a wrong argument: its value, cut if long, and its type."""
    text = repr(thing)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(thing).__name__})"


def look_up(table: Mapping[str, T], name: str, kind: str) -> T:
    """Find a name in a table, or say which names there are."""
    try:
        return table[name]
    except KeyError:
        raise ValueError(f"unknown {kind} {name!r}; known are: {', '.join(sorted(table))}") from None


def count(number: Any, role: str) -> int:
    """Check a number of things: an integer, 1 or more."""
    try:
        n = operator.index(number)
    except TypeError:
        raise TypeError(f"{role} must be an integer, not {describe(number)}") from None
    if n < 1:
        raise ValueError(f"{role} must be at least 1, not {n}")
    return n


def sequence(thing: Any, role: str) -> Sequence[Any]:
    """Check that something is a sequence of anything but characters; arrays are sequences of their rows."""
    if isinstance(thing, (str, bytes, Mapping)) or not (hasattr(thing, "__len__") and hasattr(thing, "__iter__")):
        raise TypeError(f"{role} must be a sequence, not {describe(thing)}")
    if getattr(thing, "shape", None) == ():
        raise TypeError(f"{role} must be a sequence, not a single number: {describe(thing)}")
    return thing  # type: ignore[no-any-return]


def is_row(thing: Any) -> bool:
    """Tell a list of outputs, or an array of them, from a single one."""
    return not isinstance(thing, Value) and (isinstance(thing, (list, tuple)) or bool(getattr(thing, "shape", ())))


def batch(predictions: Any, targets: Any) -> None:
    """Check that there is a prediction, and a target for each."""
    sequence(predictions, "predictions, one for each example of a batch,")
    sequence(targets, "targets, one for each example of a batch,")
    if len(predictions) != len(targets):
        raise ValueError(f"expected as many targets as predictions, but got {len(targets)} and {len(predictions)}")
    if len(predictions) == 0:
        raise ValueError("expected at least one prediction, but the batch is empty")


def class_index(target: Any, classes: int, role: str) -> int:
    """Check a class, counted from 0; a float such as 2.0 may stand for it."""
    if not isinstance(target, Real):
        raise TypeError(f"{role} must be a class index or a row of probabilities, not {describe(target)}")
    index = float(target)
    if not (0.0 <= index < classes and index.is_integer()):
        raise ValueError(f"{role} must be a class index from 0 to {classes - 1}, not {target}")
    return int(index)


def as_inputs(x: Any, nin: int) -> list[Any]:
    """Make one example's inputs a list of Values: numbers become constants, once for all neurons."""
    if len(sequence(x, "the input of one example")) != nin:
        raise ValueError(f"expected {nin} inputs, but got {len(x)}: {describe(x)}")
    return [xi if isinstance(xi, Value) else _as_input(xi, i) for i, xi in enumerate(x)]


def _as_input(x: Any, i: int) -> Any:
    if isinstance(x, Real):
        return Value(x).detach()
    try:
        identity(x)  # the engine knows best what else it can compute with
    except TypeError:
        raise TypeError(f"input {i} must be a number or a Value, not {describe(x)}") from None
    return x


def finite_array(numbers: Any, role: str, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Copy nested numbers into an array; all must be finite, and of the shape if one is given."""
    try:
        array = np.array(numbers)
    except ValueError:
        raise ValueError(f"{role} must be an array of numbers, but its rows differ in length") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{role} must be an array of numbers, not {describe(numbers)}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{role} must have the shape {shape}, but has {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{role} must be finite, but contains {array[~np.isfinite(array)].flat[0]}")
    return array.astype(np.float64)
