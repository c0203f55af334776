"""Checks of arguments that the parts of nn share; knows nothing of models, losses and training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from autograd_mini import Scalar, Value, identity
from autograd_mini.engine.checks import as_float, describe

T = TypeVar("T")


def look_up(table: Mapping[str, T], name: str, kind: str) -> T:
    """Find a name in a table, or say which names there are."""
    try:
        return table[name]
    except KeyError:
        raise ValueError(f"unknown {kind} {name!r}; known are: {', '.join(sorted(table))}") from None


def find_function(table: Mapping[str, T], function: str | T, kind: str) -> T:
    """Find a function by its name in a table; a function is given back."""
    if isinstance(function, str):
        return look_up(table, function, kind)
    if not callable(function):
        raise TypeError(f"{kind} must be a name or a function, not {describe(function)}")
    return function


def name_in(table: Mapping[str, Any], function: Any) -> str:
    """Find the name that a table has for a function; empty for a user's own."""
    return next((name for name, known in table.items() if known is function), "")


# Numbers.


def is_finite(number: Any) -> bool:
    """Tell a finite float from all else."""
    return isinstance(number, float) and math.isfinite(number)


def check_positive(number: Any, role: str) -> float:
    """Check a finite number above 0."""
    if not 0.0 < as_float(number, role) < math.inf:
        raise ValueError(f"{role} must be positive and finite, not {number}")
    return float(number)


def check_not_negative(number: Any, role: str) -> float:
    """Check a finite number, 0 or more."""
    if not 0.0 <= as_float(number, role) < math.inf:
        raise ValueError(f"{role} must be 0 or more and finite, not {number}")
    return float(number)


def check_fraction(number: Any, role: str) -> float:
    """Check a number from 0 up to, but not including, 1."""
    if not 0.0 <= as_float(number, role) < 1.0:
        raise ValueError(f"{role} must be at least 0 and less than 1, not {number}")
    return float(number)


def check_class(target: Any, classes: int, role: str) -> int:
    """Check a class, counted from 0; a float such as 2.0 may stand for it."""
    if not isinstance(target, Real):
        raise TypeError(f"{role} must be a class index or a row of probabilities, not {describe(target)}")
    index = float(target)
    if not (0.0 <= index < classes and index.is_integer()):
        raise ValueError(f"{role} must be a class index from 0 to {classes - 1}, not {target}")
    return int(index)


# Rows of numbers and Values.


def check_sequence(thing: Any, role: str) -> Sequence[Any]:
    """Check that something is a sequence of anything but characters; arrays are sequences of their rows."""
    if isinstance(thing, (str, bytes, Mapping)) or not (hasattr(thing, "__len__") and hasattr(thing, "__iter__")):
        raise TypeError(f"{role} must be a sequence, not {describe(thing)}")
    if getattr(thing, "shape", None) == ():
        raise TypeError(f"{role} must be a sequence, not a single number: {describe(thing)}")
    return thing  # type: ignore[no-any-return]


def check_batch(predictions: Any, targets: Any) -> None:
    """Check that there is a prediction, and a target for each."""
    check_sequence(predictions, "predictions, one for each example of a batch,")
    check_sequence(targets, "targets, one for each example of a batch,")
    if len(predictions) != len(targets):
        raise ValueError(f"expected as many targets as predictions, but got {len(targets)} and {len(predictions)}")
    if len(predictions) == 0:
        raise ValueError("expected at least one prediction, but the batch is empty")


def is_row(thing: Any) -> bool:
    """Tell a list of outputs, or an array of them, from a single output."""
    return not isinstance(thing, Scalar) and (isinstance(thing, (list, tuple)) or bool(getattr(thing, "shape", ())))


def is_traced(number: Any) -> bool:
    """Tell a number of a function that jit is tracing: its value is not known."""
    return isinstance(number, Scalar) and (not isinstance(number, Value) or number.is_traced)


def as_numbers(output: Any) -> Any:
    """Read the number of an output, or the numbers of a row of outputs."""
    if type(output) is float:
        return output
    if is_row(output):
        return [as_numbers(entry) for entry in output]
    return output.data if isinstance(output, Value) else as_float(output, "a prediction")


def as_inputs(x: Any, nin: int) -> list[Any]:
    """Make one example's inputs a list of Values: numbers become constants, once for all neurons."""
    if len(check_sequence(x, "the input of one example")) != nin:
        raise ValueError(f"expected {nin} inputs, but got {len(x)}: {describe(x)}")
    return [xi if isinstance(xi, Scalar) else _as_input(xi, i) for i, xi in enumerate(x)]


def _as_input(x: Any, i: int) -> Any:
    if isinstance(x, Real):
        return Value(x).detach()
    try:
        identity(x)  # the engine decides whether it can compute with other objects
    except TypeError:
        raise TypeError(f"input {i} must be a number or a Value, not {describe(x)}") from None
    return x


# Arrays of finite numbers.


def as_array(numbers: Any, role: str) -> NDArray[Any]:
    """Convert nested numbers to an array of finite numbers, of integers if all are; or say which entry is wrong."""
    array = _finite(numbers, role)
    if array.ndim == 0:
        raise TypeError(f"{role} must be an array of numbers, not {describe(numbers)}")
    return array


def finite_array(numbers: Any, role: str, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Copy nested numbers into an array of finite floats, of the shape if one is given."""
    array = _finite(numbers, role)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{role} must have the shape {shape}, but has {array.shape}")
    return array.astype(np.float64)


def _finite(numbers: Any, role: str) -> NDArray[Any]:
    if np.ma.is_masked(numbers):
        raise ValueError(f"{role} must not be masked: drop or fill what is missing")
    try:
        array = np.asarray(numbers)
    except ValueError:
        raise ValueError(f"{role} must be an array of numbers, but its rows differ in length") from None
    if array.dtype.kind not in "biuf":
        array = _from_objects(np.asarray(numbers, dtype=object), role)
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if not np.isfinite(array).all():
        place = tuple(np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{role} must be finite, but {_entry(role, place)} is {array[place]}")
    return array


def _from_objects(array: NDArray[Any], role: str) -> NDArray[Any]:
    """Convert an array of Python objects that are all numbers, such as pandas makes of a mixed frame."""
    for place, entry in np.ndenumerate(array):
        if isinstance(entry, (list, tuple, np.ndarray)):
            raise ValueError(f"{role} must be an array of numbers, but its rows differ in length")
        if not isinstance(entry, Real):
            wrong = f"but {_entry(role, place)} is" if place else "not"
            raise TypeError(f"{role} must be an array of numbers, {wrong} {describe(entry)}")
        as_float(entry, _entry(role, place))
    whole = all(isinstance(entry, (int, np.integer)) and -(2**63) <= entry < 2**63 for entry in array.flat)
    return array.astype(np.int64 if whole else np.float64)


def _entry(role: str, place: tuple[Any, ...]) -> str:
    return f"{role}[{', '.join(map(str, place))}]" if place else "it"
