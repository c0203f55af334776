"""Real functions on floats with IEEE 754 results: where `math` raises, these give nan or inf.

Knows only floats; nothing here has heard of a graph.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from functools import reduce

import numpy as np

FloatFunction = Callable[..., float]


def ieee(function: FloatFunction, fallback: FloatFunction) -> FloatFunction:
    """Make a `math` function total: `fallback`, NumPy's, answers where `function` raises."""

    def total(*xs: float) -> float:
        try:
            return function(*xs)
        except (ValueError, OverflowError):
            with np.errstate(all="ignore"):
                return float(fallback(*xs))

    return total


def nan(*_: float) -> float:
    """Answer nan, for functions of `math` whose every error is an invalid operation."""
    return math.nan


def divide(x: float, y: float) -> float:
    """Give x / y; a zero divisor gives inf or nan, signed as IEEE 754 has it."""
    try:
        return x / y
    except ZeroDivisionError:
        if x == 0.0 or x != x:
            return math.nan
        return math.copysign(math.inf, x) * math.copysign(1.0, y)


def floor_mod(x: float, y: float) -> float:
    """Give x % y with Python's sign rule; nan for a zero divisor."""
    return operator.mod(x, y) if y != 0.0 else math.nan  # a compiled x % y would be C's fmod


def floor_divide(x: float, y: float) -> float:
    """Give x // y with Python's rounding; a zero divisor gives what x / y gives."""
    return operator.floordiv(x, y) if y != 0.0 else divide(x, y)  # a compiled x // y would round x / y


def integral(rounding: Callable[[float], int]) -> FloatFunction:
    """Make floor, ceil or trunc return a float, keep the sign of zero, and pass on inf and nan."""

    def rounded(x: float) -> float:
        return math.copysign(float(rounding(x)), x) if math.isfinite(x) else x

    return rounded


def sigmoid(x: float) -> float:
    """Give 1 / (1 + e^-x) without overflow for any x."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)  # underflows to 0 harmlessly; nan passes through
    return e * (1.0 / (1.0 + e))  # as its lowering, to the last bit


def softplus(x: float) -> float:
    """Give log(1 + e^x) without overflow for any x."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x))) if x == x else x


def gamma(x: float) -> float:
    """Give the gamma function; inf at 0, signed as the zero is, and nan at the other poles."""
    try:
        return math.gamma(x)
    except OverflowError:  # of a large x, or of one beside 0
        return math.copysign(math.inf, x)
    except ValueError:
        return math.copysign(math.inf, x) if x == 0.0 else math.nan


def rint(x: float) -> float:
    """Round to the nearest integer, halves to even ones."""
    return math.copysign(float(round(x)), x) if math.isfinite(x) else x


def gelu(x: float) -> float:
    """Give x times the standard normal distribution function at x."""
    return x * 0.5 * math.erfc(-x * math.sqrt(0.5))


def maximum(x: float, y: float) -> float:
    """Give the larger of x and y; nan if either is nan."""
    return x if x > y or x != x else y


def minimum(x: float, y: float) -> float:
    """Give the smaller of x and y; nan if either is nan."""
    return x if x < y or x != x else y


def sum_left_to_right(*xs: float) -> float:
    """Give ((x1 + x2) + x3) + ..., where the built-in sum compensates for rounding from Python 3.12 on."""
    return reduce(operator.add, xs, 0.0)


def fsum(*xs: float) -> float:
    """Give the exactly rounded sum; inf and nan as in ordinary addition."""
    try:
        return math.fsum(xs)
    except ValueError:  # inf - inf
        return math.nan
    except OverflowError:  # of a partial sum, perhaps not of the sum
        special = [x for x in xs if not math.isfinite(x)]
        if special:
            return sum(special)
        total = sum(map(Fraction, xs))
        try:
            return float(total)
        except OverflowError:
            return math.inf if total > 0 else -math.inf


def dot(*operands: float) -> float:
    """Give w1*x1 + ... + wn*xn + bias from the operands w1 ... wn, x1 ... xn, bias."""
    half = len(operands) // 2
    total = 0.0
    for w, x in zip(operands[:half], operands[half:-1]):
        total += w * x
    return total + operands[-1]
