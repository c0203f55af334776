"""A Python loop that jit unrolls is pointed out, once for each compilation; layers, sums and short loops are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_mini import UnrolledLoopWarning, dot, grad, jit, log, scan, tanh

DATA = np.random.default_rng(0).normal(size=1000)


def likelihood(p: Any, days: int) -> Any:
    h, total = p[0], 0.0
    for x in DATA[:days].tolist():
        h = p[0] + p[1] * x * x + p[2] * h
        total = total + log(h) + x * x / h
    return total


def looped(p: Any) -> Any:
    def day(carry: Any, x: Any) -> Any:
        h, total = carry
        h = p[0] + p[1] * x * x + p[2] * h
        return (h, total + log(h) + x * x / h), None

    return scan(day, (p[0], 0.0), DATA)[0][1]


def penalty(p: Any) -> Any:
    total = p[0]
    for x in DATA.tolist():
        total += (p[1] * x) ** 2 * p[2]
    return total


def layers(p: Any) -> Any:
    xs = p
    for _ in range(2):
        xs = [tanh(dot(p, xs[:3])) for _ in range(400)]
    return dot(xs, xs)


@pytest.mark.parametrize("derived", [lambda f: f, grad], ids=["value", "gradient"])
def test_a_long_loop_is_pointed_out_once(derived: Callable[[Any], Any]) -> None:
    compiled = jit(derived(lambda p: likelihood(p, 1000)))
    with pytest.warns(UnrolledLoopWarning, match=r"scan .*UnrolledLoopWarning") as caught:
        compiled([0.1, 0.2, 0.7])
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnrolledLoopWarning)
        compiled([0.1, 0.2, 0.6])


@pytest.mark.parametrize(
    "f", [lambda p: likelihood(p, 100), looped, penalty, layers], ids=["short", "scan", "sum", "layers"]
)
@pytest.mark.parametrize("derived", [lambda f: f, grad], ids=["value", "gradient"])
def test_short_loops_scans_sums_and_layers_are_not(derived: Callable[[Any], Any], f: Callable[[Any], Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnrolledLoopWarning)
        jit(derived(f))([0.1, 0.2, 0.7])
