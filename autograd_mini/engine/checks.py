"""Checks of arguments that every package shares, and how their messages name what was wrong."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

_REAL = (np.floating, np.integer, np.bool_, Real)  # the abstract class, which takes longest, comes last


def is_real(number: Any) -> bool:
    """Say whether something is a real number of Python's or NumPy's."""
    if type(number) is float or type(number) is int or isinstance(number, (float, int)):
        return True
    return isinstance(number, _REAL)


def as_float(number: Any, role: str) -> float:
    """Convert a real number of any kind to a float.

    Parameters
    ----------
    number : int, float, Fraction, NumPy scalar or any other `numbers.Real`
    role : str
        What the number is for; an error message starts with it.

    Raises
    ------
    TypeError
        If `number` is no real number: a string, None, a complex number, an array, a Value.
    OverflowError
        If it is an integer beyond the range of float64.

    Examples
    --------
    >>> as_float(3, "data")
    3.0
    >>> as_float("3", "data")
    Traceback (most recent call last):
        ...
    TypeError: data must be a real number, not '3' (str)
    """
    if type(number) is not int and not isinstance(number, float) and not is_real(number):
        raise TypeError(f"{role} must be a real number, not {describe(number)}")
    return to_float(number, role)


def to_float(number: Any, role: str) -> float:
    """Convert what `is_real` says is a real number."""
    try:
        return float(number)
    except OverflowError:
        raise OverflowError(f"{role} is too large for float64: {describe(number)}") from None


def check_label(text: Any) -> str:
    """Check a name for a node: a string."""
    if not isinstance(text, str):
        raise TypeError(
            f"label must be a string, not {describe(text)}; to define an operation, see autograd_mini.operation"
        )
    return str(text)


def describe(thing: object) -> str:
    """Name a wrong argument in an error message: its value, cut if long, and its type."""
    if isinstance(thing, int) and thing.bit_length() > 200:
        text = f"an integer of {thing.bit_length()} bits"
    else:
        try:
            text = repr(thing)
        except ValueError:  # str() refuses very long integers, in a Fraction or a list too
            text = "a number too long to print"
    if len(text) > 60:
        text = text[:57] + "..."
    return f"{text} ({thing.__class__.__name__})"  # of a traced number Value


def check_places(places: Any, role: str) -> tuple[int, ...]:
    """Check one place, or a tuple of them, of positional arguments: list them.

    Examples
    --------
    >>> check_places(0, "argnums"), check_places((0, 2), "argnums")
    ((0,), (0, 2))
    >>> check_places(True, "argnums")
    Traceback (most recent call last):
        ...
    TypeError: argnums must be an integer or a tuple of integers, not True (bool)
    """
    listed: tuple[Any, ...] = places if isinstance(places, tuple) else (places,)
    for place in listed:
        if not isinstance(place, int) or isinstance(place, bool):
            raise TypeError(f"{role} must be an integer or a tuple of integers, not {describe(places)}")
    return listed


def check_count(number: Any, role: str, least: int = 1) -> int:
    """Check a number of things: an integer, `least` or more.

    Raises
    ------
    TypeError
        If `number` is no integer, but 1.5, None or True for example.
    ValueError
        If it is less than `least`.

    Examples
    --------
    >>> check_count(3, "epochs")
    3
    >>> check_count(0, "epochs")
    Traceback (most recent call last):
        ...
    ValueError: epochs must be at least 1, not 0
    """
    try:
        n = operator.index(number)
    except TypeError:
        n = None
    if n is None or isinstance(number, bool):
        raise TypeError(f"{role} must be an integer, not {describe(number)}")
    if n < least:
        raise ValueError(f"{role} must be at least {least}, not {n}")
    return n


def are_floats(numbers: Sequence[Any]) -> bool:
    """Say whether some numbers are floats and nothing else."""
    return set(map(type, numbers)) <= {float}
