"""The reference for choices: numbers with exact first and second derivatives, by calculus, of the branch taken alone.

What is not chosen is not even looked at, so that no inf of it can reach a result. Each function here has the name of
the operation of autograd_mini that it is the reference for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

# Derivatives are off by so much at each step of a shaken evaluation, a thousand times more than by rounding.
SHAKE = 1e-13
CLOSE = 1e-9


class Unclear(Exception):
    """Rounding alone decides which branch is taken, or on which side of an edge a number is."""


class Jet:
    """A number, its slope in each leaf that it depends on, and its bends: second derivatives in pairs of leaves."""

    random: Random | None = None  # shakes each derivative if there is one

    def __init__(self, value: float, slopes: dict[int, float], bends: dict[Any, float], exact: bool) -> None:
        self.value, self.exact = value, exact
        self.slopes = {i: self.shaken(slope) for i, slope in slopes.items()}
        self.bends = {pair: self.shaken(bend) for pair, bend in bends.items()}

    def shaken(self, x: float) -> float:
        return x if Jet.random is None else x * (1.0 + Jet.random.uniform(-SHAKE, SHAKE))

    def __add__(self, other: Any) -> Jet:
        return _linear(self, 1.0, jet(other), 1.0, self.value + jet(other).value)

    def __sub__(self, other: Any) -> Jet:
        return _linear(self, 1.0, jet(other), -1.0, self.value - jet(other).value)

    def __mul__(self, other: Any) -> Jet:
        x, y = self, jet(other)
        return _binary(x, y, x.value * y.value, (y.value, x.value), (0.0, 1.0, 0.0))

    def __truediv__(self, other: Any) -> Jet:
        x, y = self, jet(other)
        _check_edge(y)
        a, b = np.float64(x.value), np.float64(y.value)
        with np.errstate(all="ignore"):
            return _binary(x, y, a / b, (1.0 / b, -a / b / b), (0.0, -1.0 / b / b, 2.0 * a / b / b / b))

    def __pow__(self, p: float) -> Jet:
        if p == 0.0:
            return _unary(self, 1.0, 0.0, 0.0, exact=True)
        _check_edge(self)
        x = np.float64(self.value)
        with np.errstate(all="ignore"):
            bend = p * (p - 1.0) * _power(x, p - 2.0) if p != 1.0 else 0.0
            return _unary(self, _power(x, p), p * _power(x, p - 1.0), bend, exact=False)

    def __neg__(self) -> Jet:
        return self * -1.0


def jet(x: Any) -> Jet:
    return x if isinstance(x, Jet) else Jet(float(x), {}, {}, True)


def leaf(i: int, x: float) -> Jet:
    return Jet(x, {i: 1.0}, {}, True)


def _unary(x: Jet, value: float, slope: float, bend: float, exact: bool) -> Jet:
    slopes = {i: float(slope * a) for i, a in x.slopes.items()}
    bends = {pair: float(slope * a) for pair, a in x.bends.items()}
    for i, a in x.slopes.items():
        for j, b in x.slopes.items():
            if bend != 0.0:
                bends[i, j] = bends.get((i, j), 0.0) + float(bend * a * b)
    return Jet(float(value), slopes, bends, exact and x.exact)


def _binary(x: Jet, y: Jet, value: float, slopes: tuple[float, float], bends: tuple[float, float, float]) -> Jet:
    total = _linear(x, slopes[0], y, slopes[1], float(value))
    pairs = ((x, x, bends[0]), (x, y, bends[1]), (y, x, bends[1]), (y, y, bends[2]))
    for first, second, bend in pairs:
        for i, a in first.slopes.items():
            for j, b in second.slopes.items():
                if bend != 0.0:
                    total.bends[i, j] = total.bends.get((i, j), 0.0) + total.shaken(float(bend * a * b))
    return total


def _linear(x: Jet, p: float, y: Jet, q: float, value: float) -> Jet:
    slopes = {i: float(p * a) for i, a in x.slopes.items()}
    bends = {pair: float(p * a) for pair, a in x.bends.items()}
    for i, a in y.slopes.items():
        slopes[i] = slopes.get(i, 0.0) + float(q * a)
    for pair, a in y.bends.items():
        bends[pair] = bends.get(pair, 0.0) + float(q * a)
    return Jet(value, slopes, bends, x.exact and y.exact)


def _power(x: Any, p: float) -> Any:
    """Give x ** p as C's pow does: NumPy has nan for the square root of -inf."""
    return math.pow(x, p) if x == -math.inf else np.power(x, p)


def _check_edge(x: Jet) -> None:
    """Refuse a number that rounding may have brought over the edge of a domain."""
    if not x.exact and abs(x.value) < CLOSE:
        raise Unclear


def _elementary(f: Any, slope: Callable[[Any], Any], bend: Callable[[Any], Any], edge: bool) -> Callable[[Jet], Jet]:
    def function(x: Jet) -> Jet:
        if edge:
            _check_edge(x)
        at = np.float64(x.value)
        with np.errstate(all="ignore"):
            return _unary(x, f(at), slope(at), bend(at), exact=f is np.sqrt)

    return function


sqrt = _elementary(np.sqrt, lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 / (x * np.sqrt(x)), True)
log = _elementary(np.log, lambda x: 1.0 / x if x >= 0.0 else np.nan, lambda x: -1.0 / (x * x), True)
exp = _elementary(np.exp, np.exp, np.exp, False)
sin = _elementary(np.sin, np.cos, lambda x: -np.sin(x), False)
tanh = _elementary(np.tanh, lambda x: np.cosh(x) ** -2.0, lambda x: -2.0 * np.tanh(x) * np.cosh(x) ** -2.0, False)


def greater(x: Any, y: Any) -> Jet:
    x, y = jet(x), jet(y)
    if not (x.exact and y.exact) and abs(x.value - y.value) < CLOSE:
        raise Unclear
    return jet(x.value > y.value)


def where(condition: Jet, x: Any, y: Any) -> Jet:
    return jet(x if condition.value else y)


def maximum(x: Any, y: Any) -> Jet:
    x, y = jet(x), jet(y)
    if math.isnan(x.value) or math.isnan(y.value):
        return _linear(x, math.nan, y, math.nan, math.nan)
    if x.value == y.value and x.exact and y.exact:
        if math.copysign(1.0, x.value) != math.copysign(1.0, y.value):
            raise Unclear  # which zero is the larger one is nobody's law
        return _linear(x, 0.5, y, 0.5, x.value)
    return where(greater(x, y), x, y)


def minimum(x: Any, y: Any) -> Jet:
    return -maximum(-jet(x), -jet(y))


def clip(x: Jet, low: Any, high: Any) -> Jet:
    low, high = jet(low), jet(high)
    if math.isnan(x.value) or math.isnan(low.value) or math.isnan(high.value):
        return minimum(maximum(x, low), high)
    if low.value == high.value and x.value < low.value:
        raise Unclear  # whose slope is shared by two bounds that are one, PyTorch gives to neither
    if greater(low, high).value or greater(x, high).value:
        return high
    return where(greater(low, x), low, x)


def relu(x: Jet) -> Jet:
    return where(greater(x, 0.0), x, 0.0) if x.value == x.value else x
