"""Derivatives by differences of function values: slow and inexact, and so a check on the exact ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

# The step that balances the truncation error, of order h**2, and rounding, of order epsilon / h.
_STEP = sys.float_info.epsilon ** (1 / 3)


def central_differences(function: Callable[[Sequence[float]], float], xs: Sequence[float]) -> list[float]:
    """Estimate the gradient of a function by moving one argument at a time, both ways.

    Parameters
    ----------
    function : callable
        Takes a sequence of floats, gives a float.
    xs : sequence of float
        The point.

    Returns
    -------
    list of float
        One derivative for each of `xs`, with about 10 correct digits where the function is smooth.

    Examples
    --------
    >>> [round(d, 6) for d in central_differences(lambda v: v[0] * v[1], [2.0, 3.0])]
    [3.0, 2.0]
    """
    gradient = []
    for i, x in enumerate(xs):
        h = _STEP * max(1.0, abs(x))
        above, below = x + h, x - h
        high = function([*xs[:i], above, *xs[i + 1 :]])
        low = function([*xs[:i], below, *xs[i + 1 :]])
        gradient.append((high - low) / (above - below))
    return gradient
