"""Arrays whose elements may be Values: functions applied element by element, with NumPy's broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MASKED = (
    "a masked array beside a Value is refused: NumPy would compute with what is masked, and lose gradients; "
    "write autograd_mini.where(mask, 0.0, x), or leave the masked elements out: array.compressed()"
)


def has_array(operands: Sequence[Any]) -> bool:
    """Say whether an operand is an array; a masked one is refused."""
    for operand in operands:
        if isinstance(operand, np.ndarray):
            refuse_masked(operand)
            return True
    return False


def refuse_masked(thing: Any) -> None:
    """Refuse a masked array, in which gradients would get lost."""
    if isinstance(thing, np.ma.MaskedArray):
        raise TypeError(MASKED)


def elementwise(function: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """Apply a function of numbers to arrays, broadcast together.

    Examples
    --------
    >>> elementwise(max, [np.array([1.0, 5.0]), 2.0])
    array([2., 5.])
    """
    for operand in operands:
        refuse_masked(operand)
    with np.errstate(all="ignore"):  # inf and nan are results here
        result = np.frompyfunc(function, len(operands), 1)(*operands)
    return packed(result) if isinstance(result, np.ndarray) else result


def packed(array: NDArray[Any]) -> NDArray[Any]:
    """Make an array of floats of an array of objects that are all floats."""
    return array.astype(np.float64) if all(type(number) is float for number in array.flat) else array
