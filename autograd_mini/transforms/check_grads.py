"""Derivatives compared with differences of function values, which are slow and inexact, but need no rule."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

from autograd_mini.engine.checks import check_count, describe
from autograd_mini.engine.value import Value
from autograd_mini.transforms.transforms import jacobian
from autograd_mini.transforms.trees import flatten, unflatten

# The step that balances the truncation error, of order h**2, and rounding, of order epsilon / h.
_STEP = sys.float_info.epsilon ** (1 / 3)


def central_differences(function: Callable[[Sequence[float]], float], xs: Sequence[float]) -> list[float]:
    """Estimate the gradient of a function by moving one argument at a time, both ways.

    Each derivative has about 10 correct digits where the function is smooth.

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


def check_grads(
    f: Callable[..., Any], args: Sequence[Any], order: int = 2, rtol: float = 1e-5, atol: float = 1e-7
) -> None:
    """Compare derivatives with finite differences, for every argument of `f` and up to an order.

    Parameters
    ----------
    f : callable
        Gives a number, or nested numbers.
    args : sequence
        The arguments to call `f` with: numbers, or nested numbers. A kink within a step of about 1e-5 of them looks
        like a wrong derivative.
    order : int, optional
        The highest order of derivatives to compare.
    rtol, atol : float, optional
        How far they may differ, relative to the derivative and absolutely.

    Raises
    ------
    AssertionError
        If a derivative disagrees: of which result, for which input, both figures.

    Examples
    --------
    >>> from autograd_mini import check_grads, operation, tanh
    >>> check_grads(lambda x, y: tanh(x * y), (0.5, 2.0))
    >>> wrong = operation("wrong(x)", lambda x: x * x, lambda out, x: 3 * x)
    >>> check_grads(wrong, (2.0,))
    Traceback (most recent call last):
        ...
    AssertionError: order 1: the derivative of f for args[0] is 6.0, but finite differences give 4
    """
    if not isinstance(args, (list, tuple)):
        raise TypeError(f"args must be a list or tuple of arguments, not {describe(args)}")
    check_count(order, "order")
    numbers, structure = flatten(tuple(args), "args")
    inputs = list(structure.paths("args"))

    def results(point: Sequence[Any]) -> list[Any]:
        return flatten(f(*unflatten(structure, point)), "the function's result")[0]

    functions: Callable[[Sequence[Any]], list[Any]] = results
    count = len(functions(numbers))
    names = ["f"] if count == 1 else [f"f[{i}]" for i in range(count)]
    for step in range(1, order + 1):
        derivative = jacobian(functions)
        for i, (name, exact) in enumerate(zip(names, derivative(numbers))):
            estimates = central_differences(partial(_component, functions, i), numbers)
            for place, found, estimate in zip(inputs, exact, estimates):
                if not abs(found - estimate) <= atol + rtol * abs(estimate):
                    raise AssertionError(
                        f"order {step}: the derivative of {name} for {place} is {found}, "
                        f"but finite differences give {estimate:.6g}"
                    )
        functions = partial(_entries, derivative)
        names = [f"(the derivative of {name} for {place})" for name in names for place in inputs]


def _component(functions: Callable[[Sequence[Any]], list[Any]], i: int, point: Sequence[float]) -> float:
    result = functions(point)[i]
    return result.data if type(result) is Value else float(result)


def _entries(matrix_of: Callable[..., Any], point: Sequence[Any]) -> list[Any]:
    return list(chain(*matrix_of(point)))
