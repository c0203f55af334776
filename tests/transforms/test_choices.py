"""What was not chosen contributes nothing: to derivatives of any order, in every engine. Right values by calculus."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_mini import (
    Value,
    clip,
    detect_anomaly,
    exp,
    explain,
    grad,
    greater,
    hvp,
    isfinite,
    jacobian,
    jit,
    jvp,
    less,
    log,
    maximum,
    minimum,
    relu,
    scan,
    sqrt,
    where,
)

Function = Callable[..., Any]


def root(x: Any) -> Any:
    return where(greater(x, 0.0), sqrt(x), 0.0)


def entropy(x: Any) -> Any:
    return where(greater(x, 0.0), x * log(x), 0.0)


def heston(x: Any) -> Any:
    return 3.0 * sqrt(maximum(x, 0.0))


# A function, a point, and there its value, its first derivative and its second.
CASES = [
    (root, -1.0, 0.0, 0.0, 0.0),
    (root, 0.0, 0.0, 0.0, 0.0),
    (root, 4.0, 2.0, 0.25, -0.03125),
    (entropy, -1.0, 0.0, 0.0, 0.0),
    (entropy, 0.0, 0.0, 0.0, 0.0),
    (entropy, 1.0, 0.0, 1.0, 1.0),
    (heston, -0.25, 0.0, 0.0, 0.0),
    (heston, 0.25, 1.5, 3.0, -6.0),
    (lambda x: sqrt(relu(x)), -1.0, 0.0, 0.0, 0.0),
    (lambda x: sqrt(relu(x)), 1.0, 1.0, 0.5, -0.25),
    (lambda x: minimum(exp(x * 1000.0), 2.0), 1.0, 2.0, 0.0, 0.0),
    (lambda x: clip(1.0 / x, 0.0, 1.0) * 3.0, 0.0, 3.0, 0.0, 0.0),
    (lambda x: where(greater(log(x), -9e9), 2.0 * x, 5.0 * x), 0.0, 0.0, 5.0, 0.0),
    (lambda x: where(greater(x, 0.0), x, where(greater(x, -1.0), 0.0, 1.0 / (x + 1.0))) ** 2, 3.0, 9.0, 6.0, 2.0),
    (lambda x: where(greater(x, 0.0), sqrt(x), x) + where(greater(x, 0.0), x, log(-x)), -1.0, -1.0, 0.0, -1.0),
]

FIRST: list[Callable[[Function], Function]] = [
    grad,
    jacobian,
    lambda f: lambda x: jvp(f, (x,), (1.0,))[1],
    lambda f: lambda x: grad(lambda v: f(v[0]))([x])[0],
]
SECOND: list[Callable[[Function], Function]] = [
    lambda f: grad(grad(f)),
    lambda f: jacobian(jacobian(f)),
    lambda f: lambda x: hvp(f)(x, 1.0),
    lambda f: lambda x: jvp(lambda y: jvp(f, (y,), (1.0,))[1], (x,), (1.0,))[1],
]


@pytest.mark.parametrize("compiled", [lambda f: f, jit], ids=["eager", "jit"])
@pytest.mark.parametrize(("f", "x", "value", "first", "second"), CASES)
def test_what_was_not_chosen_contributes_nothing(
    f: Function, x: float, value: float, first: float, second: float, compiled: Callable[[Function], Function]
) -> None:
    assert f(Value(x)).data == jit(f)(x) == value
    for transform in FIRST:
        assert compiled(transform(f))(x) == pytest.approx(first, rel=1e-14)
    for transform in SECOND:
        assert compiled(transform(f))(x) == pytest.approx(second, rel=1e-14)


@pytest.mark.parametrize(("f", "x", "value", "first", "second"), CASES)
def test_backward_accumulates_such_gradients(f: Function, x: float, value: float, first: float, second: float) -> None:
    leaf = Value(x)
    leaf.grad = 10.0
    for _ in range(2):
        f(leaf).backward()
    assert leaf.grad == pytest.approx(10.0 + 2 * first, rel=1e-14)


def test_a_batch_in_which_some_examples_choose_otherwise() -> None:
    x = np.array([-1.0, 0.0, 4.0])
    assert jit(grad(root), in_axes=0)(x).tolist() == [0.0, 0.0, 0.25]
    assert jit(grad(root), in_axes=0, reduce="sum")(x) == 0.25
    assert jit(grad(grad(root)), in_axes=0)(x).tolist() == [0.0, 0.0, -0.03125]


@pytest.mark.parametrize("compiled", [lambda f: f, jit], ids=["eager", "jit"])
def test_a_nan_of_the_function_itself_stays(compiled: Callable[[Function], Function]) -> None:
    assert math.isnan(compiled(grad(lambda x: sqrt(x) * 0.0))(0.0))
    assert math.isnan(compiled(grad(lambda x: where(greater(x, -1.0), sqrt(x) * 0.0, 1.0)))(0.0))
    assert math.isnan(compiled(grad(lambda x: log(x) * where(greater(x, 0.0), 1.0, math.nan)))(0.0))


def test_a_gradient_inside_of_a_function_is_guarded_too() -> None:
    def f(x: Any) -> Any:
        return where(greater(grad(root)(x), -1.0), 7.0, 5.0)  # a nan would be less than anything

    assert [jit(f)(x) for x in (-1.0, 0.0, 4.0)] == [7.0, 7.0, 7.0]


def left_behind(x: Any, factor: Any) -> Any:
    """Give x + 2 x by a loop whose last carry is not used: 2 x times the factor."""
    _, ys = scan(lambda c, t: (c * t, c), x, [2.0, factor])
    return ys[0] + ys[1]


def mended(derivative: Any) -> Any:
    """Take a derivative as it is, if it is finite."""
    return where(isfinite(derivative), derivative, -1.0)


@pytest.mark.parametrize("compiled", [lambda f: f, jit], ids=["eager", "jit"])
def test_a_derivative_of_a_loop_that_only_a_comparison_reads_is_guarded_too(compiled: Any) -> None:
    first, second = grad(left_behind), grad(grad(lambda x, factor: left_behind(x * x, factor)))
    assert compiled(lambda x, t: mended(first(x, t)))(1.5, math.inf) == 3.0
    assert compiled(lambda x, t: mended(second(x, t)))(1.5, math.inf) == 6.0
    assert (
        compiled(lambda x, t: mended(jvp(grad(lambda x: left_behind(x * x, t)), (x,), (2.0,))[1]))(1.5, math.inf) == 12
    )


@pytest.mark.parametrize("compiled", [lambda f: f, jit], ids=["eager", "jit"])
def test_a_derivative_of_a_loop_within_a_round_of_another_is_guarded(compiled: Any) -> None:
    def steps(x: Any, t: Any) -> Any:
        return scan(lambda c, _: (mended(grad(left_behind)(c, t)), None), x, length=2)[0]

    assert compiled(steps)(1.5, math.inf) == 3.0
    batch = np.array([[1.5, 2.0], [1.5, math.inf]])
    compare = jit(lambda row: less(grad(left_behind)(row[0], row[1]), 4.0) + 0.0, in_axes=0)
    assert compare(batch).tolist() == [1.0, 1.0]
    assert compiled(lambda x, t: grad(steps)(x, t))(1.5, math.inf) == 0.0


def test_detect_anomaly_finds_none_in_what_was_not_chosen() -> None:
    x = Value(0.25)
    y = where(greater(x, 0.5), 1.0 / (x - x.data + 1e-300), x)
    with detect_anomaly():
        y.backward()
    assert x.grad == 1.0


def test_explain_takes_no_step_to_what_was_not_chosen() -> None:
    x = Value(0.0, "x")
    y = root(x)
    y.backward()
    assert "nan" not in str(explain(y))
    assert x.grad == 0.0
