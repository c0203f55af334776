"""Simplification: what is left of a function, and that no bit of its results is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from operator import neg
from typing import Any

import pytest
from agreement import identical

import autograd_mini
from autograd_mini import Value, exp, grad, greater, hessian, jit, no_grad, tanh, value_and_grad, where
from autograd_mini.compiler.graph import Graph
from autograd_mini.compiler.simplify import simplify
from autograd_mini.compiler.trace import trace
from autograd_mini.transforms.trees import NUMBER

inf, nan = math.inf, math.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.5, 5e-324, -1e308, inf, -inf, nan]


def simplified(function: Callable[..., Any], arguments: int = 2) -> list[str]:
    """Give the lines of the simplified graph of a function of numbers."""
    return str(simplify(trace(function, [NUMBER] * arguments).graph)).splitlines()


# What is left out.


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        (lambda x, y: x * 1.0 + 1.0 * y, ["v1 = add(x0, x1)", "return v1"]),
        (lambda x, y: x * -1.0 + y / -1.0, ["v1 = neg(x0)", "v2 = sub(v1, x1)", "return v2"]),
        (lambda x, y: x / 1.0 - (y - 0.0), ["v1 = sub(x0, x1)", "return v1"]),
        (lambda x, y: x**1 * y**1, ["v1 = mul(x0, x1)", "return v1"]),
        (lambda x, y: neg(neg(x)) + neg(neg(y)), ["v1 = add(x0, x1)", "return v1"]),
        (lambda x, y: x + -y, ["v1 = sub(x0, x1)", "return v1"]),
        (lambda x, y: -x + y, ["v1 = sub(x1, x0)", "return v1"]),
        (lambda x, y: x - -y, ["v1 = add(x0, x1)", "return v1"]),
        (lambda x, y: (-x) * (-y), ["v1 = mul(x0, x1)", "return v1"]),
        (lambda x, y: x + (-0.0) + y, ["v1 = add(x0, x1)", "return v1"]),
        (lambda x, y: x * (2.0 * 3.0 + 4.0 / 8.0), ["v1 = mul(x0, 6.5)", "return v1"]),
        (lambda x, y: x + exp(Value(0.0)) * tanh(Value(0.0)), ["v1 = add(x0, 0.0)", "return v1"]),
        (lambda x, y: where(1.0, x, y) + where(0.0, x, y), ["v1 = add(x0, x1)", "return v1"]),
        (lambda x, y: where(greater(x, y), x, x), ["return x0"]),
        (lambda x, y: where(greater(x, y) * 0.0, x, y), ["return x1"]),
        (lambda x, y: x / 4.0, ["v1 = mul(x0, 0.25)", "return v1"]),
        (lambda x, y: x**0 + y**0, ["return 2.0"]),
        (lambda x, y: x**2 + y**-1, ["v1 = mul(x0, x0)", "v2 = div(1.0, x1)", "v3 = add(v1, v2)", "return v3"]),
        (lambda x, y: x.detach() * y, ["v1 = mul(x0, x1)", "return v1"]),
        (no_grad()(lambda x, y: x * y), ["v1 = mul(x0, x1)", "return v1"]),
    ],
)
def test_what_changes_nothing_is_left_out(function: Callable[..., Any], lines: list[str]) -> None:
    assert simplified(function) == lines


def test_constants_are_folded_to_their_last_bit() -> None:
    def function(x: Any) -> list[Any]:
        a, b = Value(0.1), Value(0.2)
        return [a + b, a * b, exp(a), tanh(b) / a, a ** Value(0.3), Value(1.0) / 0.0, Value(-1.0) ** 0.5]

    assert len(simplified(function, 1)) == 1
    expected = [number.data for number in function(1.0)]
    assert all(itertools.starmap(identical, zip(jit(function)(1.0), expected, strict=True)))


def test_dead_nodes_are_dropped() -> None:
    def function(x: Any, y: Any) -> Any:
        unused = exp(x) + y
        for _ in range(10):
            unused = tanh(unused * y)
        return x * y

    assert simplified(function) == ["v1 = mul(x0, x1)", "return v1"]
    assert len(simplify(trace(function, [NUMBER, NUMBER]).graph).operations) == 3, "two arguments and the product"


def test_common_subexpressions_are_shared() -> None:
    assert simplified(lambda x, y: exp(x * y) + tanh(exp(y * x)) + exp(x * y) * (y + x) + (x + y)) == [
        "v1 = mul(x0, x1)",
        "v2 = exp(v1)",
        "v3 = tanh(v2)",
        "v4 = add(v2, v3)",
        "v5 = add(x1, x0)",
        "v6 = mul(v2, v5)",
        "v7 = add(v4, v6)",
        "v8 = add(v7, v5)",
        "return v8",
    ]


def test_operands_that_do_not_commute_are_not_confused() -> None:
    def function(x: Any, y: Any) -> list[Any]:
        return [x - y, y - x, x / y, y / x, x**y, y**x]

    assert simplified(function) == [
        "v1 = sub(x0, x1)",
        "v2 = sub(x1, x0)",
        "v3 = div(x0, x1)",
        "v4 = div(x1, x0)",
        "v5 = pow(x0, x1)",
        "v6 = pow(x1, x0)",
        "return v1, v2, v3, v4, v5, v6",
    ]
    assert jit(function)(2.0, 3.0) == [-1, 1, 2 / 3, 1.5, 8.0, 9.0]


def test_the_value_is_not_computed_again_for_the_gradient() -> None:
    assert simplified(value_and_grad(lambda x, y: exp(x) * exp(y), argnums=(0, 1))) == [
        "v1 = exp(x0)",
        "v2 = exp(x1)",
        "v3 = mul(v1, v2)",
        "return v3, v3, v3",
    ]


def test_a_gradient_that_needs_no_value_computes_none() -> None:
    assert simplified(grad(lambda x, y: x * exp(y))) == ["v1 = exp(x1)", "return v1"]
    assert simplified(hessian(lambda x, y: x * x * 3.0 + y)) == ["return 6.0"]


def test_arguments_keep_their_places_and_what_is_captured_follows_them() -> None:
    weight = Value(2.0)
    assert simplified(lambda x, y: exp(y) - weight * y) == [
        "v1 = exp(x1)",
        "v2 = mul(x2, x1)",
        "v3 = sub(v1, v2)",
        "return v3",
    ]


def test_simplification_leaves_the_traced_graph_as_it_is_and_nothing_to_simplify() -> None:
    def function(x: Any, y: Any) -> list[Any]:
        return [x * 1.0 + exp(x) * exp(x), -x + y, where(greater(x, y), x, 2.0), 5.0]

    traced = trace(function, [NUMBER, NUMBER]).graph
    before = str(traced)
    once = simplify(traced)
    assert str(traced) == before
    assert str(simplify(once)) == str(once)


def test_very_deep_graphs_are_simplified_without_recursion() -> None:
    graph = Graph(1)
    node = 0
    for _ in range(100_000):
        node = graph.append(autograd_mini.sin, (node,))
    graph.results = [node]
    assert len(simplify(graph).operations) == 100_001


def test_zeros_of_different_sign_are_different_constants() -> None:
    positive, negative = jit(lambda x: [where(x, 0.0, 1.0), where(x, -0.0, 1.0)])(1.0)
    assert (math.copysign(1.0, positive), math.copysign(1.0, negative)) == (1.0, -1.0)


# What must not be left out, since some number makes a difference.

KEPT: list[Callable[[Any], Any]] = [
    lambda x: x * 0.0,
    lambda x: 0.0 * x,
    lambda x: x + 0.0,
    lambda x: 0.0 + x,
    lambda x: -0.0 - x,
    lambda x: 0.0 - x,
    lambda x: x - x,
    lambda x: x / x,
    lambda x: x - (-0.0),
    lambda x: 0.0 / x,
    lambda x: (x + 1e16) - 1e16,
    lambda x: (x * 3.0) / 3.0,
    lambda x: x * 2.0 * 3.0,
    lambda x: x / 3.0,
    lambda x: x / 5e-324,
    lambda x: x / 2.0**1023,
    lambda x: (x - 1.0) - (x - 1.0),
    lambda x: exp(autograd_mini.log(x)),
    lambda x: autograd_mini.sqrt(x * x),
    lambda x: (-x) + (-x),
    lambda x: -(x - 1.0),
    lambda x: (-x) * 3.0,
    lambda x: where(x, x * 0.0, x / 0.0),
    lambda x: where(greater(x, 0.0) * 0.0, x, -x),
    lambda x: autograd_mini.maximum(x, x),
    lambda x: abs(abs(x)),
    lambda x: x**0.5 - autograd_mini.sqrt(x),
    lambda x: autograd_mini.sum([x, 0.0, -0.0]),
    lambda x: autograd_mini.dot([x, 0.0], [0.0, x]),
    lambda x: autograd_mini.prod([x, x, 0.0]),
]


def test_results_keep_every_bit_for_special_numbers() -> None:
    compiled = jit(lambda x: [function(x) for function in KEPT])
    for x in SPECIAL:
        expected = [function(Value(x)).data for function in KEPT]
        for i, (found, right) in enumerate(zip(compiled(x), expected, strict=True)):
            assert identical(found, right), f"KEPT[{i}] of {x} is {found}, should be {right}"


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, 4, -2])
def test_powers_to_constants_agree_with_the_engine_also_in_their_derivatives(exponent: float) -> None:
    function = value_and_grad(lambda x: x**exponent)
    compiled = jit(function)
    for x in SPECIAL:
        for found, right in zip(compiled(x), function(x), strict=True):
            assert (math.isnan(found) and math.isnan(right)) or found == pytest.approx(right, rel=1e-15)
